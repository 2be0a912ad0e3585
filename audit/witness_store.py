"""A witness on disk: its keys, the logs it knows, the latest checkpoint of each (C2SP tlog-witness).

Layout: ``witness.key.pem`` and ``witness-mldsa44.key.pem`` (private), ``witness.vkey`` (both public keys, one a line),
``logs.vkey`` (keys of known logs, one a line), ``checkpoints/<SHA-256 of the origin>`` (the latest, cosigned). With a log, the
logs of its scopes are known. Every answer of 200 comes after its checkpoint is durable. Refuses to start on a stored checkpoint
that does not verify: a witness that forgot what it saw would cosign a fork. One process holds a directory.
"""

import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from audit import checkpoint, durable, keys, layout, scope, witness
from audit.checkpoint import COSIGNATURE, ED25519, MLDSA44_COSIGNATURE, Checkpoint, SignedNote, VerifierKey
from audit.errors import AuditError, HistoryError, MalformedError, in_words
from audit.keys import LogSigner, MLDSA44Signer
from audit.storage import directory as storage
from audit.witness import AddCheckpoint, Answer

ED25519_KEY = "witness.key.pem"
MLDSA44_KEY = "witness-mldsa44.key.pem"
VKEY = "witness.vkey"
LOGS = "logs.vkey"
CHECKPOINTS = "checkpoints"
LOCK = "lock"
MAX_SCOPES = 4096
"""Most logs of scopes that are kept of one log; the checkpoint of a further one is answered like that of an unknown log."""
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)

_log = logging.getLogger(__name__)


def init(folder: Path, name: str, logs: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Make a witness's keys and list of logs; gives its public keys. Raises ``HistoryError`` if there is one."""
    if (folder / VKEY).exists() or (folder / ED25519_KEY).exists():
        raise HistoryError(
            f"expected no witness at `{folder}`, got one; it is never overwritten", code="witness-exists"
        )
    ed25519, mldsa44 = keys.log_signer(name), keys.mldsa44_signer(name)
    public = _public(ed25519, mldsa44)
    layout.vkeys_of(_lines(public))  # a name that cannot be read again is refused before anything is written
    (folder / CHECKPOINTS).mkdir(parents=True, mode=0o700)
    keys.write_private(folder / ED25519_KEY, keys.private_pem(ed25519.key))
    keys.write_private(folder / MLDSA44_KEY, keys.private_pem(mldsa44.key))
    durable.replace(folder / LOGS, _lines(logs))
    durable.replace(folder / VKEY, _lines(public))
    return public


def _public(ed25519: LogSigner, mldsa44: MLDSA44Signer) -> tuple[VerifierKey, ...]:
    return (
        VerifierKey(name=ed25519.name, kind=COSIGNATURE, public=ed25519.public),
        VerifierKey(name=mldsa44.name, kind=MLDSA44_COSIGNATURE, public=mldsa44.public),
    )


def _lines(vkeys: Iterable[VerifierKey]) -> bytes:
    return "".join(f"{checkpoint.format_vkey(key)}\n" for key in vkeys).encode()


class Witness:
    """An open witness; ``add`` and ``latest`` may be called from any thread. ``clock``: seconds since 1970."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        """Raises ``HistoryError``: ``witness-missing``, ``log-in-use``, ``keys-unusable``, ``witness-state``."""
        if not (folder / VKEY).is_file():
            raise HistoryError(
                f"expected a witness at `{folder}`, got none: `apostille witness init` makes one",
                code="witness-missing",
            )
        self._folder = folder / CHECKPOINTS
        self._clock = clock
        self._mutex = threading.Lock()
        self._ed25519, self._mldsa44 = _signers(folder)
        self._logs = _known_logs(folder / LOGS)
        self._lock = storage.lock(folder / LOCK)
        try:
            self._notes = dict(self._stored())
            self._origins = {origin_hash(origin): origin for origin in self._notes}
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def vkeys(self) -> tuple[VerifierKey, ...]:
        """Its public keys."""
        return _public(self._ed25519, self._mldsa44)

    def close(self) -> None:
        """Let go of the directory. Safe to call twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _stored(self) -> Iterable[tuple[str, SignedNote]]:
        """The latest checkpoint of every log that is known, or is of a scope of one; those of others are left alone."""
        for place in sorted(self._folder.iterdir()):
            if not _HASH.fullmatch(place.name):
                continue
            try:
                note = checkpoint.parse_bytes(place.read_bytes())
                origin = checkpoint.parse_text(note.text).origin
                if self._place(origin) != place or not checkpoint.cosigners(note, self.vkeys):
                    raise MalformedError("expected a checkpoint of this log that this witness cosigned")
            except (AuditError, OSError) as cause:
                raise HistoryError(
                    f"the latest checkpoint in `{place.name}` cannot be used: {in_words(cause)}", code="witness-state"
                ) from cause
            if self._known(origin):
                yield origin, note

    def _known(self, origin: str) -> tuple[VerifierKey, ...]:
        """The keys of a log that is listed, or of the log of a scope of one: the same keys under its own name."""
        listed = self._logs.get(origin)
        if listed is not None:
            return listed
        main, _, name = origin.rpartition("/")
        if main not in self._logs or scope.of_origin(main, origin) is None:
            return ()
        return tuple(scope.key(key, name) for key in self._logs[main])

    def _room(self, origin: str) -> bool:
        """Whether a log's first checkpoint can be kept: whoever holds a log's key could name scopes without end."""
        main = origin.rpartition("/")[0]
        kept = sum(each not in self._logs and each.rpartition("/")[0] == main for each in self._notes)
        return origin in self._logs or origin in self._notes or kept < MAX_SCOPES

    def _place(self, origin: str) -> Path:
        return self._folder / origin_hash(origin)

    def add(self, content: bytes) -> Answer:
        """Answer an ``add-checkpoint`` request. Raises ``OSError`` where the disk does not take it; then nothing is cosigned."""
        try:
            request = witness.parse_request(content)
        except MalformedError as error:
            return witness.malformed(error)
        origin = checkpoint.parse_text(request.note.text).origin
        known = self._known(origin)
        logs = {origin: known} if known else {}
        with self._mutex:  # compare, store and answer are one step, else an older request could roll the state back
            # Of this log alone: what a request without a valid signature costs must not grow with what is kept.
            before = self._notes.get(origin)
            verdict = witness.judge(
                request, logs, {} if before is None else {origin: checkpoint.parse_text(before.text)}
            )
            if isinstance(verdict, Checkpoint):
                return self._cosign(request, verdict) if self._room(origin) else witness.unknown()
        if verdict.fork:
            _log.error("two histories of one log, signed by it: %r", request.note.text)
        return verdict

    def _cosign(self, request: AddCheckpoint, tree: Checkpoint) -> Answer:
        lines = witness.cosigned(request.note, self._ed25519, self._mldsa44, int(self._clock()))
        own = checkpoint.parse(f"{request.note.text}\n{lines}")
        signed = checkpoint.only(request.note, self._known(tree.origin))
        note = checkpoint.merged(signed, own.signatures)
        durable.replace(self._place(tree.origin), note.raw.encode())
        self._notes[tree.origin] = note
        self._origins[origin_hash(tree.origin)] = tree.origin
        return Answer(status=200, body=lines.encode())

    def latest(self, hashed: str) -> bytes | None:
        """The latest cosigned checkpoint of the log with that hash of its origin (``origin_hash``)."""
        with self._mutex:
            found = self._notes.get(self._origins.get(hashed, ""))
        return None if found is None else found.raw.encode()


def origin_hash(origin: str) -> str:
    """SHA-256 of an origin, hexadecimal: its name in a path."""
    return hashlib.sha256(origin.encode()).hexdigest()


def _signers(folder: Path) -> tuple[LogSigner, MLDSA44Signer]:
    try:
        public = layout.vkeys_of((folder / VKEY).read_bytes())
        name = public[0].name
        ed25519 = keys.load_log_signer(name, keys.read_private(folder / ED25519_KEY))
        mldsa44 = keys.load_mldsa44_signer(name, keys.read_private(folder / MLDSA44_KEY))
    except (OSError, MalformedError) as cause:
        raise HistoryError(f"the witness's keys cannot be used: {in_words(cause)}", code="keys-unusable") from cause
    if _public(ed25519, mldsa44) != public:
        raise HistoryError(f"expected the private keys of `{VKEY}`, got others", code="keys-unusable")
    return ed25519, mldsa44


def _known_logs(place: Path) -> Mapping[str, tuple[VerifierKey, ...]]:
    try:
        vkeys = layout.vkeys_of(place.read_bytes())
    except (OSError, MalformedError) as cause:
        raise HistoryError(f"the list of known logs cannot be used: {in_words(cause)}", code="keys-unusable") from cause
    if not all(key.kind == ED25519 for key in vkeys):
        raise HistoryError("expected log keys of type 0x01 in the list of known logs", code="keys-unusable")
    return {key.name: tuple(each for each in vkeys if each.name == key.name) for key in vkeys}
