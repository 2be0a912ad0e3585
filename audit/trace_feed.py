"""From the logs to the receivers of traces, outside of every request and without losing one.

The logs are the queue, those that ended before the one that goes on: each sink has its own thread and a durable cursor, and reads on
from there. Nothing is kept in memory that a restart would miss, a slow receiver delays nobody, and a sink that fails is tried again
from its cursor. Delivery is exactly once into files, at least once to a receiver (the ids are the same, so a repeat can be told).
Where several processes share a data directory, one of them delivers to a sink, and another takes over when it ends.
"""

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from audit import durable, trace_cursor, traces
from audit.errors import AuditError, MalformedError
from audit.pairing import Pairing, Request
from audit.recent import KEPT, Recent
from audit.spans import Span
from audit.trace_cursor import Cursor

_log = logging.getLogger(__name__)

Records = Callable[[int, int], Iterable[tuple[int, bytes]]]
"""``records(first, end)``: index and envelope of the log's entries in [first, end), in order; fewer at the log's end."""

PAGE = 512
"""Entries read, and cursors written, at once."""
POLL_S = 1.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0


class UndeliveredError(AuditError):
    """A receiver did not take a batch; it is offered again."""

    code = "traces-undelivered"


class Sink(Protocol):
    """Where traces go. Both methods raise ``OSError`` or ``UndeliveredError``, and are then called again, resume first."""

    @property
    def name(self) -> str:
        """Name of the sink and of its cursor."""

    def resume(self, mark: Mapping[str, int]) -> None:
        """Go on after what was delivered when ``deliver`` gave this mark; an empty one: from nothing."""

    def deliver(self, batch: Sequence[tuple[Span, ...]]) -> Mapping[str, int]:
        """Take one tuple of spans per request; what was taken is safe when this returns."""

    def close(self) -> None:
        """Release what is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedLog:
    """A log to read from. ``number``: that of its folder where it ended, the next one for that which goes on. ``folder``: where its
    cursors are, if they were not taken further.
    """

    number: int
    records: Records
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """State of one sink, for people and health checks. ``failing``: code of the error it is being retried for, or "".

    ``next_index``: of the log that it is in; ``logs_behind``: how many logs come after that one.
    """

    sink: str
    next_index: int
    logs_behind: int
    delivered: int
    skipped: int
    failing: str
    running: bool


class _Feed:
    """One sink, its cursor and its place in the logs. Everything but ``status`` belongs to the feed's thread."""

    def __init__(self, sink: Sink, logs: Sequence[TracedLog], recent: Recent) -> None:
        self.sink = sink
        self._recent = recent
        self._logs = logs
        self._place = trace_cursor.place(logs[-1].folder, sink.name)
        self._cursor = Cursor()
        self._pairing = Pairing(recent=recent)
        self._log = len(logs) - 1
        self._next = 0
        self.delivered = 0
        self.skipped = 0
        self.failing = ""
        self._held: BinaryIO | None = None

    def hold(self) -> bool:
        """Whether this process is the one that delivers to the sink; it is until it ends. Raises ``OSError``."""
        if self._held is None:
            _make(self._place.parent)
            file = durable.appending(self._place.with_suffix(".lock"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._held = file
        return True

    def release(self) -> None:
        """Let another process deliver."""
        if self._held is not None:
            self._held.close()

    @property
    def next_index(self) -> int:
        return self._next

    @property
    def logs_behind(self) -> int:
        return len(self._logs) - 1 - self._log

    def begin(self) -> None:
        """Take up the cursor; raises ``OSError`` or ``UndeliveredError``."""
        found = trace_cursor.stored([(each.number, each.folder) for each in self._logs], self.sink.name)
        self._pairing = Pairing(recent=self._recent)
        self._log = next(at for at, each in enumerate(self._logs) if each.number >= found.log)
        number = self._logs[self._log].number
        # The log that it names was taken away: what is left begins after it.
        self._cursor = found if found.log == number else Cursor(log=number, mark=found.mark)
        self._next = self._cursor.low
        self.sink.resume(self._cursor.mark)

    def advance(self) -> bool:
        """Deliver what the next page of the logs completes; False at their end. Raises as the sink and the log do."""
        log = self._logs[self._log]
        page = list(log.records(self._next, self._next + PAGE))
        if not page:
            return self._go_on()
        done = [request for entry in page if (request := self._pairing.take(*entry)) is not None]
        new = [built for request in done if self._is_new(request) and (built := self._spans(request))]
        end = page[-1][0] + 1
        if new:
            mark = self.sink.deliver(new)
            oldest = self._pairing.lowest_open()
            self._store(Cursor(log=log.number, low=end if oldest is None else oldest, high=end, mark=mark))
            self.delivered += len(new)
        self._next = end
        return True

    def _go_on(self) -> bool:
        """Begin with the log after one that ended; False where none is. A decision and its result are in one log."""
        if not self.logs_behind:
            return False
        following = self._log + 1
        self._store(Cursor(log=self._logs[following].number, mark=self._cursor.mark))
        self._log, self._next, self._pairing = following, 0, Pairing(recent=self._recent)
        return True

    def _is_new(self, request: Request) -> bool:
        return request.result is not None and request.result.index >= self._cursor.high

    def _spans(self, request: Request) -> tuple[Span, ...]:
        try:
            return traces.spans(request)
        except MalformedError:  # one odd record must not hold up all that come after it
            self.skipped += 1
            _log.warning("no trace of the record at index %d: it has values that no span can have", _index(request))
            return ()

    def _store(self, cursor: Cursor) -> None:
        # Dying before this is done leaves the old cursor: the sink goes back to its mark and takes the batch again.
        _make(self._place.parent)
        durable.replace(self._place, cursor.encode(self._logs[-1].number))
        self._cursor = cursor


def _make(folder: Path) -> None:
    """A folder in that of the traces, which only their owner may enter: records' members are in them."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True)


def _index(request: Request) -> int:
    return request.decision.index if request.result is None else request.result.index


class TraceExporter:
    """Feeds any number of sinks, each on its own thread. ``folder`` holds the cursors (and is where files go).

    ``ended``: logs before the one whose ``records`` these are, oldest first; a sink gets what it lacks of them first.
    ``recent``: renders records so that they need not be read again here.
    """

    def __init__(
        self,
        records: Records,
        sinks: Sequence[Sink],
        folder: Path,
        *,
        ended: Sequence[TracedLog] = (),
        poll_s: float = POLL_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._poll_s = poll_s
        self._first_pause_s = first_pause_s
        number = ended[-1].number + 1 if ended else 0
        logs = (*ended, TracedLog(number=number, records=records, folder=folder))
        self.recent = Recent(KEPT if sinks else 0)
        self._feeds = tuple(_Feed(sink, logs, self.recent) for sink in sinks)
        self._stopping = threading.Event()
        self._wakes = tuple(threading.Event() for _ in sinks)
        self._threads = tuple(
            threading.Thread(target=self._run, args=pair, name=f"traces-{pair[0].sink.name}", daemon=True)
            for pair in zip(self._feeds, self._wakes, strict=True)
        )

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def notify(self) -> None:
        """Say that the log has grown. Optional (the log is looked at every ``poll_s``), cheap, and never blocks."""
        for wake in self._wakes:
            wake.set()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Deliver what the log holds and end; True if that was done in time. What was not is delivered after a restart.

        Call it after the log is closed, so that the last records are in it.
        """
        self._stopping.set()
        self.notify()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def status(self) -> tuple[FeedStatus, ...]:
        """State of each sink."""
        return tuple(
            FeedStatus(
                sink=feed.sink.name,
                next_index=feed.next_index,
                logs_behind=feed.logs_behind,
                delivered=feed.delivered,
                skipped=feed.skipped,
                failing=feed.failing,
                running=thread.is_alive(),
            )
            for feed, thread in zip(self._feeds, self._threads, strict=True)
        )

    def _run(self, feed: _Feed, wake: threading.Event) -> None:
        pause, began = self._first_pause_s, False
        while True:
            try:
                if not began and feed.hold():
                    feed.begin()
                    began = True
                moved = began and feed.advance()
            except (OSError, AuditError, sqlite3.Error) as error:
                began = False
                feed.failing = error.code if isinstance(error, AuditError) else type(error).__name__
                _log.warning("trace sink `%s` fails (%s): next try in %.1f s", feed.sink.name, feed.failing, pause)
                if self._stopping.wait(pause):
                    break
                pause = min(pause * 2, LONGEST_PAUSE_S)
                continue
            pause, feed.failing = self._first_pause_s, ""
            if moved:
                continue
            if self._stopping.is_set():
                break
            wake.wait(self._poll_s)
            wake.clear()
        feed.sink.close()
        feed.release()
