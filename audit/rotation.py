"""One log ends and another begins, under a new origin and a new key; whatever interrupts that is finished later.

1. The plan is on disk (``audit.rotation_plan``). From here on no one else opens the log.
2. The old log gets its last record, a ``log-end``, and is published with it (``audit.log_ending``).
3. The new log's empty tree, store and key are made beside it (``next/``).
4. Each part of the old log goes to ``ended/<n>``, and the new one's takes its place. An old key in a file is gone with that.
5. The plan is removed. The first opening of the new log writes its ``log-start``, which quotes the old one's final checkpoint.

Every step can be done again, and finds what an earlier try did. No request may be under way: a decision and its result belong in
one log, so the server is stopped for it. The logs of scopes are the main log, filtered: they end with it, and begin anew beside the
new one. A store that several processes share is not rotated.
"""

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

from audit import checkpoint, datadir, durable, founding, keyring, keys, layout, log_ending, rotation_plan
from audit.errors import HistoryError
from audit.folder import directory_files
from audit.keys import LogSigner
from audit.log import INSTANCE
from audit.publishing import Publishing
from audit.rotated import Rotated
from audit.rotation_plan import Asked, Plan
from audit.signers import opening
from audit.signers.opening import KeyPlaces
from audit.storage import directory as storage
from audit.storage.directory import LOCK
from audit.storage.sqlite import Store
from audit.tiles import CHECKPOINT_PATH
from audit.vocabulary import EndReason

NEXT = "next"
_PARTS = (
    "log",
    layout.SCOPES.rstrip("/"),
    layout.ENVELOPES.rstrip("/"),
    datadir.DATABASE,
    f"{layout.KEYS}{layout.LOG_VKEY}",
    "traces/cursor",
)
"""What belongs to one log; everything else of a data directory goes on."""


def rotate(root: Path, asked: Asked, places: KeyPlaces, publishing: Publishing) -> Rotated:
    """End a log and begin another, or finish what was begun of that.

    Raises ``HistoryError`` (``log-in-use`` while a server runs, ``rotation``, ``rotation-unfinished`` where another rotation is
    under way than the one asked for), ``EvidenceUnavailable``, ``MalformedError``, ``VerificationError``, ``OSError``.
    """
    if rotation_plan.exists(root):
        rotation_plan.check_same(rotation_plan.read(root), asked)
        return finish(root, places, publishing)
    handle = storage.lock(root / LOCK)
    try:
        if rotation_plan.exists(root):
            raise HistoryError("another process has begun a rotation: do this again", code=rotation_plan.UNFINISHED)
        rotation_plan.write(root, rotation_plan.planned(root, asked, places))
    finally:
        os.close(handle)
    return finish(root, places, publishing)


def finish(root: Path, places: KeyPlaces, publishing: Publishing) -> Rotated:
    """Do what is left of a rotation; raises as ``rotate``."""
    plan = rotation_plan.read(root)
    target = plan.target(root)
    if not (target / layout.LOG).exists():  # the first part that moves
        log_ending.end(root, plan, places, publishing)
    handle = storage.lock(root / LOCK)
    try:
        rotation_plan.check_current(root, plan)
        signer = _stage(root, plan, places)
        _move(root, target, plan, places)
        (root / datadir.ROTATION).unlink()
        durable.sync_folder(root)
    finally:
        os.close(handle)
    note = checkpoint.parse_bytes((target / layout.LOG / CHECKPOINT_PATH).read_bytes())
    return Rotated(
        final=checkpoint.parse_text(note.text),
        ended=str(target),
        origin=plan.origin,
        vkey=checkpoint.format_vkey(checkpoint.vkey_of(signer)),
        log_key=plan.log_key,
        reason=EndReason(plan.reason),
        trusted=plan.trusted,
    )


def begin(root: Path, done: Rotated, places: KeyPlaces, publishing: Publishing) -> None:
    """Step 5's other half: the new log's first record. Raises ``EvidenceUnavailable`` where its witnesses do not know it yet."""
    publishing.opened(root, replace(places, log=done.log_key)).close()


# --- the new log ------------------------------------------------------------------------------------------------------


def _stage(root: Path, plan: Plan, places: KeyPlaces) -> LogSigner:
    """Step 3: the new log complete beside the old one, or already in its place. Gives its key."""
    place, target = root / NEXT, plan.target(root)
    signer = _new_key(root, plan, places)
    rotation_plan.check_new(root, signer)
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
    if not plan.in_place(places):
        return keyring.made_or_opened_log(plan.log_key, plan.origin, folder)
    waiting = plan.waiting_key(root)
    if _in_place(root, plan) and not waiting.exists():
        return opening.ed25519(plan.log_key, plan.origin, folder)
    if not waiting.exists():
        keys.write_private(waiting, keys.private_pem(keys.log_signer(plan.origin).key))
    return keys.load_log_signer(plan.origin, keys.read_private(waiting))


def _in_place(root: Path, plan: Plan) -> bool:
    """Whether the new log's public key is where the old one's was."""
    place = root / layout.KEYS / layout.LOG_VKEY
    return place.exists() and rotation_plan.log_key_of(root).name == plan.origin


def _move(root: Path, target: Path, plan: Plan, places: KeyPlaces) -> None:
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
    if plan.in_place(places) and plan.waiting_key(root).exists():
        waiting = plan.waiting_key(root)
        waiting.replace(waiting.with_name(waiting.name.removesuffix(".next")))
        durable.sync_folder(waiting.parent)
    if (root / NEXT).exists():
        shutil.rmtree(root / NEXT)  # what is left of it would be taken for the log after the next


def _copy_public(root: Path, target: Path) -> None:
    """What whoever verifies the old log needs besides it: certificates, witnesses' keys, texts of rules, what was learned.

    No private key.
    """
    source = directory_files(root)
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
