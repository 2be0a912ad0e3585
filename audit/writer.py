"""The thread that writes records: group commit, signing, sequencing (measured: the fsync costs, and is shared).

Whatever waits is taken into one transaction. Sequence numbers are used up by the commit alone, so a failed batch leaves no gap.
After an error of the store the connection is made anew, what the database holds is looked at again, and the writer goes on by
itself; until then every append fails closed. A history that contradicts itself stops it for good.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from audit import dsse, sequencer
from audit.checkpoint import Checkpoint
from audit.delivery import Item, Result, deliver, placed
from audit.errors import AuditError, EvidenceUnavailable, HistoryError, SignerUnavailable, UnreadableError
from audit.recording import Appended, Recorder
from audit.records import Anchor
from audit.scope_logs import ScopeLogs
from audit.sequencer import Publication
from audit.stamper import Stamper
from audit.storage.base import MAIN, RecordStore, Row, TileStore
from audit.storage.envelopes import EnvelopeFiles
from audit.tenure import Tenure
from audit.vocabulary import Kept, RecordKind, Sha256Hex
from audit.witnessing import QUORUM, Witnesses

_log = logging.getLogger(__name__)

MAX_GROUP = 256
"""Most appends in one transaction."""
OK = "ok"
SIGNER = SignerUnavailable.code
STOPPED = "log-stopped"
"""What an append is told after a defect of ours, until the next start."""
MOVED, AHEAD = "head-moved", "log-ahead"
"""What a process finds that is behind another one."""
CLOSE_S = 5.0
"""How long a process that ends goes on publishing what is in a shared store."""
PAUSE_S = 0.2
"""Between tries of a store or a disk that fails."""


@dataclass(kw_only=True)
class Writer:
    """State of the writing thread, and of the publishing one beside it: files are written without holding up appends.

    Everything but ``submit``, ``state``, ``published``, ``stop`` belongs to the two threads. ``on_published`` gets the new size.
    ``shared``: other processes write to the same store, so what is in it has to be looked at, not only what we wrote.
    """

    store: RecordStore
    scopes: ScopeLogs
    directory: TileStore
    envelopes: EnvelopeFiles
    recorder: Recorder
    tenure: Tenure
    published: Checkpoint
    publish_interval_s: float
    queue_limit: int
    start_id: int
    on_published: Callable[[int], None]
    witnesses: Witnesses = field(default_factory=Witnesses)
    shared: bool = False
    stamper: Stamper = field(default_factory=Stamper)
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
    _held_back: str = QUORUM
    _fatal: str = ""
    _behind: HistoryError | None = None
    _closing: bool = False
    _counted: bool = False
    _until: float = 0.0
    _ended: bool = False
    _unpublished: deque[Publication] = field(default_factory=deque)
    _written: list[str] = field(default_factory=list)
    _retry_at: float = 0.0
    _due_at: float = 0.0

    def __post_init__(self) -> None:
        # Of the same lock: an append wakes the writing thread and leaves the publishing one asleep.
        self._files = threading.Condition(self._lock)
        self._wake = threading.Condition(self._lock)
        self._threads = (
            threading.Thread(target=self._guarded, args=(self._write,), name="log-writer", daemon=True),
            threading.Thread(target=self._guarded, args=(self._publish,), name="log-publisher", daemon=True),
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
                raise EvidenceUnavailable(f"the log has stopped ({self._fatal}); nothing is signed", code=self._fatal)
            if self._closing:
                raise EvidenceUnavailable("the log is closing", code="log-closing")
            missing = self._unpublishable()
            if missing and any(each.kind is RecordKind.DECISION for each in item.pending):
                # Nothing new is begun; what was begun gets its result on record.
                raise EvidenceUnavailable("what the log's checkpoints need cannot be had now", code=missing)
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
        """What a checkpoint has waited for longer than it may: its signature, a quorum or a required timestamp, or nothing ("")."""
        for code, since in ((SIGNER, self._unsigned_at), (self._held_back, self._unwitnessed_at)):
            if since is not None and time.monotonic() - since >= self.witnesses.grace_s:
                return code
        return ""

    @property
    def settled(self) -> bool:
        """Whether all that is durable is in the published logs, the main one and those of scopes."""
        with self._wake:
            return not (self._queue or self._dirty or self._unpublished or self._written)

    def stop(self) -> None:
        """Write what waits, publish it, end both threads. What cannot be written now is failed."""
        with self._wake:
            self._closing, self._until = True, time.monotonic() + CLOSE_S
            self._wake.notify_all()
            self._files.notify_all()
        for thread in self._threads:
            thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        """No thread ends on a defect in silence: nothing more is signed then, health says so, and a stop comes to its end."""
        try:
            work()
        except Exception:  # noqa: BLE001  # whatever it is, it must not be silent
            _log.critical(
                "the log stops: a defect ended the thread `%s`", threading.current_thread().name, exc_info=True
            )
            with self._wake:
                self._fatal = self._fatal or STOPPED
                self._ended = True
                self._wake.notify_all()
                self._files.notify_all()
            if work == self._write:
                self._fail_rest(STOPPED)

    # --- the writing thread -------------------------------------------------------------------------------------------

    def _write(self) -> None:
        while True:
            group = self._take()
            final = self._is_last(group)
            if group or (final and self.recorder.uncounted) or self.recorder.manifest_in() <= 0:
                self._append(group, final=final)
            self._sequence()
            with self._wake:
                if self._closing and not self._queue and self._counted and self._settled():
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
        waiting = self.store.away or self._unwitnessed_at is not None or self._unsigned_at is not None
        if self.shared and time.monotonic() >= self._until:
            return True  # there may be much of others' records: another process goes on with them, or the next start
        stuck = self._fatal or self._broken or self._disk or waiting
        return bool(stuck) or not (self._dirty or self._unpublished or self._written)

    def _to_unstage(self) -> bool:
        """Something is on disk, and the next of its kind waits for that: the main log's batch, or all of the scopes'."""
        return bool(self._written) and (MAIN in self._written or not self._unpublished)

    def _busy(self) -> frozenset[str]:
        """Logs with a batch that is not published or not unstaged yet."""
        with self._wake:
            return frozenset((*(each.log for each in self._unpublished), *self._written))

    def _take(self) -> list[Item]:
        with self._wake:
            while not self._queue and not self._to_unstage():
                pause = self.recorder.manifest_in()
                if self._dirty:
                    pause = min(pause, self._due_at - time.monotonic())
                if self._closing or pause <= 0:
                    break
                self._wake.wait(max(pause, 0.001))
            if self._closing and not self._queue and self._unpublished:
                self._wake.wait(PAUSE_S)
            return [self._queue.popleft() for _ in range(min(MAX_GROUP, len(self._queue)))]

    def _append(self, group: list[Item], *, final: bool = False) -> None:
        results: list[tuple[Item, Result]] = []
        try:
            self._mend()
            made = self._build(group, results, final=final)
            kept = self.store.insert([row for _, row in made]) if made else Kept.STORE
            self._seq += len(made)
            self.recorder.committed([appended for appended, _ in made], self.published.size)
        except (AuditError, OSError) as error:
            self._give_up(error)
            self.recorder.postpone()
            code = self._fatal or self._broken
            failure = EvidenceUnavailable("no record can be made durable now", code=code or None)
            results = [(item, failure) for item in group]
        except Exception:
            deliver([(item, EvidenceUnavailable("the log has stopped", code=STOPPED)) for item in group])
            raise
        else:
            self._mark_dirty()
            if kept is not Kept.STORE:
                results = [(item, placed(result, kept)) for item, result in results]
        deliver(results)

    def _mend(self) -> None:
        """Make a store that failed usable again; what it holds decides where the sequence goes on."""
        if not self._broken:
            return
        if time.monotonic() < self._retry_at:
            raise EvidenceUnavailable("the record store failed a moment ago", code=self._broken)
        self._retry_at = time.monotonic() + PAUSE_S
        self.store.reopen()
        self._seq = self.store.next_seq(self.recorder.epoch, self.start_id)
        if self._seq > self.recorder.counted:
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
            if self._fatal or self.store.away:
                self._due_at = time.monotonic() + PAUSE_S
                return
            if (self._unpublished or self._written) and not self._broken:
                self._check_term()
            if self._to_unstage():
                self._unstage()
            self._sequence_due()
        except SignerUnavailable as error:  # records go on being durable; for a while
            self._no_signature(error)
        except HistoryError as error:
            if not self.shared or error.code != MOVED:
                self._give_up(error)
                return
            _log.warning("another process sequences: %s", error)
            self._depose()
            self.store.step_down()
        except AuditError as error:
            # What was committed is the store's to say: the next term reads it.
            self._depose()
            if not self.store.away:
                self._give_up(error)
            self._due_at = time.monotonic() + PAUSE_S
        except OSError as error:  # a scope's log cannot be begun or taken up now; its records wait
            self._no_disk(error)
            self._due_at = time.monotonic() + PAUSE_S

    def _sequence_due(self) -> None:
        if self._dirty and (self._closing or time.monotonic() >= self._due_at):
            self._due_at = time.monotonic() + self.publish_interval_s
            self._mend()
            self._dirty = self._sequenced() or (self.shared and not self._closing)
            self._unsigned_at = None

    def _no_signature(self, error: SignerUnavailable) -> None:
        if self._unsigned_at is None:
            _log.error("a checkpoint cannot be signed: %s", error)
            self._unsigned_at = time.monotonic()
        self._due_at = time.monotonic() + PAUSE_S

    def _no_disk(self, error: OSError) -> None:
        if not self._disk:
            _log.error("the log's files cannot be written: %s", error)
        self._disk = "tiles-unwritable"

    def _unstage(self) -> None:
        self._mend()
        with self._wake:
            done = list(self._written)
        self.store.unstage(done)
        with self._wake:
            self._written = [log for log in self._written if log not in done]

    def _check_term(self) -> None:
        """What is left to publish is ours only in our own term; a log that is ahead within it is a broken history."""
        behind, self._behind = self._behind, None
        if self.tenure.lost():
            self._depose()
        elif behind is not None:
            raise behind

    def _sequenced(self) -> bool:
        """Steps 1 to 3, if this process sequences; whether there may be more."""
        left = self.tenure.begun()
        if left is not None:
            self._drop_unpublished()
            self._hand_over(left)
            return True
        if not self.tenure.term:
            self._follow()
            return False
        busy = self._busy()
        if MAIN not in busy:
            found = self.tenure.sequence()
            if found is not None:
                self._hand_over([found])
                busy |= {MAIN}
        if not busy - {MAIN}:
            of_scopes = self.scopes.sequence()
            self._hand_over(of_scopes)
            busy |= {each.log for each in of_scopes}
        return bool(busy)

    def _follow(self) -> None:
        """Learn what another process published. Where witnesses have to cosign, a log that stands still lacks them."""
        tree = self.tenure.published()
        moved = tree.size > self.published.size
        if moved or not self.witnesses.required or self.store.head(MAIN)[0] == tree.size:
            self._unwitnessed_at = None
        elif self._unwitnessed_at is None:
            self._unwitnessed_at = time.monotonic()
        if moved:
            self.published = tree
            self.on_published(tree.size)

    def _depose(self) -> None:
        """The term is over: what is left to publish is its successor's."""
        self.tenure.resign()
        self._drop_unpublished()

    def _drop_unpublished(self) -> None:
        with self._wake:
            self._unpublished.clear()
            self._written.clear()

    def _hand_over(self, publications: Sequence[Publication]) -> None:
        """Give batches to the publishing thread; the main log's does not wait for those of scopes."""
        with self._wake:
            for each in publications:
                if each.log == MAIN:
                    self._unpublished.appendleft(each)
                else:
                    self._unpublished.append(each)
            self._files.notify_all()

    def _give_up(self, error: AuditError | OSError) -> None:
        if isinstance(error, HistoryError):
            self._fatal = error.code
            _log.critical("the log stops: %s", error)
        elif not self._broken:
            self._broken = error.code if isinstance(error, SignerUnavailable) else "store-unwritable"
            _log.error("no record can be made durable: %s: %s", self._broken, error)

    def _fail_rest(self, code: str = "log-closing") -> None:
        with self._wake:
            rest = list(self._queue)
            self._queue.clear()
        deliver([(item, EvidenceUnavailable("nothing more is put on record", code=code)) for item in rest])

    # --- the publishing thread ----------------------------------------------------------------------------------------

    def _publish(self) -> None:
        while True:
            with self._wake:
                while not self._unpublished:
                    if self._ended:
                        return
                    if not self._files.wait(self._retry_in()):
                        break
                publication = self._unpublished[0] if self._unpublished else None
            if publication is None:
                self._catch_up()
            elif not self._put(publication):
                return

    def _retry_in(self) -> float | None:
        waits = (self.witnesses.retry_in(), self.scopes.retry_in())
        return min((each for each in waits if each is not None), default=None)

    def _catch_up(self) -> None:
        """Ask the witnesses whose lines are missing on the published checkpoint once more."""
        try:
            note = self.witnesses.again(self.published, self.directory.read)
            if note is not None:
                self.directory.replace_checkpoint(note)
            self.scopes.catch_up()
        except (AuditError, OSError) as error:
            _log.error("a cosigned checkpoint cannot be published: %s", error)

    def _put(self, publication: Publication) -> bool:
        """Steps 4 and 5, until they succeed; False if they cannot any more, or the log is closed meanwhile."""
        while self._is_next(publication):
            try:
                self._steps(publication)
            except HistoryError as error:
                if self.shared and error.code == AHEAD and not self._closing:
                    self._behind = error  # the writing thread finds out whether another process has published more
                    time.sleep(PAUSE_S)
                    continue
                self._give_up(error)
                return False
            except EvidenceUnavailable as error:
                if not self._wait_for_quorum(error):
                    return False
                continue
            except (OSError, UnreadableError) as error:
                if isinstance(error, OSError):  # a store that cannot be read is the writing thread's to say
                    self._no_disk(error)
                if self._closing:
                    return False
                time.sleep(PAUSE_S)
                continue
            except AuditError as error:  # a file that we published is not what it was: nothing is put beside it
                self._give_up(HistoryError(str(error)))
                return False
            self._done(publication)
        return True

    def _is_next(self, publication: Publication) -> bool:
        """Whether it is still ours to publish."""
        with self._wake:
            return any(each is publication for each in self._unpublished)

    def _steps(self, publication: Publication) -> None:
        if publication.log == MAIN:
            sequencer.publish(publication, self.directory, self._cosign)
            return
        try:
            self.scopes.publish(publication)
        except KeyError:
            if self._is_next(publication):
                raise
            # Forgotten with its term: whoever goes on with the log finds the files staged.

    def _done(self, publication: Publication) -> None:
        self._disk, self._unwitnessed_at = "", None
        if publication.log == MAIN:
            self.published = publication.tree
        with self._wake:
            if not any(each is publication for each in self._unpublished):
                return
            self._written.append(publication.log)
            self._unpublished.remove(publication)  # the main log's next batch may have come before it
            if self._to_unstage():
                self._wake.notify_all()
        if publication.log == MAIN:
            self.on_published(publication.tree.size)

    def _cosign(self, note: str, tree: Checkpoint) -> str:
        self.envelopes.keep(tree.size)  # whatever anyone has seen of the log can be made again from files
        cosigned = self.witnesses.cosign(note, tree, self.directory.read)
        self.stamper.hold(cosigned, tree)
        return cosigned

    def _wait_for_quorum(self, error: EvidenceUnavailable) -> bool:
        """Pause before witnesses and authorities are asked again; False if the log is closed meanwhile."""
        self._held_back = error.code
        if self._unwitnessed_at is None:
            _log.error("a checkpoint is not published: %s", error)
            self._unwitnessed_at = time.monotonic()
        if not self._closing:
            time.sleep(PAUSE_S)
        return not self._closing
