"""A witness on disk: its keys, the logs it knows, the latest checkpoint of each (C2SP tlog-witness).

Layout: ``witness.key.pem`` and ``witness-mldsa44.key.pem`` (private), ``witness.vkey`` (both public keys, one a line),
``logs.vkey`` (keys of known logs, one a line), ``checkpoints/<SHA-256 of the origin>`` (the latest, cosigned). Every answer of
200 comes after its checkpoint is durable. Refuses to start on a stored checkpoint that does not verify: a witness that forgot
what it saw would cosign a fork. One process holds a directory.
"""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from audit import checkpoint, durable, keys, layout, witness
from audit.checkpoint import COSIGNATURE, ED25519, MLDSA44_COSIGNATURE, Checkpoint, SignedNote, VerifierKey
from audit.errors import AuditError, HistoryError, MalformedError
from audit.keys import LogSigner, MLDSA44Signer
from audit.storage import directory as storage
from audit.witness import AddCheckpoint, Answer

ED25519_KEY = "witness.key.pem"
MLDSA44_KEY = "witness-mldsa44.key.pem"
VKEY = "witness.vkey"
LOGS = "logs.vkey"
CHECKPOINTS = "checkpoints"
LOCK = "lock"

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
        for origin in self._logs:
            place = self._place(origin)
            if not place.exists():
                continue
            try:
                note = checkpoint.parse_bytes(place.read_bytes())
                if checkpoint.parse_text(note.text).origin != origin or not checkpoint.cosigners(note, self.vkeys):
                    raise MalformedError("expected a checkpoint of this log that this witness cosigned")
            except (AuditError, OSError) as cause:
                raise HistoryError(
                    f"the latest checkpoint of `{origin}` cannot be used: {cause}", code="witness-state"
                ) from cause
            yield origin, note

    def _place(self, origin: str) -> Path:
        return self._folder / origin_hash(origin)

    def add(self, content: bytes) -> Answer:
        """Answer an ``add-checkpoint`` request. Raises ``OSError`` where the disk does not take it; then nothing is cosigned."""
        try:
            request = witness.parse_request(content)
        except MalformedError as error:
            return witness.malformed(error)
        with self._mutex:  # compare, store and answer are one step, else an older request could roll the state back
            verdict = witness.judge(request, self._logs, self._trees())
            if isinstance(verdict, Checkpoint):
                return self._cosign(request, verdict)
        if verdict.fork:
            _log.error("two histories of one log, signed by it: %r", request.note.text)
        return verdict

    def _trees(self) -> Mapping[str, Checkpoint]:
        return {origin: checkpoint.parse_text(note.text) for origin, note in self._notes.items()}

    def _cosign(self, request: AddCheckpoint, tree: Checkpoint) -> Answer:
        lines = witness.cosigned(request.note, self._ed25519, self._mldsa44, int(self._clock()))
        own = checkpoint.parse(f"{request.note.text}\n{lines}")
        signed = checkpoint.only(request.note, self._logs[tree.origin])
        note = checkpoint.merged(signed, own.signatures)
        durable.replace(self._place(tree.origin), note.raw.encode())
        self._notes[tree.origin] = note
        return Answer(status=200, body=lines.encode())

    def latest(self, hashed: str) -> bytes | None:
        """The latest cosigned checkpoint of the log with that hash of its origin (``origin_hash``)."""
        with self._mutex:
            found = next((note for origin, note in self._notes.items() if origin_hash(origin) == hashed), None)
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
        raise HistoryError(f"the witness's keys cannot be used: {cause}", code="keys-unusable") from cause
    if _public(ed25519, mldsa44) != public:
        raise HistoryError(f"expected the private keys of `{VKEY}`, got others", code="keys-unusable")
    return ed25519, mldsa44


def _known_logs(place: Path) -> Mapping[str, tuple[VerifierKey, ...]]:
    try:
        vkeys = layout.vkeys_of(place.read_bytes())
    except (OSError, MalformedError) as cause:
        raise HistoryError(f"the list of known logs cannot be used: {cause}", code="keys-unusable") from cause
    if not all(key.kind == ED25519 for key in vkeys):
        raise HistoryError("expected log keys of type 0x01 in the list of known logs", code="keys-unusable")
    return {key.name: tuple(each for each in vkeys if each.name == key.name) for key in vkeys}
