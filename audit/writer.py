"""The thread that writes records: group commit, signing, sequencing (measured: the fsync costs, and is shared).

Whatever waits is taken into one transaction. Sequence numbers are used up by the commit alone, so a failed batch leaves no gap.
After an error of the store the connection is made anew, what the database holds is looked at again, and the writer goes on by
itself; until then every append fails closed. A history that contradicts itself stops it for good.
"""

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from audit import dsse, sequencer
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, EvidenceUnavailable, HistoryError, SignerUnavailable
from audit.keys import LogSigner
from audit.recording import Appended, Pending, Recorder
from audit.records import Anchor
from audit.sequencer import Publication
from audit.storage.directory import TileDirectory
from audit.storage.sqlite import Row, Store
from audit.tiles import TreeEdge
from audit.vocabulary import RecordKind, Sha256Hex
from audit.witnessing import QUORUM, Witnesses

_log = logging.getLogger(__name__)

MAX_GROUP = 256
"""Most appends in one transaction."""
OK = "ok"
SIGNER = SignerUnavailable.code
PAUSE_S = 0.2
"""Between tries of a store or a disk that fails."""

Result = tuple[Appended, ...] | BaseException


@dataclass(slots=True, eq=False)
class Item:
    """One append: its records, and where its result goes. ``abandoned``: nobody waits any more."""

    pending: Sequence[Pending]
    loop: asyncio.AbstractEventLoop | None
    future: "asyncio.Future[tuple[Appended, ...]] | concurrent.futures.Future[tuple[Appended, ...]]"
    abandoned: bool = False


@dataclass(kw_only=True)
class Writer:
    """State of the writing thread, and of the publishing one beside it: files are written without holding up appends.

    Everything but ``submit``, ``state``, ``published``, ``stop`` belongs to the two threads. ``on_published`` gets the new size.
    """

    store: Store
    directory: TileDirectory
    recorder: Recorder
    log_key: LogSigner
    edge: TreeEdge
    published: Checkpoint
    publish_interval_s: float
    queue_limit: int
    start_id: int
    on_published: Callable[[int], None]
    witnesses: Witnesses = field(default_factory=Witnesses)
    _queue: deque[Item] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _wake: threading.Condition = field(init=False)
    _files: threading.Condition = field(init=False)
    _seq: int = 0
    _dirty: bool = True
    _broken: str = ""
    _disk: str = ""
    _unwitnessed_at: float | None = None
    _unsigned_at: float | None = None
    _fatal: str = ""
    _closing: bool = False
    _counted: bool = False
    _ended: bool = False
    _publication: Publication | None = None
    _written: bool = False
    _retry_at: float = 0.0
    _due_at: float = 0.0

    def __post_init__(self) -> None:
        # Of the same lock: an append wakes the writing thread and leaves the publishing one asleep.
        self._files = threading.Condition(self._lock)
        self._wake = threading.Condition(self._lock)
        self._threads = (
            threading.Thread(target=self._write, name="log-writer", daemon=True),
            threading.Thread(target=self._publish, name="log-publisher", daemon=True),
        )

    # --- for everyone -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, item: Item) -> None:
        """Queue an append. Raises ``EvidenceUnavailable``: history broken, queue over its limit, no quorum, or stopping."""
        with self._wake:
            if self._fatal:
                raise EvidenceUnavailable(
                    f"the log's history is broken ({self._fatal}); nothing is signed", code=self._fatal
                )
            if self._closing:
                raise EvidenceUnavailable("the log is closing", code="log-closing")
            missing = self._unpublishable()
            if missing and any(each.kind is RecordKind.DECISION for each in item.pending):
                # Nothing new is begun; what was begun gets its result on record.
                raise EvidenceUnavailable("the log cannot be published now", code=missing)
            if len(self._queue) >= self.queue_limit:
                raise EvidenceUnavailable("too many records wait to be made durable", code="queue-full")
            self._queue.append(item)
            if len(self._queue) == 1:  # the writer waits only while the queue is empty
                self._wake.notify()

    @property
    def state(self) -> str:
        """``ok``, or the code of what is wrong."""
        return self._fatal or self._broken or self._disk or self._unpublishable() or OK

    def _unpublishable(self) -> str:
        """What a checkpoint has waited for longer than it may: its signature, its quorum of witnesses, or nothing ("")."""
        for code, since in ((SIGNER, self._unsigned_at), (QUORUM, self._unwitnessed_at)):
            if since is not None and time.monotonic() - since >= self.witnesses.grace_s:
                return code
        return ""

    @property
    def settled(self) -> bool:
        """Whether all that is durable is in the published log."""
        with self._wake:
            return not self._queue and not self._dirty and self._publication is None

    def stop(self) -> None:
        """Write what waits, publish it, end both threads. What cannot be written now is failed."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
            self._files.notify_all()
        for thread in self._threads:
            thread.join()

    # --- the writing thread -------------------------------------------------------------------------------------------

    def _write(self) -> None:
        while True:
            group = self._take()
            final = self._is_last(group)
            if group or (final and self.recorder.uncounted) or self.recorder.manifest_in() <= 0:
                self._append(group, final=final)
            self._sequence()
            with self._wake:
                if self._closing and not self._queue and self._settled():
                    self._ended = True  # only now: until here more could be sequenced, and somebody must publish it
                    self._files.notify_all()
                    break
        self._fail_rest()

    def _is_last(self, group: list[Item]) -> bool:
        """Whether nothing will be appended any more but the last manifest; true once."""
        with self._wake:
            last = self._closing and not group and not self._queue and not self._counted
            self._counted = self._counted or last
            return last

    def _settled(self) -> bool:
        """Nothing is left to publish, or it cannot be published now: the files are written at the next start."""
        waiting = self._unwitnessed_at is not None or self._unsigned_at is not None
        return bool(self._fatal or self._broken or self._disk or waiting) or (
            not self._dirty and self._publication is None
        )

    def _take(self) -> list[Item]:
        with self._wake:
            while not self._queue and not self._written:
                pause = self.recorder.manifest_in()
                if self._dirty and self._publication is None:
                    pause = min(pause, self._due_at - time.monotonic())
                if self._closing or pause <= 0:
                    break
                self._wake.wait(max(pause, 0.001))
            if self._closing and not self._queue and self._publication is not None and not self._written:
                self._wake.wait(PAUSE_S)
            return [self._queue.popleft() for _ in range(min(MAX_GROUP, len(self._queue)))]

    def _append(self, group: list[Item], *, final: bool = False) -> None:
        results: list[tuple[Item, Result]] = []
        try:
            self._mend()
            made = self._build(group, results, final=final)
            if made:
                self.store.insert([row for _, row in made])
            self._seq += len(made)
            self.recorder.committed([appended for appended, _ in made], self.published.size)
        except (AuditError, OSError) as error:
            self._give_up(error)
            self.recorder.postpone()
            code = self._fatal or self._broken
            failure = EvidenceUnavailable("no record can be made durable now", code=code or None)
            results = [(item, failure) for item in group]
        else:
            self._mark_dirty()
        _deliver(results)

    def _mend(self) -> None:
        """Make a store that failed usable again; what it holds decides where the sequence goes on."""
        if not self._broken:
            return
        if time.monotonic() < self._retry_at:
            raise EvidenceUnavailable("the record store failed a moment ago", code=self._broken)
        self._retry_at = time.monotonic() + PAUSE_S
        self.store.reopen()
        self._seq = self.store.next_seq(self.recorder.epoch, self.start_id)
        unseen = self.store.of_epoch(self.recorder.epoch, self.start_id, self.recorder.counted)
        self.recorder.recount([dsse.parse(envelope) for envelope in unseen], self.published.size)
        self._broken = ""
        _log.info("the record store can be written again")

    def _build(
        self, group: list[Item], results: list[tuple[Item, Result]], *, final: bool
    ) -> list[tuple[Appended, Row]]:
        """Records of a group with their rows, and ours before them. An append that cannot be built fails alone."""
        made: list[tuple[Appended, Row]] = []
        seq, anchor = self._seq, self.anchor()
        renewal = self.recorder.renewal()
        if renewal is not None:
            made.append(self.recorder.record(renewal, seq, anchor))
        manifest = self.recorder.manifest([appended for appended, _ in made], self.published.size, final=final)
        if manifest is not None:
            made.append(self.recorder.record(manifest, seq + len(made), anchor))
        for item in group:
            if item.abandoned:
                continue
            built = []
            try:
                for offset, pending in enumerate(item.pending):
                    built.append(self.recorder.record(pending, seq + len(made) + offset, anchor))
            except Exception as error:  # noqa: BLE001  # the caller's own code; its defect must not stop the writer
                results.append((item, error))
                continue
            made += built
            results.append((item, tuple(appended for appended, _ in built)))
        return made

    def anchor(self) -> Anchor | None:
        """Newest published checkpoint."""
        tree = self.published
        return Anchor(origin=tree.origin, size=tree.size, root=Sha256Hex(tree.root.hex()))

    def _mark_dirty(self) -> None:
        if not self._dirty:
            self._dirty = True
            self._due_at = time.monotonic() + self.publish_interval_s

    def _sequence(self) -> None:
        """Steps 1 to 3 when they are due, step 6 when the files are written."""
        try:
            if self._written:
                self._mend()
                self.store.unstage()
                with self._wake:
                    self._publication, self._written = None, False
            due = self._closing or time.monotonic() >= self._due_at
            if self._publication is not None or not self._dirty or not due or self._fatal:
                return
            self._mend()
            found = sequencer.sequence(self.store, self.edge, self.log_key)
            if found is None:
                self._dirty = False
                return
            self.edge, self._unsigned_at = found[0], None
            with self._wake:
                self._publication = found[1]
                self._due_at = time.monotonic() + self.publish_interval_s
                self._files.notify_all()
        except SignerUnavailable as error:  # records go on being durable; for a while
            if self._unsigned_at is None:
                _log.error("a checkpoint cannot be signed: %s", error)
                self._unsigned_at = time.monotonic()
            self._due_at = time.monotonic() + PAUSE_S
        except AuditError as error:
            self._give_up(error)
            self._due_at = time.monotonic() + PAUSE_S

    def _give_up(self, error: AuditError | OSError) -> None:
        if isinstance(error, HistoryError):
            self._fatal = error.code
            _log.critical("the log stops: %s", error)
        elif not self._broken:
            self._broken = error.code if isinstance(error, SignerUnavailable) else "store-unwritable"
            _log.error("no record can be made durable: %s: %s", self._broken, error)

    def _fail_rest(self) -> None:
        with self._wake:
            rest = list(self._queue)
            self._queue.clear()
        _deliver([(item, EvidenceUnavailable("the log is closing", code="log-closing")) for item in rest])

    # --- the publishing thread ----------------------------------------------------------------------------------------

    def _publish(self) -> None:
        while True:
            with self._wake:
                while self._publication is None or self._written:
                    if self._ended:
                        return
                    if not self._files.wait(self.witnesses.retry_in()):
                        break
                publication = None if self._written else self._publication
            if publication is None:
                self._catch_up()
            elif not self._put(publication):
                return

    def _catch_up(self) -> None:
        """Ask the witnesses whose lines are missing on the published checkpoint once more."""
        try:
            note = self.witnesses.again(self.published, self.directory.read)
            if note is not None:
                self.directory.replace_checkpoint(note)
        except (AuditError, OSError) as error:
            _log.error("a cosigned checkpoint cannot be published: %s", error)

    def _put(self, publication: Publication) -> bool:
        """Steps 4 and 5, until they succeed; False if they cannot any more, or the log is closed meanwhile."""
        while True:
            try:
                sequencer.publish(publication, self.directory, self._cosign)
            except HistoryError as error:
                self._give_up(error)
                return False
            except EvidenceUnavailable as error:
                if not self._wait_for_quorum(error):
                    return False
                continue
            except OSError as error:
                if not self._disk:
                    _log.error("the log's files cannot be written: %s", error)
                self._disk = "tiles-unwritable"
                if self._closing:
                    return False
                time.sleep(PAUSE_S)
                continue
            break
        self._disk, self._unwitnessed_at = "", None
        self.published = publication.tree
        with self._wake:
            self._written = True
            self._wake.notify_all()
        self.on_published(publication.tree.size)
        return True

    def _cosign(self, note: str, tree: Checkpoint) -> str:
        return self.witnesses.cosign(note, tree, self.directory.read)

    def _wait_for_quorum(self, error: EvidenceUnavailable) -> bool:
        """Pause before the witnesses are asked again; False if the log is closed meanwhile."""
        if self._unwitnessed_at is None:
            _log.error("a checkpoint is not published: %s", error)
            self._unwitnessed_at = time.monotonic()
        if not self._closing:
            time.sleep(PAUSE_S)
        return not self._closing


def _deliver(results: Sequence[tuple[Item, Result]]) -> None:
    """Hand results out: one wake-up per event loop, however many wait in it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Item, Result]]] = {}
    for item, result in results:
        if item.loop is None:
            _settle(item, result)
        else:
            by_loop.setdefault(item.loop, []).append((item, result))
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, group)
        except RuntimeError:  # the loop is closed: whoever waited is gone
            continue


def _settle_all(group: Sequence[tuple[Item, Result]]) -> None:
    for item, result in group:
        _settle(item, result)


def _settle(item: Item, result: Result) -> None:
    if item.future.done():
        return
    if isinstance(result, BaseException):
        item.future.set_exception(result)
    else:
        item.future.set_result(result)
