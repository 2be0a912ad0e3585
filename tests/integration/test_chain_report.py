"""A report over logs that ended: each request once, by its own time, in a tree that the report names."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from audit import checkpoint
from audit.vocabulary import EndReason
from proxy.cli import main
from tests.simulators import chain
from tests.simulators.chain import Chain


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Three logs with two requests each, of October to March."""
    return chain.made(tmp_path_factory.mktemp("chain") / "data")


def report(data: Path, out: Path, begin: str, end: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a report."""
    code = main(["report", "--data", str(data), "--out", str(out), "--from", begin, "--to", end, "--jobs", "1", *more])
    return code, json.loads((out / "report.json").read_text())


def test_a_period_is_counted_over_the_ends_of_logs_and_every_log_is_named(
    logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = report(logs.root, tmp_path / "out", "2025-10-01", "2026-03-31")
    assert (code, found["figures"]["requests"], found["cover"]["verification"]) == (0, 6, "held")
    assert [day["day"] for day in found["figures"]["days"]] == [
        f"{month}-10" for month in ("2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03")
    ]
    trees = [checkpoint.parse_text(checkpoint.parse_bytes(logs.checkpoint(n)).text) for n in range(3)]
    assert found["cover"]["logs"] == [
        {"origin": tree.origin, "size": tree.size, "root": tree.root.hex(), "first": first}
        for tree, first in zip(trees, (0, trees[0].size, trees[0].size + trees[1].size), strict=True)
    ]
    assert {each["id"] for each in found["cover"]["checks"]} >= {"chain", "period"}
    page = (tmp_path / "out/report.html").read_text()
    assert all(tree.origin in page and tree.root.hex() in page for tree in trees)
    assert "3 logs: held; 6 requests in the report" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("begin", "end", "requests"),
    [("2025-11-01", "2025-12-31", 2), ("2025-12-01", "2026-01-31", 2), ("2026-03-01", "2026-03-31", 1)],
)
def test_the_time_of_a_record_decides_and_not_the_log_that_it_is_in(
    begin: str, end: str, requests: int, logs: Chain, tmp_path: Path
) -> None:
    code, found = report(logs.root, tmp_path / "out", begin, end)
    assert (code, found["figures"]["requests"], found["figures"]["outside"]) == (0, requests, 6 - requests)


def test_reports_of_parts_of_a_period_add_up_to_that_of_the_whole(logs: Chain, tmp_path: Path) -> None:
    parts = [
        report(logs.root, tmp_path / f"part-{n}", *days, "--format", "json")[1]["figures"]
        for n, days in enumerate(
            [("2025-10-01", "2025-11-09"), ("2025-11-10", "2026-01-10"), ("2026-01-11", "2026-03-31")]
        )
    ]
    whole = report(logs.root, tmp_path / "whole", "2025-10-01", "2026-03-31", "--format", "json")[1]["figures"]
    for figure in ("requests", "composites", "streams"):
        assert sum(part[figure] for part in parts) == whole[figure]
    assert sum(part["attempts"]["cost_micro_usd"] for part in parts) == whole["attempts"]["cost_micro_usd"] > 0


def test_a_figure_of_several_logs_names_its_records_by_their_numbers_in_all_of_them(
    logs: Chain, tmp_path: Path
) -> None:
    _, found = report(logs.root, tmp_path / "out", "2025-10-01", "2026-03-31", "--format", "json")
    (second, third) = (log["first"] for log in found["cover"]["logs"][1:])
    records = found["figures"]["records"]
    assert records["count"] == 12
    assert (records["first"] < second, records["last"] > third) == (True, True)
    alone = report(logs.root, tmp_path / "late", "2026-03-01", "2026-03-31", "--format", "json")[1]["figures"][
        "records"
    ]
    assert third <= alone["first"] <= alone["last"] == records["last"]


def test_a_log_that_does_not_hold_is_named_wherever_it_is_in_the_chain(logs: Chain, tmp_path: Path) -> None:
    damaged = logs.copy(tmp_path / "data")
    (tile,) = (path for path in damaged.log(0).glob("log/tile/0/000.p/*") if path.name == "13")
    content = bytearray(tile.read_bytes())
    content[3] ^= 1
    tile.write_bytes(bytes(content))
    code, found = report(damaged.root, tmp_path / "out", "2026-03-01", "2026-03-31", "--format", "json")
    assert (code, found["cover"]["verification"]) == (1, "failed")
    failed = {each["id"]: each["reason"] for each in found["cover"]["checks"] if each["outcome"] == "failed"}
    assert failed["tiles"].startswith("ended/0: ")


def test_a_report_without_a_log_that_its_period_needs_could_not_tell(logs: Chain, tmp_path: Path) -> None:
    lost = logs.copy(tmp_path / "data")
    shutil.rmtree(lost.root / "ended")
    for begin, expected in (("2026-02-01", (3, "undecided")), ("2026-02-11", (0, "held"))):
        code, found = report(lost.root, tmp_path / begin, begin, "2026-03-31", "--format", "json")
        assert (code, found["cover"]["verification"]) == expected
    code, found = report(logs.log(1), tmp_path / "alone", "2026-01-01", "2026-01-31", "--format", "json")
    assert code == 3, "the log ended within the period, and the next one is not in this directory"
    (undecided,) = (each for each in found["cover"]["checks"] if each["outcome"] == "undecided")
    assert (undecided["id"], chain.THIRD in undecided["reason"]) == ("period", True)


def test_a_log_that_ended_compromised_leaves_a_report_of_its_successor_undecided(tmp_path: Path) -> None:
    data = chain.made(tmp_path / "data").root
    chain.rotate(data, chain.MARCH, "log.example/four", EndReason.COMPROMISED)
    chain.use(data, chain.MARCH, "r-4")
    code, found = report(data, tmp_path / "out", "2026-03-01", "2026-03-31", "--format", "json")
    assert (code, found["figures"]["requests"]) == (3, 2)


def test_nobody_verified_says_so_of_all_logs(logs: Chain, tmp_path: Path) -> None:
    code, found = report(logs.root, tmp_path / "out", "2025-10-01", "2026-03-31", "--no-verify")
    assert (code, found["cover"]["verification"], found["figures"]["requests"]) == (0, "not-checked", 6)
    assert len(found["cover"]["logs"]) == 3


def test_a_log_that_is_ending_now_is_not_reported_on(
    logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = logs.copy(tmp_path / "data")
    (busy.root / "rotation.json").write_text("{}")
    asked = [
        "report",
        "--data",
        str(busy.root),
        "--out",
        str(tmp_path / "out"),
        "--from",
        "2026-03-01",
        "--to",
        "2026-03-31",
    ]
    assert main(asked) == 3
    assert not (tmp_path / "out").exists()
    assert "ending" in capsys.readouterr().err
