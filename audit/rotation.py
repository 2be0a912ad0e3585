"""One log ends and another begins, under a new origin and a new key; whatever interrupts that is finished later.

1. The plan is on disk (``rotation.json``). From here on no one else opens the log.
2. The old log gets its last record, a ``log-end``, and is published with it, and so are the logs of its scopes.
3. The new log's empty tree, store and key are made beside it (``next/``).
4. Each part of the old log goes to ``ended/<n>``, and the new one's takes its place. An old key in a file is gone with that.
5. The plan is removed. The first opening of the new log writes its ``log-start``, which quotes the old one's final checkpoint.

Every step can be done again, and finds what an earlier try did. No request may be under way: a decision and its result belong in
one log, so the server is stopped for it. The logs of scopes are the main log, filtered: they end with it, and begin anew beside the
new one. A store that several processes share is not rotated.
"""

import json
import os
import shutil
import sqlite3
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from audit import canonical, checkpoint, datadir, durable, founding, keyring, keys, layout, merkle, scope, succession
from audit.checkpoint import Checkpoint
from audit.errors import EvidenceUnavailable, HistoryError, VerificationError
from audit.keys import LogSigner
from audit.log import INSTANCE, Clock, Log, utc_now
from audit.log_check import read_checkpoint
from audit.recording import Pending, rfc3339
from audit.records import Anchor, Position
from audit.rotated import Rotated
from audit.signers import opening
from audit.signers.opening import KeyPlaces
from audit.stamper import Stamper
from audit.storage import address as addresses
from audit.storage import directory as storage
from audit.storage.directory import LOCK
from audit.storage.sqlite import Store
from audit.succession import LogEnd
from audit.tiles import CHECKPOINT_PATH, TileReader
from audit.vocabulary import EndReason, RecordKind
from audit.witnessing import Witnesses

NEXT = "next"
END_ID = "log-end"
PUBLISHED_S = 30.0
_PARTS = (
    "log",
    layout.SCOPES.rstrip("/"),
    layout.ENVELOPES.rstrip("/"),
    datadir.DATABASE,
    f"{layout.KEYS}{layout.LOG_VKEY}",
    "traces/cursor",
)
"""What belongs to one log; everything else of a data directory goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rotation under way. ``trusted``: a checkpoint's text, or ""; ``log_key``: URI of the new key."""

    origin: str
    number: int
    reason: str
    trusted: str
    log_key: str


def rotate(
    root: Path,
    *,
    origin: str,
    places: KeyPlaces,
    log_key: str | None = None,
    reason: EndReason = EndReason.ROTATED,
    trusted: bytes | None = None,
    clock: Clock = utc_now,
    witnesses: Witnesses | None = None,
    stamper: Stamper | None = None,
) -> Rotated:
    """End a log and begin ``origin``. ``log_key``: URI of the new key; only a file's may be the old one's, which it replaces.

    ``trusted``: of a compromised log, a checkpoint that the operator still vouches for. Raises ``HistoryError`` (``log-in-use``
    while a server runs, ``rotation``), ``EvidenceUnavailable``, ``MalformedError``, ``VerificationError``, ``OSError``.
    """
    if not (root / datadir.ROTATION).exists():
        handle = storage.lock(root / LOCK)
        try:
            plan = _planned(root, origin, places, log_key, reason, trusted)
            durable.replace(root / datadir.ROTATION, json.dumps(asdict(plan)).encode())
        finally:
            os.close(handle)
    return finish(root, places, clock=clock, witnesses=witnesses, stamper=stamper)


def _planned(
    root: Path, origin: str, places: KeyPlaces, log_key: str | None, reason: EndReason, trusted: bytes | None
) -> Plan:
    if addresses.of_directory(root) is not None:
        raise HistoryError(
            "expected records in this directory: the log of a store that several processes share is not rotated",
            code="rotation",
        )
    old = checkpoint.parse_vkey((root / layout.KEYS / layout.LOG_VKEY).read_text().splitlines()[0])
    ended = datadir.ended(root)
    names = {old.name, *(_origin(each) for each in ended)}
    checkpoint.parse_text(checkpoint.text(Checkpoint(origin=origin, size=0, root=bytes(32))))  # that it is a name
    if origin in names:
        raise HistoryError(
            f"expected an origin that no log of this directory had, got `{origin[:80]}`", code="rotation"
        )
    if any(scope.of_origin(name, origin) or scope.of_origin(origin, name) for name in names):
        raise HistoryError(
            f"expected an origin that does not read as that of a scope's log, got `{origin[:80]}`", code="rotation"
        )
    new = log_key or places.log
    if opening.file_of(new, root) is None and new == places.log:
        raise HistoryError(
            "expected the URI of a new key (`--log-key`): a log's key is never used again", code="rotation"
        )
    note = ""
    if trusted is not None:
        tree = checkpoint.verify(checkpoint.parse_bytes(trusted), (old,))
        _check_prefix(root, tree)
        note = checkpoint.text(tree)
    return Plan(origin=origin, number=len(ended), reason=reason.value, trusted=note, log_key=new)


def _origin(root: Path) -> str:
    return checkpoint.parse_vkey((root / layout.KEYS / layout.LOG_VKEY).read_text().splitlines()[0]).name


def _check_prefix(root: Path, tree: Checkpoint) -> None:
    from_disk = datadir.directory_files(root / layout.LOG)
    now = checkpoint.parse_text(checkpoint.parse_bytes(from_disk.read(CHECKPOINT_PATH)).text)
    if tree.size > now.size:
        raise VerificationError(f"expected a trusted checkpoint of at most {now.size} entries", code="rotation")
    proof = TileReader(from_disk.read, now.size).consistency_proof(tree.size)
    merkle.verify_consistency(tree.size, now.size, tree.root, now.root, proof)


def finish(
    root: Path,
    places: KeyPlaces,
    *,
    clock: Clock = utc_now,
    witnesses: Witnesses | None = None,
    stamper: Stamper | None = None,
) -> Rotated:
    """Do what is left of a rotation; raises as ``rotate``."""
    plan = _plan(root)
    target = root / datadir.ENDED / str(plan.number)
    if not (target / layout.LOG).exists():  # the first part that moves
        _end(root, plan, places, clock, witnesses, stamper)
    handle = storage.lock(root / LOCK)
    try:
        signer = _stage(root, plan, places)
        _move(root, target, plan)
        (root / datadir.ROTATION).unlink()
        durable.sync_folder(root)
    finally:
        os.close(handle)
    note = checkpoint.parse_bytes((target / layout.LOG / CHECKPOINT_PATH).read_bytes())
    vkey = checkpoint.format_vkey(checkpoint.vkey_of(signer))
    return Rotated(
        final=checkpoint.parse_text(note.text),
        ended=str(target),
        origin=plan.origin,
        vkey=vkey,
        log_key=plan.log_key,
        reason=EndReason(plan.reason),
        trusted=plan.trusted,
    )


def _plan(root: Path) -> Plan:
    try:
        return Plan(**json.loads((root / datadir.ROTATION).read_bytes()))
    except (OSError, ValueError, TypeError) as cause:
        raise HistoryError(
            f"expected the plan of a rotation in `{datadir.ROTATION}`: {cause}", code="rotation"
        ) from cause


# --- the old log ------------------------------------------------------------------------------------------------------


def _end(
    root: Path, plan: Plan, places: KeyPlaces, clock: Clock, witnesses: Witnesses | None, stamper: Stamper | None
) -> None:
    """Step 2. What a dead server left open is ended by the opening, as ever."""
    log = Log.open(
        root,
        places=places,
        clock=clock,
        publish_interval_s=0.05,
        witnesses=witnesses,
        stamper=stamper,
        rotating=True,
    )
    try:
        if not _ended(root):
            log.append_now()  # a record key, so that nothing but the end comes after the next checkpoint
            _wait(root, log)
            log.append_now(_log_end(log, plan, root, rfc3339(clock())))
    finally:
        log.close()
    if log.published_size != _size(root) or not _scopes_published(root):
        raise EvidenceUnavailable(
            "the end of the log is on record and not published yet; do this again", code=log.state
        )


def _ended(root: Path) -> bool:
    with datadir.opened(root) as source:
        return any(True for _ in source.of_kind(RecordKind.LOG_END))


def _size(root: Path) -> int:
    with datadir.opened(root) as source:
        return source.size()


def _scopes_published(root: Path) -> bool:
    """Whether every record has its place in the logs of its scopes, and these are on disk."""
    with datadir.opened(root) as source:
        if any(True for _ in source.rows("SELECT 1 FROM member WHERE idx IS NULL LIMIT 1")):
            return False
        published = {
            name: read_checkpoint(source.of_scope(name).files.below(layout.LOG).read) for name in source.scopes()
        }
        sizes = {row[0]: row[1] for row in source.rows("SELECT log, size FROM head")}
    return all(checkpoint.parse_text(note.text).size == sizes[name] for name, note in published.items())


def _wait(root: Path, log: Log) -> None:
    end = time.monotonic() + PUBLISHED_S
    while not (log.settled and log.published_size == _size(root)):
        if time.monotonic() >= end:
            raise EvidenceUnavailable("the log cannot be published now; nothing was ended", code=log.state)
        time.sleep(0.02)


def _log_end(log: Log, plan: Plan, root: Path, at: str) -> Pending:
    vkey = checkpoint.parse_vkey((root / layout.KEYS / layout.LOG_VKEY).read_text().splitlines()[0])
    trusted = succession.anchor_of(checkpoint.parse_text(plan.trusted)) if plan.trusted else None
    final = log.anchor()
    assert final is not None
    end = LogEnd(
        origin=vkey.name,
        log_key=canonical.digest(vkey.public),
        final=final,
        successor=plan.origin,
        reason=EndReason(plan.reason),
        trusted=trusted,
    )

    def build(position: Position, anchor: Anchor | None) -> bytes:
        return succession.render_end(end, at=at, position=position, anchor=anchor)

    return Pending(request_id=END_ID, kind=RecordKind.LOG_END, build=build)


# --- the new log ------------------------------------------------------------------------------------------------------


def _stage(root: Path, plan: Plan, places: KeyPlaces) -> LogSigner:
    """Step 3: the new log complete beside the old one, or already in its place. Gives its key."""
    place, target = root / NEXT, root / datadir.ENDED / str(plan.number)
    signer = _new_key(root, plan, places)
    if place.exists() or (target / layout.LOG).exists():
        return signer
    made = root / f"{NEXT}.tmp"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o700)
    founding.begin(made, signer)
    old, new = Store(root / datadir.DATABASE), Store(made / datadir.DATABASE)
    new.set_meta(INSTANCE, old.meta(INSTANCE) or "")
    old.close()
    new.close()
    made.rename(place)
    durable.sync_folder(root)
    return signer


def _new_key(root: Path, plan: Plan, places: KeyPlaces) -> LogSigner:
    """The new log's key. One that takes an old file's place waits beside it until the old log is put away."""
    folder = root / layout.KEYS
    file = opening.file_of(plan.log_key, folder)
    if file is None or plan.log_key != places.log:
        return keyring.made_or_opened_log(plan.log_key, plan.origin, folder)
    waiting = _beside(root, plan)
    if _in_place(root, plan) and not waiting.exists():
        return opening.ed25519(plan.log_key, plan.origin, folder)
    if not waiting.exists():
        keys.write_private(waiting, keys.private_pem(keys.log_signer(plan.origin).key))
    return keys.load_log_signer(plan.origin, keys.read_private(waiting))


def _in_place(root: Path, plan: Plan) -> bool:
    """Whether the new log's public key is where the old one's was."""
    place = root / layout.KEYS / layout.LOG_VKEY
    return place.exists() and _origin(root) == plan.origin


def _beside(root: Path, plan: Plan) -> Path:
    file = opening.file_of(plan.log_key, root / layout.KEYS)
    assert file is not None
    return file.with_name(f"{file.name}.next")


def _move(root: Path, target: Path, plan: Plan) -> None:
    """Step 4."""
    _copy_public(root, target)
    if not (target / datadir.DATABASE).exists():
        _one_file(root / datadir.DATABASE)
    for name in _PARTS:
        old, kept, new = root / name, target / name, root / NEXT / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not kept.exists():
            old.rename(kept)
        if new.exists():
            new.rename(old)
        for folder in {old.parent, kept.parent}:
            if folder.exists():
                durable.sync_folder(folder)
    file = opening.file_of(plan.log_key, root / layout.KEYS)
    if file is not None and _beside(root, plan).exists():
        _beside(root, plan).replace(file)
        durable.sync_folder(file.parent)
    shutil.rmtree(root / NEXT, ignore_errors=True)


def _copy_public(root: Path, target: Path) -> None:
    """What whoever verifies the old log needs besides it: certificates, witnesses' keys, texts of rules, what was learned.

    No private key.
    """
    source = datadir.directory_files(root)
    for path in source.listing():
        folder, _, name = path.partition("/")
        named = path.startswith(layout.POLICIES) or layout.learned_digest(path) is not None
        public = named or (folder == "keys" and (name.startswith(layout.CERTIFICATES) or layout.is_public_key(name)))
        if public and name != layout.LOG_VKEY:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            durable.replace(target / path, source.read(path))


def _one_file(database: Path) -> None:
    """Make a store that nobody has open a single file, so that it can be moved. Raises ``HistoryError`` while somebody reads it."""
    connection = sqlite3.connect(database, timeout=5.0)
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError:
        mode = "busy"
    finally:
        connection.close()
    if mode != "delete":
        raise HistoryError("expected nobody to read the record store now; do this again", code="rotation")


def begin(
    root: Path,
    done: Rotated,
    places: KeyPlaces,
    witnesses: Witnesses | None = None,
    stamper: Stamper | None = None,
) -> None:
    """Step 5's other half: the new log's first record. Raises ``EvidenceUnavailable`` where its witnesses do not know it yet."""
    now_at = KeyPlaces(issuing=places.issuing, log=done.log_key)
    Log.open(root, places=now_at, publish_interval_s=0.05, witnesses=witnesses, stamper=stamper).close()
