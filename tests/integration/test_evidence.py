"""What a running proxy leaves behind holds, and one changed byte of it does not; traces say what the log says."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from openai import OpenAI

from audit import datadir, dsse, layout, statement
from audit.vocabulary import RecordKind
from tests.simulators.otlp_receiver import receiving
from tests.simulators.server import Server, apostille, catalogue, deployment, far_side, key_of, tenant

MODELS = ("one", "apostille/auto", "apostille/fusion", "board", "far")


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], set[tuple[bytes, bytes]]]:
    """A data directory after some traffic and a clean stop, the records of that traffic, and the spans a receiver got."""
    folder = tmp_path_factory.mktemp("evidence")
    records = []
    with far_side() as url, receiving() as receiver:
        deployments = {f"n/{m}": deployment(url, model=m) for m in ("one", "two", "three")}
        deployments["x/far"] = deployment(url, model="far", operator="vendor-y", regions=("CN",))
        config = {
            "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate", "eu"], data_classes=["personal"])},
            "pipelines": {
                "board": {
                    "aggregator": "judge-author",
                    "first": ["one", "two", "far"],
                    "judge": "three",
                    "author": "three",
                }
            },
            "traces": {"otlp_endpoint": receiver.url},
        }
        server = Server.start(Server.prepare(folder, config, catalogue(deployments)))
        with OpenAI(base_url=f"{server.url}/v1", api_key=key_of("de"), max_retries=0) as client:
            for model in MODELS:
                for stream in (False, True):
                    raw = client.chat.completions.with_raw_response.create(
                        model=model, messages=[{"role": "user", "content": "What is 6 times 7?"}], stream=stream
                    )
                    records.append(raw.headers["apostille-record"])
                    raw.http_response.read()
        assert server.stop() == 0, server.log_text
        spans = {(span.trace_id, span.span_id) for span in receiver.spans}
    return folder / "data", records, spans


def test_every_record_and_the_whole_log_verify(left: tuple[Path, list[str], object]) -> None:
    data, records, _ = left
    found = apostille("verify", "--data", str(data))
    assert found.returncode == 0, found.stdout
    for record in records:
        assert apostille("verify", record, "--data", str(data)).returncode == 0


def test_a_bundle_of_it_verifies_with_trust_from_elsewhere(
    left: tuple[Path, list[str], object], tmp_path: Path
) -> None:
    data, _, _ = left
    trust = tmp_path / "trust"
    trust.mkdir()
    for name in ("root.pem", "log.vkey"):
        shutil.copy(data / layout.KEYS / name, trust / name)
    made = apostille("bundle", "--data", str(data), "--out", str(tmp_path / "bundle"))
    assert made.returncode == 0, made.stderr
    found = apostille("verify", str(tmp_path / "bundle"), "--trust", str(trust))
    assert found.returncode == 0, found.stdout
    assert not list((tmp_path / "bundle").rglob("*.key.pem"))


def _flip(place: Path, at: int) -> None:
    content = bytearray(place.read_bytes())
    content[at] ^= 1
    place.write_bytes(bytes(content))


def _flip_record(data: Path) -> None:
    with sqlite3.connect(data / datadir.DATABASE) as database:
        key, envelope = database.execute("SELECT id, env FROM rec WHERE kind = 'result' ORDER BY id LIMIT 1").fetchone()
        changed = bytearray(envelope)
        changed[60] ^= 1
        database.execute("UPDATE rec SET env = ? WHERE id = ?", (bytes(changed), key))
    database.close()


def _delete_record(data: Path) -> None:
    with sqlite3.connect(data / datadir.DATABASE) as database:
        database.execute("DELETE FROM rec WHERE id = (SELECT MAX(id) FROM rec WHERE kind = 'result')")
    database.close()


def _largest_tile(data: Path, kind: str) -> Path:
    return max((data / layout.LOG / "tile" / kind).rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else -1)


TAMPERINGS: dict[str, Callable[[Path], None]] = {
    "record": _flip_record,
    "record deleted": _delete_record,
    "hash tile": lambda data: _flip(_largest_tile(data, "0"), 5),
    "entry": lambda data: _flip(_largest_tile(data, "entries"), 300),
    "checkpoint root": lambda data: _flip(data / layout.LOG / "checkpoint", 30),
    "checkpoint signature": lambda data: _flip(data / layout.LOG / "checkpoint", -10),
}


@pytest.mark.parametrize("kind", sorted(TAMPERINGS))
def test_one_changed_byte_makes_verify_exit_1_and_say_what(
    left: tuple[Path, list[str], object], tmp_path: Path, kind: str
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(left[0], copy)
    TAMPERINGS[kind](copy)
    found = apostille("verify", "--data", str(copy))
    assert found.returncode == 1, found.stdout
    assert "failed:" in found.stdout


def test_file_and_receiver_hold_the_same_spans_and_each_is_in_the_log(
    left: tuple[Path, list[str], set[tuple[bytes, bytes]]],
) -> None:
    data, records, received = left
    opened = datadir.open_directory(data)
    digests = {index: dsse.pae_digest(dsse.parse(envelope)) for index, envelope in opened.between(0, 1 << 40)}
    opened.close()
    in_file, traces = set(), set()
    for line in (data / layout.TRACES / "otlp.jsonl").read_text().splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    in_file.add((bytes.fromhex(span["traceId"]), bytes.fromhex(span["spanId"])))
                    traces.add(span["traceId"])
                    said = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
                    if "apostille.ledger.entry.id" in said:
                        assert digests[int(said["apostille.ledger.entry.id"])] == said["apostille.ledger.entry.hash"]
    assert in_file == received
    assert len(traces) == len(records)


def test_the_records_say_who_contributed_and_hold_no_content(left: tuple[Path, list[str], object]) -> None:
    data, records, _ = left
    opened = datadir.open_directory(data)
    substituted = contributed = 0
    for _, envelope in opened.between(0, 1 << 40):
        payload = dsse.parse(envelope).payload
        assert b"6 times 7" not in payload
        found = statement.parse(payload)
        if found.kind is RecordKind.DECISION:
            substituted += bool(statement.decision_of(found).substituted)
        elif found.kind is RecordKind.RESULT:
            contributed += any(each.used for each in statement.result_of(found).contributions)
    opened.close()
    assert (substituted, contributed) == (4, len(records))  # `far` twice by name, and twice on the board
