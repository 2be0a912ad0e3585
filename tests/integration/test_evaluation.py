"""The replay upstream and the evaluator: the running proxy gives what the recording says, and the banned vendor hears nothing."""

import asyncio
import dataclasses
import json
import urllib.error
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from pyarrow import parquet

from policies import facts, shipped
from proxy.errors import ConfigurationError
from proxy.evaluation import cli, offline, pool, recorded
from tests.evaluation import run
from tests.simulators import replay, sample

BENCHMARK = "orchard"


ROW = run.Row(
    name="sample", benchmarks=BENCHMARK, vendor="summit", banned="summit-9", mode="standard", least=-20.0, most=0.64
)


@pytest.mark.parametrize("mode", ["standard", "high"])
async def test_the_running_proxy_gives_what_the_recording_says(tmp_path: Path, mode: str) -> None:
    data = sample.write(tmp_path / "recording")
    found = await run.evaluate(dataclasses.replace(ROW, mode=mode), data, seed=1, fitted=0.1)
    assert found["connections_to_the_banned_vendor"] == 0
    assert found["failed"] == 0
    assert found["accuracy"] == found["offline"]["accuracy"] >= 75
    assert found["cost_ratio"] == pytest.approx(found["offline"]["cost_ratio"], abs=0.01)
    assert found["cost_ratio"] < 1.4
    assert "summit-9" not in found["models"]


def test_the_command_hosts_a_proxy_of_its_own_and_writes_every_figure_with_its_interval(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = sample.write(tmp_path / "recording")
    out = tmp_path / "figures.json"
    arguments = ["--data", str(data), "--benchmarks", BENCHMARK, "--ban-vendor", "summit", "--json", str(out)]
    assert cli.eval_main([*arguments, "--plots", str(tmp_path / "plots")]) == 0
    drawn = {
        name: ElementTree.parse(tmp_path / "plots" / f"{name}.svg").getroot() for name in ("frontier", "calibration")
    }
    told = {name: "".join(svg.itertext()) for name, svg in drawn.items()}
    assert "standard mode" in told["frontier"]
    assert "summit-9: " in told["frontier"]
    assert "confidence 0." in told["calibration"]
    found = json.loads(out.read_text())
    assert found["banned"] == "summit-9"
    assert found["connections_to_the_banned_vendor"] == found["failed"] == 0
    for name in ("accuracy", "banned_accuracy", "difference_points", "cost_ratio", "calls_per_request"):
        low, high = found[f"{name}_ci95"]
        assert low <= found[name] <= high, name
    assert "summit-9, which policy bans; 13 questions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ban-vendor", "nobody"], "as no model of `nobody` answered every question"),
        (["--ban-model", "nothing"], "expected a model of the recording, got `nothing`"),
        (["--shares", "/nowhere/shares.json"], "expected shares of format 1"),
    ],
)
def test_what_the_command_cannot_use_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    data = sample.write(tmp_path)
    ban = [] if arguments[0].startswith("--ban") else ["--ban-vendor", "summit"]
    assert cli.eval_main(["--data", str(data), "--benchmarks", BENCHMARK, *ban, *arguments]) == 2
    assert message in capsys.readouterr().err


def ask(url: str, model: str, prompt: str, **more: Any) -> tuple[int, bytes]:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}], **more}).encode()
    request = urllib.request.Request(url + "/chat/completions", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def test_the_replay_upstream_is_what_a_provider_would_have_been(tmp_path: Path) -> None:
    recording = recorded.load(sample.write(tmp_path), [BENCHMARK])
    vendors = await replay.serve(replay.Shelf(recording), replay.Faults())
    prompt = recording.items[0].prompt
    url = vendors["pebble"].base_url
    status, first = await asyncio.to_thread(ask, url, "pebble-1", "  " + prompt.replace("\n", "\r\n"))
    assert status == 200
    assert json.loads(first)["usage"]["completion_tokens"] == 20
    assert b"correct" not in first
    assert (await asyncio.to_thread(ask, url, "pebble-1", prompt))[1] == first
    status, missed = await asyncio.to_thread(ask, url, "pebble-1", "what is this?")
    assert (status, json.loads(missed)["error"]["code"]) == (404, "replay_miss")
    status, unasked = await asyncio.to_thread(ask, url, "nobody", prompt)
    assert (status, json.loads(unasked)["error"]["code"]) == (404, "replay_no_record")
    _, events = await asyncio.to_thread(ask, url, "pebble-1", prompt, stream=True)
    assert events.rstrip().endswith(b"data: [DONE]")
    assert {name: v.connections for name, v in vendors.items() if v.connections} == {
        "pebble": vendors["pebble"].connections
    }
    for vendor in vendors.values():
        await vendor.stop()


async def test_faults_come_from_the_seed(tmp_path: Path) -> None:
    recording = recorded.load(sample.write(tmp_path), [BENCHMARK])
    seen = []
    for seed in (1, 1, 2):
        vendors = await replay.serve(
            replay.Shelf(recording), replay.Faults(p429=0.5, seed=seed, banned=frozenset({"hill"}))
        )
        url = vendors["pebble"].base_url
        seen.append([(await asyncio.to_thread(ask, url, "pebble-1", item.prompt))[0] for item in recording.items])
        assert (await asyncio.to_thread(ask, vendors["hill"].base_url, "hill-2", recording.items[0].prompt))[0] == 451
        for vendor in vendors.values():
            await vendor.stop()
    assert seen[0] == seen[1] != seen[2]
    assert set(seen[0]) == {200, 429}


def test_the_gate_on_the_sample_is_what_can_be_counted_by_hand(tmp_path: Path) -> None:
    recording = recorded.load(sample.write(tmp_path), [BENCHMARK])
    played = offline.play_gate(
        recording, recording.items, ["pebble-1", "brook-1"], ["peak-3"], offline.by_text(recording)
    )
    by_hand = sum(number != 3 for number in range(len(recording.items)))  # they agree on a wrong answer once
    assert sum(p.correct for p in played) == by_hand
    wrong = {n for n in range(13) if n % 3 == 0 or n % 4 == 3} - {3}
    assert sum(not p.accepted for p in played) == len(wrong)


def test_a_folder_without_a_recording_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"questions\.parquet"):
        recorded.load(tmp_path, [BENCHMARK])


PRICES = {
    "a list": '{"models": [1]}',
    "no object": "[]",
    "nested": "[" * 100_000,
    "no price for output": '{"models": {"hill-2": {"vendor": "hill", "usd_per_1m_in": 1}}}',
    "a text as a price": '{"models": {"hill-2": {"vendor": "hill", "usd_per_1m_in": "1", "usd_per_1m_out": 1}}}',
    "no number as a price": '{"models": {"hill-2": {"vendor": "hill", "usd_per_1m_in": NaN, "usd_per_1m_out": 1}}}',
    "a price below nothing": '{"models": {"hill-2": {"vendor": "hill", "usd_per_1m_in": -1, "usd_per_1m_out": 1}}}',
    "a price without end": '{"models": {"hill-2": {"vendor": "hill", "usd_per_1m_in": 1e999, "usd_per_1m_out": 1}}}',
    "no vendor": '{"models": {"hill-2": {"usd_per_1m_in": 1, "usd_per_1m_out": 1}}}',
}


def test_a_vendor_that_the_registry_knows_is_at_home_where_it_says(tmp_path: Path) -> None:
    data = sample.write(tmp_path)
    prices = data / "models.json"
    prices.write_text(prices.read_text().replace('"hill"', '"alibaba"'))
    recording = recorded.load(data, [BENCHMARK])
    ports = {info.vendor: 1 for info in recording.models.values()}
    made = pool.catalogue(recording, {}, ports, shipped.homes(), date(2026, 11, 25), "summit-9")
    facts.load([("catalogue.yaml", made)])
    assert made["developers"]["alibaba"]["home"] == "CN"


@pytest.mark.parametrize("name", PRICES)
def test_a_price_list_that_is_none_is_said(tmp_path: Path, name: str) -> None:
    data = sample.write(tmp_path)
    (data / "models.json").write_text(PRICES[name])
    with pytest.raises(ConfigurationError, match=r"models\.json"):
        recorded.load(data, [BENCHMARK])


@pytest.mark.parametrize(
    ("file", "column", "value"),
    [
        ("questions", "prompt", None),
        ("questions", "prompt", 5),
        ("questions", "qid", None),
        ("outputs", "output", 5),
        ("outputs", "tokens_in", -5),
        ("outputs", "tokens_out", 1 << 62),
    ],
)
def test_a_row_that_is_none_is_said(tmp_path: Path, file: str, column: str, value: object) -> None:
    path = sample.write(tmp_path) / f"{file}.parquet"
    rows = [{**row, column: value} for row in parquet.read_table(path).to_pylist()]
    parquet.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(ConfigurationError, match=rf"{file}\.parquet.*`{column}`"):
        recorded.load(path.parent, [BENCHMARK])


@pytest.mark.parametrize("content", [b"PAR1garbagePAR1", b""])
def test_a_file_that_is_no_parquet_is_said(tmp_path: Path, content: bytes) -> None:
    data = sample.write(tmp_path)
    (data / "outputs.parquet").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"outputs\.parquet`: expected a Parquet file"):
        recorded.load(data, [BENCHMARK])


def test_a_recording_without_questions_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="expected questions of another, got none"):
        recorded.load(sample.write(tmp_path), ["another"])
