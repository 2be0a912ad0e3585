"""Traces go over the ends of logs: each request once, what was not taken of a log that ended too."""

import base64
import json
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from audit import datadir, layout
from audit.spans import Span, trace_id
from audit.trace_feed import TracedLog, TraceExporter, UndeliveredError
from audit.trace_file import CURRENT, TraceFile
from proxy.cli import main
from tests.simulators import chain
from tests.simulators.chain import Chain
from tests.unit.audit.test_trace_feed import Shelf

OF = {name: trace_id(name) for name in ("r-10", "r-11", "r-12", "r-1", "r-2", "r-3")}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Three logs with two requests each."""
    return chain.made(tmp_path_factory.mktemp("chain") / "data")


@pytest.fixture
def logs(honest: Chain, tmp_path: Path) -> Chain:
    """A copy, whose cursors may be changed."""
    return honest.copy(tmp_path / "data")


def exporter(root: Path, *sinks: Shelf | TraceFile) -> TraceExporter:
    """As the server makes it."""
    ended = [
        TracedLog(number=int(place.name), records=datadir.reader(place), folder=place / layout.TRACES)
        for place in datadir.ended(root)
    ]
    return TraceExporter(
        datadir.reader(root), sinks, root / layout.TRACES, ended=ended, poll_s=0.01, first_pause_s=0.01
    )


def run(root: Path, *sinks: Shelf | TraceFile) -> TraceExporter:
    """Deliver everything, and end."""
    made = exporter(root, *sinks)
    made.start()
    assert made.stop()
    return made


def cursor(root: Path, log: Path, sink: str = "shelf") -> Path:
    place = log / layout.TRACES / "cursor" / f"{sink}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def test_a_new_sink_gets_every_request_of_every_log_once(logs: Chain) -> None:
    shelf = Shelf()
    (status,) = run(logs.root, shelf).status()
    assert shelf.kept == list(OF.values())
    assert (status.delivered, status.logs_behind) == (6, 0)
    run(logs.root, shelf)
    assert shelf.kept == list(OF.values()), "expected nothing to be sent again"


def test_what_a_receiver_had_not_taken_when_a_log_ended_comes_before_what_follows(tmp_path: Path) -> None:
    """The cursor goes with its log; the next start takes it up there."""
    whole = chain.made(tmp_path / "data")
    root = whole.root
    shelf, full = Shelf(), 3

    def limited(batch: Sequence[tuple[Span, ...]]) -> dict[str, int]:
        if len(shelf.kept) >= full:
            raise UndeliveredError("expected room, got none")
        shelf.kept.extend(spans[0].trace_id for spans in batch)
        return {"count": len(shelf.kept)}

    shelf.deliver = limited  # type: ignore[method-assign]
    made = exporter(root, shelf)
    made.start()
    until(lambda: made.status()[0].failing == "traces-undelivered")
    made.stop()
    assert shelf.kept == list(OF.values())[:4], "two logs were taken, the third was not"
    chain.rotate(root, chain.MARCH, "log.example/four")
    chain.use(root, chain.MARCH, "r-4")
    assert not cursor(root, root).exists(), "expected the cursor to be beside the log that ended"
    del shelf.deliver  # type: ignore[method-assign]
    run(root, shelf)
    assert shelf.kept == [*OF.values(), trace_id("r-4")]


def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError


def test_files_go_on_over_the_end_of_a_log(tmp_path: Path) -> None:
    """They were begun anew with each log, and what they had of the one before was gone."""
    root = chain.made(tmp_path / "data").root
    run(root, TraceFile(root / layout.TRACES))
    before = (root / layout.TRACES / CURRENT).read_bytes()
    assert before.count(b"\n") == 6
    chain.rotate(root, chain.MARCH, "log.example/four")
    chain.use(root, chain.MARCH, "r-4")
    run(root, TraceFile(root / layout.TRACES))
    after = (root / layout.TRACES / CURRENT).read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == 7


@pytest.mark.parametrize(
    ("number", "said", "expected"),
    [
        (2, {"low": 0, "high": 0, "mark": {}}, ["r-2", "r-3"]),
        (1, {"low": 0, "high": 0, "mark": {}}, ["r-12", "r-1", "r-2", "r-3"]),
        (1, {"ended": 0, "low": 0, "high": 0, "mark": {}}, list(OF)),
        (2, {"ended": 1, "low": 0, "high": 0, "mark": {}}, ["r-12", "r-1", "r-2", "r-3"]),
        (1, {"low": 11, "high": 11, "mark": {}}, ["r-2", "r-3"]),
    ],
)
def test_a_cursor_is_of_the_log_that_it_names_else_of_the_one_that_it_is_beside(
    number: int, said: dict[str, object], expected: list[str], logs: Chain
) -> None:
    cursor(logs.root, logs.log(number)).write_text(json.dumps(said))
    shelf = Shelf()
    run(logs.root, shelf)
    assert shelf.kept == [OF[name] for name in expected]


@pytest.mark.parametrize(
    "said", [b"{", b'{"ended":"1","low":0,"high":0,"mark":{}}', b'{"ended":-1,"low":0,"high":0,"mark":{}}']
)
def test_a_cursor_of_no_log_means_beginning_again_with_the_oldest(said: bytes, logs: Chain) -> None:
    cursor(logs.root, logs.root).write_bytes(said)
    shelf = Shelf()
    run(logs.root, shelf)
    assert shelf.kept == list(OF.values())


@pytest.mark.parametrize("numbers", [(0,), (1,), (0, 1)])
def test_files_keep_what_they_have_of_logs_that_were_taken_away(
    numbers: tuple[int, ...], logs: Chain, tmp_path: Path
) -> None:
    """Nobody could make it anew."""
    run(logs.root, TraceFile(logs.root / layout.TRACES))
    before = (logs.root / layout.TRACES / CURRENT).read_bytes()
    take_away(logs, tmp_path, *numbers)
    logs.use(chain.MARCH, "r-4")
    run(logs.root, TraceFile(logs.root / layout.TRACES))
    after = (logs.root / layout.TRACES / CURRENT).read_bytes()
    assert after.startswith(before)
    assert (before.count(b"\n"), after.count(b"\n")) == (6, 7)


@pytest.mark.parametrize(
    ("ended", "numbers", "left"),
    [
        (0, (0,), ["r-12", "r-1", "r-2", "r-3"]),
        (1, (1,), ["r-2", "r-3"]),
        (0, (0, 1), ["r-2", "r-3"]),
        (1, (0, 1), ["r-2", "r-3"]),
    ],
)
def test_a_sink_that_was_in_a_log_that_was_taken_away_goes_on_behind_it(
    ended: int, numbers: tuple[int, ...], left: list[str], logs: Chain, tmp_path: Path
) -> None:
    said = {"ended": ended, "low": 5, "high": 5, "mark": {}}
    cursor(logs.root, logs.root).write_text(json.dumps(said))
    take_away(logs, tmp_path, *numbers)
    shelf = Shelf()
    run(logs.root, shelf)
    assert shelf.kept == [OF[name] for name in left]


def take_away(logs: Chain, archive: Path, *numbers: int) -> None:
    for number in numbers:
        (logs.root / f"ended/{number}").rename(archive / f"archive-{number}")


def test_dying_between_two_logs_doubles_nothing(logs: Chain) -> None:
    """The last batch of a log is delivered and the cursor of the next one is not written."""
    shelf, half = Shelf(), exporter(logs.root, Shelf())
    feed = half._feeds[0]
    feed.sink = shelf
    feed.begin()
    assert feed.advance()
    again = exporter(logs.root, shelf)
    again.start()
    assert again.stop()
    assert shelf.kept == list(OF.values())


# --- apostille traces ---------------------------------------------------------------------------------------------------


def test_traces_that_are_made_anew_are_those_that_were_written(
    honest: Chain, logs: Chain, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    run(logs.root, TraceFile(logs.root / layout.TRACES))
    assert main(["traces", "--data", str(honest.root)]) == 0
    made = capfdbinary.readouterr()
    assert made.out == (logs.root / layout.TRACES / CURRENT).read_bytes()
    assert made.err == b"6 traces\n"


@pytest.mark.parametrize(
    ("period", "names"),
    [
        (("--from", "2025-11-01", "--to", "2026-01-31"), ["r-11", "r-12", "r-1"]),
        (("--from", "2026-02-10T12:00:00Z"), ["r-2", "r-3"]),
        (("--to", "2026-02-10T12:00:00Z"), ["r-10", "r-11", "r-12", "r-1"]),
        (("--from", "2027-01-01"), []),
    ],
)
def test_a_period_of_traces_is_of_every_log(
    period: tuple[str, ...], names: list[str], honest: Chain, tmp_path: Path
) -> None:
    out = tmp_path / "traces.jsonl"
    assert main(["traces", "--data", str(honest.root), "--out", str(out), *period]) == 0
    spans = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in out.read_text().splitlines()]
    assert [span["traceId"] for span in spans] == [OF[name].hex() for name in names]


@pytest.mark.parametrize(("member", "value"), [("at", "in March"), ("taskConfidence", 1 << 64)])
def test_a_request_that_no_span_can_tell_of_is_left_out_and_counted(
    member: str, value: object, logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(logs.root / datadir.DATABASE)) as store, store:
        ((content,),) = store.execute("SELECT env FROM rec WHERE request_id = 'r-3' AND kind = 'decision'").fetchall()
        envelope = json.loads(content)
        said = json.loads(base64.b64decode(envelope["payload"]))
        assert member in said["predicate"]
        said["predicate"][member] = value
        envelope["payload"] = base64.b64encode(json.dumps(said).encode()).decode()
        store.execute(
            "UPDATE rec SET env = ? WHERE request_id = 'r-3' AND kind = 'decision'", (json.dumps(envelope).encode(),)
        )
    assert main(["traces", "--data", str(logs.root), "--out", str(tmp_path / "traces.jsonl")]) == 0
    told = capsys.readouterr().err
    assert (
        told == "5 traces\nleft out: 1 requests that cannot be read or told in spans; `apostille verify` names them\n"
    )


def test_traces_are_written_over_no_file_and_of_no_log_that_is_ending(
    logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "traces.jsonl"
    out.write_text("mine")
    assert main(["traces", "--data", str(logs.root), "--out", str(out)]) == 2
    assert out.read_text() == "mine"
    (logs.root / "rotation.json").write_text("{}")
    assert main(["traces", "--data", str(logs.root), "--out", str(tmp_path / "other")]) == 3
    assert not list(tmp_path.glob("other*"))
    assert "ending" in capsys.readouterr().err
