"""Nothing that the log holds is missing at a sink, whatever fails and whenever the process dies."""

import errno
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from audit import durable, trace_cursor
from audit.errors import EvidenceUnavailable, MalformedError
from audit.spans import Span
from audit.statement import DecisionRecord
from audit.trace_cursor import Cursor
from audit.trace_feed import TraceExporter, UndeliveredError
from tests.simulators import traffic


@dataclass
class Log:
    """A log as its readers see it. ``broken``: how many reads fail from now on."""

    sent: traffic.Traffic = field(default_factory=traffic.Traffic)
    broken: int = 0
    reads: list[int] = field(default_factory=list)

    def records(self, first: int, end: int) -> list[tuple[int, bytes]]:
        self.reads.append(first)
        if self.broken:
            self.broken -= 1
            raise EvidenceUnavailable("expected a readable store, got none")
        return self.sent.entries[first:end]


@dataclass
class Shelf:
    """A sink that keeps trace ids and can go back to a mark. ``broken``: how many deliveries fail from now on."""

    kept: list[bytes] = field(default_factory=list)
    broken: int = 0
    name: str = "shelf"
    closed: bool = False

    def resume(self, mark: Mapping[str, int]) -> None:
        del self.kept[mark.get("count", 0) :]

    def deliver(self, batch: Sequence[tuple[Span, ...]]) -> Mapping[str, int]:
        for spans in batch:
            self.kept.append(spans[0].trace_id)
            if self.broken:
                self.broken -= 1
                raise UndeliveredError("expected room, got none")
        return {"count": len(self.kept)}

    def close(self) -> None:
        self.closed = True


def run(log: Log, *sinks: Shelf, folder: Path) -> TraceExporter:
    exporter = TraceExporter(log.records, sinks, folder, poll_s=0.01, first_pause_s=0.01)
    exporter.start()
    return exporter


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "expected it within 20 s"
        time.sleep(0.005)


def requests(log: Log, *names: str) -> None:
    for name in names:
        log.sent.answer(traffic.decision(name))


def test_every_request_is_delivered_once_as_the_log_grows(tmp_path: Path) -> None:
    log, shelf = Log(), Shelf()
    requests(log, "a", "b")
    exporter = run(log, shelf, folder=tmp_path)
    eventually(lambda: len(shelf.kept) == 2)
    requests(log, "c")
    exporter.notify()
    eventually(lambda: len(shelf.kept) == 3)
    assert exporter.stop()
    assert len(set(shelf.kept)) == 3
    assert shelf.closed


def test_stopping_delivers_what_the_log_holds(tmp_path: Path) -> None:
    log, shelf = Log(sent=traffic.season(700)), Shelf()
    assert run(log, shelf, folder=tmp_path).stop(30)
    assert len(set(shelf.kept)) == len(shelf.kept) == 698


def test_a_restart_goes_on_where_it_was_and_repeats_nothing(tmp_path: Path) -> None:
    log, shelf = Log(), Shelf()
    requests(log, "a", "b")
    run(log, shelf, folder=tmp_path).stop()
    requests(log, "c")
    log.reads.clear()
    run(log, shelf, folder=tmp_path).stop()
    assert len(set(shelf.kept)) == len(shelf.kept) == 3
    assert log.reads[0] == 4


def test_a_request_that_was_open_at_a_restart_is_delivered_when_its_result_comes(tmp_path: Path) -> None:
    log, shelf = Log(), Shelf()
    open_one = log.sent.append(traffic.decision("slow"))
    requests(log, "a", "b")
    run(log, shelf, folder=tmp_path).stop()
    assert len(shelf.kept) == 2
    log.sent.append(traffic.result(open_one, "slow"))
    log.reads.clear()
    run(log, shelf, folder=tmp_path).stop()
    assert log.reads[0] == 0
    assert len(set(shelf.kept)) == len(shelf.kept) == 3


def test_a_failing_sink_is_tried_again_until_it_takes_everything_once(tmp_path: Path) -> None:
    log, shelf = Log(), Shelf(broken=3)
    requests(log, "a", "b", "c")
    exporter = run(log, shelf, folder=tmp_path)
    eventually(lambda: len(shelf.kept) == 3)
    eventually(lambda: exporter.status()[0].failing == "")
    exporter.stop()
    assert len(set(shelf.kept)) == 3


def test_a_failing_sink_says_so_and_does_not_delay_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log, good, bad = Log(), Shelf(name="good"), Shelf(name="bad", broken=10**9)
    requests(log, "a")
    exporter = run(log, bad, good, folder=tmp_path)
    eventually(lambda: len(good.kept) == 1)
    eventually(lambda: exporter.status()[0].failing == "traces-undelivered")
    assert exporter.status()[1].failing == ""
    exporter.stop()
    assert "trace sink `bad` fails (traces-undelivered)" in caplog.text


def test_a_log_that_cannot_be_read_for_a_while_is_read_later(tmp_path: Path) -> None:
    log, shelf = Log(broken=2), Shelf()
    requests(log, "a")
    exporter = run(log, shelf, folder=tmp_path)
    eventually(lambda: len(shelf.kept) == 1)
    exporter.stop()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"low":1,"high":0,"mark":{}}', b'{"low":0,"high":0,"mark":{"n":-1}}', b"[" * 100_000]
)
def test_a_damaged_cursor_means_beginning_again(tmp_path: Path, content: bytes) -> None:
    log, shelf = Log(), Shelf()
    requests(log, "a", "b")
    run(log, shelf, folder=tmp_path).stop()
    (tmp_path / "cursor" / "shelf.json").write_bytes(content)
    run(log, shelf, folder=tmp_path).stop()
    assert len(set(shelf.kept)) == len(shelf.kept) == 2


def full(place: Path, content: bytes) -> None:
    """A disk that takes nothing."""
    raise OSError(errno.ENOSPC, "no space left")


def test_dying_after_a_delivery_and_before_the_cursor_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, shelf = Log(), Shelf()
    requests(log, "a")
    with monkeypatch.context() as failing:
        failing.setattr(durable, "replace", full)
        exporter = run(log, shelf, folder=tmp_path)
        eventually(lambda: exporter.status()[0].failing == "OSError")
        exporter.stop()
    assert len(shelf.kept) == 1
    run(log, shelf, folder=tmp_path).stop()
    assert len(shelf.kept) == 1


def test_a_record_that_makes_no_spans_is_skipped_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log, shelf = Log(), Shelf()
    log.sent.answer(replace(traffic.decision("odd"), at="secret-looking text"))
    requests(log, "a")
    exporter = run(log, shelf, folder=tmp_path)
    eventually(lambda: len(shelf.kept) == 1)
    exporter.stop()
    assert exporter.status()[0].skipped == 1
    assert "secret" not in caplog.text


def test_status_says_how_far_each_sink_is(tmp_path: Path) -> None:
    log, shelf = Log(), Shelf()
    requests(log, "a", "b")
    exporter = run(log, shelf, folder=tmp_path)
    eventually(lambda: exporter.status()[0].delivered == 2)
    assert exporter.status()[0].running
    exporter.stop()
    (status,) = exporter.status()
    assert (status.next_index, status.running) == (4, False)


def test_an_exporter_that_was_never_started_stops(tmp_path: Path) -> None:
    assert TraceExporter(Log().records, [Shelf()], tmp_path).stop()


def test_a_cursor_is_read_as_it_was_written() -> None:
    for log in (0, 1):
        cursor = Cursor(log=log, low=3, high=9, mark={"part": 2, "bytes": 77})
        assert trace_cursor.parse(cursor.encode(1), 1) == cursor
    with pytest.raises(MalformedError, match="cursor"):
        trace_cursor.parse(b'{"low":0}', 1)


def test_decisions_are_read_again_and_not_kept_from_before(tmp_path: Path) -> None:
    log, shelf = Log(), Shelf(broken=1)
    made: DecisionRecord = traffic.decision("a")
    log.sent.answer(made)
    exporter = run(log, shelf, folder=tmp_path)
    eventually(lambda: exporter.status()[0].delivered == 1)
    exporter.stop()
    assert log.reads.count(0) == 2
