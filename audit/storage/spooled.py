"""A shared record store with a spool before it: while the store is away records are durable locally, and go to it in order after.

Two ways, one at a time. *Direct*: the writer's thread owns the store's connection. *Away*: groups go into the spool, and the
thread of this module owns the connection, makes it anew, and empties the spool. Numbers are taken once in the store, so a group
whose commit nobody heard of is offered again and is there once. The way back to direct is taken with the lock held, for one last
bounded insert, so that no record overtakes another of its instance.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from audit.errors import AuditError, EvidenceUnavailable, HistoryError
from audit.storage.base import MAIN, Row, Sequenced
from audit.storage.postgres import PostgresStore
from audit.storage.spool import Spool
from audit.vocabulary import Kept

_log = logging.getLogger(__name__)

CHUNK, LEAST = 512, 16
"""Rows that go from the spool to the store in one transaction; halved where that fails, so that a slow store takes some."""
PAUSE_S = 0.25
"""Between tries of a store that is away."""
AWAY = "store-away"

T = TypeVar("T")
Check = Callable[[Sequence[Row]], None]
"""Raises ``HistoryError`` for rows that are not what was put into the spool."""


class SpooledStore:
    """``PostgresStore`` with a ``Spool``: its ``insert`` fails only where the spool does. Close it, or its thread stays."""

    def __init__(self, store: PostgresStore, spool: Spool, check: Check) -> None:
        """Brings what an earlier process left in the spool to the store. Raises as that does, and as ``check``, which looks at
        rows before they leave this machine.
        """
        self._store = store
        self._spool = spool
        self._check_rows = check
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._direct = True
        self._fatal: HistoryError | None = None
        self._doubtful = False
        self._chunk = CHUNK
        self._next: dict[str, int] = {}
        while self._spool.rows:
            self._move()
        self._thread = threading.Thread(target=self._run, name="log-spool", daemon=True)
        self._thread.start()

    @property
    def away(self) -> bool:
        """Whether records go into the spool now."""
        return not self._direct

    @property
    def spooled(self) -> int:
        """Records that are durable here and that the store does not have yet."""
        return self._spool.rows

    # --- records ------------------------------------------------------------------------------------------------------

    def insert(self, rows: Sequence[Row]) -> Kept:
        """Make rows durable, all or none, in the store or in the spool."""
        with self._lock:
            self._check()
            kept = self._kept(rows)
            for row in rows:
                self._next[row.epoch] = row.seq + 1
            return kept

    def _kept(self, rows: Sequence[Row]) -> Kept:
        tried = self._direct
        if tried:
            try:
                return self._store.insert(rows)
            except EvidenceUnavailable as error:
                self._leave(error)
        try:
            self._spool.append(rows)
        except AuditError:
            # The store may have them all the same. Until it was asked, their numbers must not be used again.
            self._doubtful = self._doubtful or tried
            raise
        return Kept.LOCAL

    def next_seq(self, epoch: str, after_id: int) -> int:
        """Sequence number that the epoch's next record takes; from memory, unless a commit's outcome is in doubt."""
        with self._lock:
            if not self._doubtful and epoch in self._next:
                return self._next[epoch]
            if not self._direct:
                raise EvidenceUnavailable("whether the record store took the last records is not known yet")
            found = self._store.next_seq(epoch, after_id)
            self._next[epoch], self._doubtful = found, False
            return found

    def _check(self) -> None:
        if self._fatal is not None:
            raise self._fatal
        if self._doubtful:
            raise EvidenceUnavailable("whether the record store took the last records is not known yet")

    def _leave(self, error: EvidenceUnavailable) -> None:
        if self._direct:
            _log.error("records are kept in the spool: %s", error)
        self._direct = False
        self._wake.set()

    # --- the way back -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.is_set():  # before waiting too: the way back clears what `close` may have set
            self._wake.wait()
            if self._ending.is_set():
                return
            try:
                self._way_back()
            except EvidenceUnavailable:
                self._ending.wait(PAUSE_S)
            except HistoryError as error:
                _log.critical("the spool cannot be brought to the record store: %s", error)
                self._fatal = error
                return

    def _way_back(self) -> None:
        """Empty the spool into the store. Raises ``EvidenceUnavailable`` or ``HistoryError``."""
        self._store.reopen()
        while self._spool.rows > self._chunk:
            if self._ending.is_set():
                return
            began = time.monotonic()
            self._move()
            # Half of the time belongs to requests: a long way back must not slow them down.
            time.sleep(min(time.monotonic() - began, PAUSE_S))
        with self._lock:
            while self._spool.rows:
                self._move()
            self._direct = True
            self._wake.clear()
        _log.info("the record store has everything that was in the spool")

    def _move(self) -> None:
        """Bring the oldest groups to the store. Dying in the middle of it offers them once more."""
        before, self._chunk = self._chunk, max(LEAST, self._chunk // 2)
        rows = self._spool.peek(before)
        self._check_rows(rows)  # read again from a file that others may have written to
        self._store.insert_missing(rows)
        self._spool.drop_peeked()
        self._chunk = min(CHUNK, before * 2)

    # --- everything else, where the store is there --------------------------------------------------------------------

    def _now(self, ask: Callable[[PostgresStore], T]) -> T:
        with self._lock:
            if not self._direct:
                raise EvidenceUnavailable("the record store is away", code=AWAY)
            try:
                return ask(self._store)
            except EvidenceUnavailable as error:
                self._leave(error)
                raise

    def reopen(self) -> None:
        """Nothing to do: connections are made by the spool's thread."""

    def close(self) -> None:
        """End the thread; what is in the spool stays there for the next start."""
        self._ending.set()
        self._wake.set()
        self._thread.join()
        self._store.close()
        self._spool.close()

    def lead(self) -> int:
        """As ``PostgresStore.lead``."""
        return self._now(lambda store: store.lead())

    def step_down(self) -> None:
        """As ``PostgresStore.step_down``."""
        self._now(lambda store: store.step_down())

    def logs(self) -> list[str]:
        """As ``PostgresStore.logs``."""
        return self._now(lambda store: store.logs())

    def pending(self) -> list[str]:
        """As ``PostgresStore.pending``."""
        return self._now(lambda store: store.pending())

    def open_log(self, log: str, checkpoint: str) -> None:
        """As ``PostgresStore.open_log``."""
        self._now(lambda store: store.open_log(log, checkpoint))

    def unsequenced(self, log: str, limit: int) -> list[tuple[int, bytes]]:
        """As ``PostgresStore.unsequenced``."""
        return self._now(lambda store: store.unsequenced(log, limit))

    def sequence(self, batches: Sequence[Sequenced]) -> None:
        """As ``PostgresStore.sequence``."""
        self._now(lambda store: store.sequence(batches))

    def staged(self, log: str) -> list[tuple[str, bytes]]:
        """As ``PostgresStore.staged``."""
        return self._now(lambda store: store.staged(log))

    def unstage(self, logs: Sequence[str] = (MAIN,)) -> None:
        """As ``PostgresStore.unstage``."""
        self._now(lambda store: store.unstage(logs))

    def head(self, log: str) -> tuple[int, str]:
        """As ``PostgresStore.head``."""
        return self._now(lambda store: store.head(log))

    def of_epoch(self, epoch: str, after_id: int, first_seq: int) -> list[bytes]:
        """As ``PostgresStore.of_epoch``."""
        return self._now(lambda store: store.of_epoch(epoch, after_id, first_seq))

    def orphans(self, after_id: int) -> list[tuple[str, bytes]]:
        """As ``PostgresStore.orphans``."""
        return self._now(lambda store: store.orphans(after_id))

    def last_id(self) -> int:
        """As ``PostgresStore.last_id``."""
        return self._now(lambda store: store.last_id())

    def last_kind(self) -> str:
        """As ``PostgresStore.last_kind``."""
        return self._now(lambda store: store.last_kind())

    def meta(self, key: str) -> str | None:
        """As ``PostgresStore.meta``."""
        return self._now(lambda store: store.meta(key))

    def set_meta(self, key: str, value: str) -> None:
        """As ``PostgresStore.set_meta``."""
        self._now(lambda store: store.set_meta(key, value))
