"""The transparency log of one data directory: append, publish, find (C2SP tlog-tiles; layout in ``audit.datadir``).

A record is durable when ``append`` returns; it is published within the publish interval. The two are separate promises.
Opening never creates a history: a missing log is made by ``audit.founding`` alone, and one that does not verify is refused.
"""

import asyncio
import concurrent.futures
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import canonical, checkpoint, datadir, keyring, keys, layout, recovery, succession, tiles
from audit.bundle import StoredRecord
from audit.checkpoint import Checkpoint
from audit.delivery import Item
from audit.errors import EvidenceUnavailable, HistoryError, MalformedError, SignerUnavailable
from audit.recording import CERTIFICATE_LIFE, Appended, Pending, Recorder, rfc3339
from audit.records import Anchor, Position
from audit.scope_logs import ScopeLogs
from audit.signers.opening import KeyPlaces
from audit.stamper import Stamper, StampStatus
from audit.storage import address as addresses
from audit.storage import directory as storage
from audit.storage import opening
from audit.storage.base import RecordStore
from audit.storage.copying import BucketAddress
from audit.storage.directory import LOCK
from audit.storage.envelopes import EnvelopeFiles
from audit.storage.opening import Shared
from audit.succession import LogStart
from audit.tenure import Tenure
from audit.vocabulary import RecordKind, Sha256Hex
from audit.witnessing import Witnesses, WitnessStatus
from audit.writer import Writer

__all__ = ["Appended", "Log", "Pending"]

_log = logging.getLogger(__name__)

INSTANCE = "instance"
RECOVERED = "recovered_to"
LOG_START_ID = "log-start"

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


class Log:
    """An open log. Made by ``open``; one process at a time holds a data directory."""

    def __init__(self, root: Path, writer: Writer, store: RecordStore, lock: int | None, deadline_s: float) -> None:
        self._root = root
        self._writer = writer
        self._store = store
        self._lock = lock
        self._closed = False
        self._deadline_s = deadline_s
        self._listeners: list[Callable[[int], None]] = []

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        clock: Clock = utc_now,
        publish_interval_s: float = 0.5,
        deadline_s: float = 2.0,
        queue_limit: int = 4096,
        witnesses: Witnesses | None = None,
        places: KeyPlaces | None = None,
        certificate_life: timedelta = CERTIFICATE_LIFE,
        rotating: bool = False,
        shared: Shared | None = None,
        bucket: BucketAddress | None = None,
        stamper: Stamper | None = None,
    ) -> "Log":
        """Take up a log where it was left; decisions that a dead process left open are ended as ``orphaned``.

        ``rotating``: by ``audit.rotation`` only. Raises ``HistoryError``: ``log-missing``, ``log-in-use``, ``log-ended``,
        ``rotation-unfinished``, or what ``sequencer.resume`` finds wrong; and ``EvidenceUnavailable`` if too few witnesses of a
        required quorum could be asked.
        """
        _check_place(root, rotating=rotating)
        lock = None if shared else storage.lock(root / LOCK)
        store: RecordStore | None = None
        try:
            signer, authority = keyring.open_keys(root / layout.KEYS, places or KeyPlaces(), clock())
            store = opening.open_store(root, shared)
            if store.last_kind() == RecordKind.LOG_END and not rotating:
                raise HistoryError("expected a log that goes on, got one that has ended", code="log-ended")
            place_of = opening.place_of(root, bucket)
            tiles = place_of(root / layout.LOG)
            asked = witnesses or Witnesses()
            scopes = ScopeLogs(store, root / layout.SCOPES, signer, asked, place_of)
            envelopes = EnvelopeFiles(root / layout.ENVELOPES, lambda first, end: datadir.kept(root, first, end))
            tenure = Tenure(store=store, directory=tiles, signer=signer, scopes=scopes)

            def take_up(note: str, tree: Checkpoint) -> str:
                envelopes.keep(tree.size)
                return asked.take_up(note, tree, tiles.read)

            tree = tenure.start(take_up)
            instance = store.meta(INSTANCE) or _new_instance(store)
            epoch = f"{int(clock().timestamp() * 1000):012x}-{secrets.token_hex(4)}"
            certificates = root / layout.KEYS / layout.CERTIFICATES
            self: list[Log] = []
            writer = Writer(
                store=store,
                scopes=scopes,
                directory=tiles,
                envelopes=envelopes,
                recorder=Recorder(instance, epoch, authority, certificates, clock, certificate_life),
                tenure=tenure,
                published=tree,
                shared=shared is not None,
                publish_interval_s=publish_interval_s,
                queue_limit=queue_limit,
                start_id=store.last_id(),
                on_published=lambda size: self[0]._tell(size),
                witnesses=asked,
                stamper=stamper or Stamper(),
            )
            log = cls(root, writer, store, lock, deadline_s)
            self.append(log)
            orphans = store.orphans(int(store.meta(RECOVERED) or 0))
            fresh = store.last_id() == 0
            if shared is not None:
                addresses.keep(root, shared.address)
        except BaseException:
            if store is not None:
                store.close()
            if lock is not None:
                os.close(lock)
            raise
        writer.stamper.start()
        writer.start()
        if fresh:
            log._begin(signer, authority.root, clock)
        for orphan in orphans:
            log.append_now(recovery.orphaned(orphan, rfc3339(clock()), secrets.token_bytes(canonical.SALT_BYTES)))
        return log

    def _begin(self, signer: keys.LogSigner, certificate: bytes, clock: Clock) -> None:
        start = LogStart(
            origin=signer.name,
            log_key=canonical.digest(signer.public),
            organisation=canonical.digest(certificate),
            previous=_previous(self._root),
        )
        at = rfc3339(clock())
        self.append_now(
            Pending(
                request_id=LOG_START_ID,
                kind=RecordKind.LOG_START,
                build=lambda position, anchor: succession.render_start(start, at=at, position=position, anchor=anchor),
            )
        )

    # --- writing ------------------------------------------------------------------------------------------------------

    def submit(self, *pending: Pending, deadline_s: float | None = None) -> "asyncio.Future[tuple[Appended, ...]]":
        """Queue records to be made durable, all in one transaction, in order; for the running event loop.

        The future fails with ``EvidenceUnavailable``. After a deadline passed the records may or may not be there; whoever
        waited must act as if they were not. Cancelling the future withdraws records that are not being written yet.
        Raises ``EvidenceUnavailable`` where they are not even queued.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Appended, ...]] = loop.create_future()
        item = Item(pending=pending, loop=loop, future=future)
        self._writer.submit(item)
        timer = loop.call_later(deadline_s or self._deadline_s, _expire, item)
        future.add_done_callback(lambda _: _done(item, timer))
        return future

    async def append(self, *pending: Pending, deadline_s: float | None = None) -> tuple[Appended, ...]:
        """Make records durable; as ``submit``, waiting for it."""
        return await self.submit(*pending, deadline_s=deadline_s)

    def append_threadsafe(self, *pending: Pending) -> "concurrent.futures.Future[tuple[Appended, ...]]":
        """The same for other threads, without a deadline."""
        future: concurrent.futures.Future[tuple[Appended, ...]] = concurrent.futures.Future()
        self._writer.submit(Item(pending=pending, loop=None, future=future))
        return future

    def append_now(self, *pending: Pending) -> tuple[Appended, ...]:
        """The same, waiting for it. Not for an event loop's thread."""
        return self.append_threadsafe(*pending).result()

    def replace_record_key(self, event: Pending) -> tuple[Appended, ...]:
        """Sign from now on by a new record key, and put what happened to the old one on record right after.

        Raises ``EvidenceUnavailable``, also where no new key could be certified: then the old one goes on.
        """
        before = self._writer.recorder.keyid
        self._writer.recorder.rotate()

        def checked(position: Position, anchor: Anchor | None) -> bytes:
            if self._writer.recorder.keyid == before:
                raise SignerUnavailable("no new record key could be certified; the old one goes on")
            return event.build(position, anchor)

        return self.append_now(replace(event, build=checked))

    def close(self) -> None:
        """Drain, publish, and let go of the directory. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._writer.stop()
        self._writer.witnesses.close()
        self._writer.scopes.close()
        self._writer.stamper.close()
        if self._writer.state == "ok" and not self._store.away:
            self._recovered()
        self._store.close()
        if self._lock is not None:
            os.close(self._lock)

    def _recovered(self) -> None:
        """Spare the next start the records up to here; where that cannot be said now, it looks at more."""
        try:
            self._store.set_meta(RECOVERED, str(self._store.last_id()))
        except EvidenceUnavailable as error:
            _log.warning("how far recovery has looked is not kept: %s", error)

    # --- state --------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """``ok``, or the code of what is wrong."""
        return self._writer.state

    @property
    def settled(self) -> bool:
        """Whether nothing waits for its place in the log."""
        return self._writer.settled

    @property
    def shared(self) -> bool:
        """Whether other processes write to the same log."""
        return self._writer.shared

    @property
    def keyid(self) -> Sha256Hex | None:
        """Key id of the record key in use; None before the first record."""
        return self._writer.recorder.keyid

    @property
    def instance(self) -> str:
        """Id of this instance, as in records."""
        return self._writer.recorder.instance

    @property
    def published_size(self) -> int:
        """Entries below the published checkpoint."""
        return self._writer.published.size

    @property
    def witnesses(self) -> tuple[WitnessStatus, ...]:
        """What is known of each witness that is asked."""
        return self._writer.witnesses.status

    @property
    def spooled(self) -> int:
        """Records that are durable on this machine and not in the shared store yet."""
        return self._store.spooled

    @property
    def leads(self) -> bool:
        """Whether this process sequences."""
        return self._writer.tenure.term != 0

    @property
    def timestamps(self) -> tuple[StampStatus, ...]:
        """What is known of each timestamp authority that is asked."""
        return self._writer.stamper.status

    def anchor(self) -> Anchor | None:
        """Newest published checkpoint."""
        return self._writer.anchor()

    def listen(self, listener: Callable[[int], None]) -> None:
        """Call with the new size after each publication, on the publishing thread: be quick."""
        self._listeners.append(listener)

    def _tell(self, size: int) -> None:
        for listener in self._listeners:
            listener(size)

    # --- reading ------------------------------------------------------------------------------------------------------

    def find(self, request_id: str) -> tuple[StoredRecord, ...]:
        """All records of one request in this log, oldest first. Raises ``UnreadableError``."""
        with closing(datadir.open_directory(self._root)) as opened:
            return opened.of_request(request_id)

    def recorded(self, request_id: str) -> bool:
        """Whether this log, or one that ended before it, has records of an id. Raises ``UnreadableError``."""
        with datadir.opened(datadir.place_of(self._root, request_id)) as found:
            return bool(found.of_request(request_id))

    def records(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Index and envelope of the entries in [first, end), in order, in bounded memory. Raises ``UnreadableError``."""
        with closing(datadir.open_directory(self._root)) as opened:
            yield from opened.between(first, end)

    async def wait_published(self, request_id: str, timeout_s: float) -> bool:
        """Whether all records that a request has now are published within a time."""
        end = time.monotonic() + timeout_s
        while True:
            found = await asyncio.to_thread(self.find, request_id)
            size = self.published_size
            if found and all(each.index is not None and each.index < size for each in found):
                return True
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.02)


def _expire(item: Item) -> None:
    item.abandoned = True
    if not item.future.done():
        item.future.set_exception(
            EvidenceUnavailable("the record was not durable within its deadline", code="append-deadline")
        )


def _done(item: Item, timer: asyncio.TimerHandle) -> None:
    timer.cancel()
    item.abandoned = item.abandoned or item.future.cancelled()


def _new_instance(store: RecordStore) -> str:
    instance = f"i-{secrets.token_hex(8)}"
    store.set_meta(INSTANCE, instance)
    return instance


def _previous(root: Path) -> Anchor | None:
    """Final checkpoint of the log before this one; None for the first. Raises ``HistoryError``."""
    ended = datadir.ended(root)
    if not ended:
        return None
    try:
        note = checkpoint.parse_bytes((ended[-1] / layout.LOG / tiles.CHECKPOINT_PATH).read_bytes())
        return succession.anchor_of(checkpoint.parse_text(note.text))
    except (OSError, MalformedError) as cause:
        raise HistoryError(f"expected the final checkpoint of the log before in `{ended[-1].name}`: {cause}") from cause


def _check_place(root: Path, *, rotating: bool) -> None:
    if (root / datadir.ROTATION).exists() and not rotating:
        raise HistoryError(
            f"one log was ending and another beginning at `{root}`: `apostille keys rotate-log` finishes that",
            code="rotation-unfinished",
        )
    if not datadir.is_data_directory(root):
        raise HistoryError(
            f"expected a log at `{root}`, got none: `apostille init` creates one, `apostille recover` makes the record store of "
            "one that is there again",
            code="log-missing",
        )
