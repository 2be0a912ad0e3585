"""From the log to the receivers of traces, outside of every request and without losing one.

The log is the queue: each sink has its own thread and a durable cursor, and reads on from there. Nothing is kept in memory
that a restart would miss, a slow receiver delays nobody, and a sink that fails is tried again from its cursor. Delivery is
exactly once into files, at least once to a receiver (the ids are the same, so a repeat can be told). Where several processes share
a data directory, one of them delivers to a sink, and another takes over when it ends.
"""

import fcntl
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Protocol

from audit import durable, traces
from audit.errors import AuditError, MalformedError
from audit.pairing import Pairing, Request
from audit.spans import Span

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
class Cursor:
    """How far a sink has come. ``high``: entries below were read; ``low``: the oldest decision still without a result.

    Another pass begins at ``low`` and delivers what is complete at ``high`` or after it.
    """

    low: int = 0
    high: int = 0
    mark: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self) -> bytes:
        """JSON of the cursor."""
        return json.dumps({"low": self.low, "high": self.high, "mark": dict(self.mark)}).encode()


def parse_cursor(content: bytes) -> Cursor:
    """Cursor of its JSON; raises ``MalformedError`` (code ``cursor``)."""
    try:
        value = json.loads(content)
        low, high, mark = value["low"], value["high"], value["mark"]
        numbers = [low, high, *mark.values()]
    except (ValueError, TypeError, KeyError, AttributeError) as cause:
        raise MalformedError("expected a cursor of `low`, `high` and `mark`", code="cursor") from cause
    if not all(type(number) is int and number >= 0 for number in numbers) or low > high:
        raise MalformedError("expected a cursor of counts, low before high", code="cursor")
    return Cursor(low=low, high=high, mark=MappingProxyType(mark))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedStatus:
    """State of one sink, for people and health checks. ``failing``: code of the error it is being retried for, or ""."""

    sink: str
    next_index: int
    delivered: int
    skipped: int
    failing: str
    running: bool


class _Feed:
    """One sink, its cursor and its place in the log. Everything but ``status`` belongs to the feed's thread."""

    def __init__(self, sink: Sink, records: Records, folder: Path) -> None:
        self.sink = sink
        self._records = records
        self._place = folder / "cursor" / f"{sink.name}.json"
        self._cursor = Cursor()
        self._pairing = Pairing()
        self._next = 0
        self.delivered = 0
        self.skipped = 0
        self.failing = ""
        self._held: BinaryIO | None = None

    def hold(self) -> bool:
        """Whether this process is the one that delivers to the sink; it is until it ends. Raises ``OSError``."""
        if self._held is None:
            _make(self._place.parent)
            file = self._place.with_suffix(".lock").open("ab")
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

    def begin(self) -> None:
        """Take up the cursor; raises ``OSError`` or ``UndeliveredError``."""
        self._cursor = self._stored()
        self._pairing = Pairing()
        self._next = self._cursor.low
        self.sink.resume(self._cursor.mark)

    def advance(self) -> bool:
        """Deliver what the next page of the log completes; False at its end. Raises as the sink and the log do."""
        page = list(self._records(self._next, self._next + PAGE))
        if not page:
            return False
        done = [request for entry in page if (request := self._pairing.take(*entry)) is not None]
        new = [built for request in done if self._is_new(request) and (built := self._spans(request))]
        end = page[-1][0] + 1
        if new:
            self._store(end, self.sink.deliver(new))
            self.delivered += len(new)
        self._next = end
        return True

    def _is_new(self, request: Request) -> bool:
        return request.result is not None and request.result.index >= self._cursor.high

    def _spans(self, request: Request) -> tuple[Span, ...]:
        try:
            return traces.spans(request)
        except (MalformedError, ValueError):  # one odd record must not hold up all that come after it
            self.skipped += 1
            _log.warning("no trace of the record at index %d: it has values that no span can have", _index(request))
            return ()

    def _stored(self) -> Cursor:
        try:
            return parse_cursor(self._place.read_bytes())
        except FileNotFoundError:
            return Cursor()
        except MalformedError:
            _log.warning("the cursor of trace sink `%s` is damaged: beginning again", self.sink.name)
            return Cursor()

    def _store(self, end: int, mark: Mapping[str, int]) -> None:
        # Dying before this is done leaves the old cursor: the sink goes back to its mark and takes the batch again.
        oldest = self._pairing.lowest_open()
        cursor = Cursor(low=end if oldest is None else oldest, high=end, mark=mark)
        _make(self._place.parent)
        durable.replace(self._place, cursor.encode())
        self._cursor = cursor


def _make(folder: Path) -> None:
    """A folder in that of the traces, which only their owner may enter: records' members are in them."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True)


def _index(request: Request) -> int:
    return request.decision.index if request.result is None else request.result.index


class TraceExporter:
    """Feeds any number of sinks, each on its own thread. ``folder`` holds the cursors (and is where files go)."""

    def __init__(
        self,
        records: Records,
        sinks: Sequence[Sink],
        folder: Path,
        *,
        poll_s: float = POLL_S,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._poll_s = poll_s
        self._first_pause_s = first_pause_s
        self._feeds = tuple(_Feed(sink, records, folder) for sink in sinks)
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
