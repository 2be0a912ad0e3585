"""Signed checkpoints and cosignatures (C2SP signed-note 1.0.0, tlog-checkpoint 1.0.0, tlog-cosignature).

Text: ``origin LF size LF base64(root) LF``; then an empty line and one line a signature. A key's id is the first
4 bytes of ``SHA-256(name || LF || type || public key)``. Types: 0x01 Ed25519 of a log, 0x04 Ed25519 cosignature,
0x06 ML-DSA-44 cosignature. Refuses extension lines, which an ML-DSA cosignature would not cover, and more than 64
signature lines.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from audit import keys
from audit.errors import MalformedError, VerificationError
from audit.keys import LogSigner, MLDSA44Signer
from audit.merkle import HASH_BYTES

ED25519 = 0x01
COSIGNATURE = 0x04
MLDSA44_COSIGNATURE = 0x06
PUBLIC_KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, MLDSA44_COSIGNATURE: 1312}

MAX_NOTE_BYTES = 262_144
MAX_SIGNATURES = 64
"""The specification asks for at least 16; a line with ML-DSA takes about 3.3 kB."""

_TIME_BYTES = 8
_ID_BYTES = 4
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f-\x9f]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a log commits to: its origin, its number of entries, the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature line: key name, 4-byte key id, the bytes after it."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedNote:
    """A note as received: ``text`` ends in a newline and is what the signatures cover; ``raw`` is the whole."""

    text: str
    signatures: tuple[Signature, ...]
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """A public key with its name and type."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of the hash over name, type and key."""
        material = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(material).digest()[:_ID_BYTES]


# --- keys as text -----------------------------------------------------------------------------------------------------


def format_vkey(key: VerifierKey) -> str:
    """``name+<8 hex>+base64(type || key)``, on one line without a newline."""
    return f"{key.name}+{key.key_id.hex()}+{base64.b64encode(bytes([key.kind]) + key.public).decode()}"


def parse_vkey(text: str) -> VerifierKey:
    """Key of its text (a final newline is allowed); raises ``MalformedError``."""
    name, _, rest = text.strip("\n").partition("+")
    stated, _, encoded = rest.partition("+")
    material = strict_base64(encoded)
    if not material or PUBLIC_KEY_BYTES.get(material[0]) != len(material) - 1 or not _NAME.fullmatch(name):
        raise MalformedError("expected a verifier key of type 0x01, 0x04 or 0x06", code="vkey")
    key = VerifierKey(name=name, kind=material[0], public=material[1:])
    if key.key_id.hex() != stated:
        raise MalformedError(f"expected key id `{key.key_id.hex()}`, got another one", code="vkey")
    return key


def vkey_of(signer: LogSigner) -> VerifierKey:
    """Public side of a log key."""
    return VerifierKey(name=signer.name, kind=ED25519, public=signer.public)


def strict_base64(text: str) -> bytes:
    """Bytes of standard base64 in its only spelling; raises ``MalformedError``."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as cause:
        raise MalformedError("expected standard base64", code="note") from cause
    if base64.b64encode(content).decode() != text:
        raise MalformedError("expected base64 in its only spelling", code="note")
    return content


# --- text and notes ---------------------------------------------------------------------------------------------------


def text(checkpoint: Checkpoint) -> str:
    """The text that is signed."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


@lru_cache(maxsize=16)
def parse_text(content: str) -> Checkpoint:
    """Checkpoint of a signed text; raises ``MalformedError``."""
    lines = content.split("\n")
    if len(lines) != 4 or lines[3]:
        raise MalformedError("expected three lines: origin, size, root", code="checkpoint")
    origin, size, encoded = lines[:3]
    if not _NAME.fullmatch(origin) or not _SIZE.fullmatch(size) or int(size) >= 1 << 63:
        raise MalformedError("expected an origin without spaces and a decimal size", code="checkpoint")
    root = strict_base64(encoded)
    if len(root) != HASH_BYTES:
        raise MalformedError(f"expected a root of {HASH_BYTES} bytes, got {len(root)}", code="checkpoint")
    return Checkpoint(origin=origin, size=int(size), root=root)


def sign(checkpoint: Checkpoint, signer: LogSigner) -> str:
    """Note of a checkpoint, signed by its log; raises ``MalformedError`` unless the key is named as the origin."""
    if signer.name != checkpoint.origin:
        raise MalformedError(f"expected a key named `{checkpoint.origin}`, got another name", code="checkpoint")
    body = text(checkpoint)
    parse_text(body)
    line = _line(vkey_of(signer), signer.sign(body.encode()))
    return f"{body}\n{line}"


def cosign(note: SignedNote, signer: LogSigner, time: int) -> str:
    """A witness's 0x04 signature line over a note; ``time`` in seconds since 1970. It does not look at the log."""
    key = VerifierKey(name=signer.name, kind=COSIGNATURE, public=signer.public)
    return _line(key, time.to_bytes(_TIME_BYTES, "big") + signer.sign(_cosigned(note.text, time)))


def cosign_mldsa44(note: SignedNote, signer: MLDSA44Signer, time: int) -> str:
    """A witness's 0x06 signature line over a note; otherwise as ``cosign``."""
    key = VerifierKey(name=signer.name, kind=MLDSA44_COSIGNATURE, public=signer.public)
    message = mldsa44_message(signer.name, time, parse_text(note.text))
    return _line(key, time.to_bytes(_TIME_BYTES, "big") + signer.sign(message))


def _line(key: VerifierKey, value: bytes) -> str:
    return signature_line(Signature(name=key.name, key_id=key.key_id, value=value))


def signature_line(signature: Signature) -> str:
    """The line of a signature, with its newline."""
    return f"— {signature.name} {base64.b64encode(signature.key_id + signature.value).decode()}\n"


def merged(note: SignedNote, signatures: Iterable[Signature]) -> SignedNote:
    """The note with further signatures; one by a key that has signed already takes that one's place."""
    lines = {(each.name, each.key_id): each for each in (*note.signatures, *signatures)}
    return parse(note.text + "\n" + "".join(map(signature_line, lines.values())))


def only(note: SignedNote, vkeys: Iterable[VerifierKey]) -> SignedNote:
    """The note with the lines of some keys and no others; raises ``MalformedError`` if none is left."""
    wanted = {(key.name, key.key_id) for key in vkeys}
    lines = (signature_line(each) for each in note.signatures if (each.name, each.key_id) in wanted)
    return parse(note.text + "\n" + "".join(lines))


@lru_cache(maxsize=16)  # every proof of a bundle ends with the same note
def parse(note: str) -> SignedNote:
    """Text and signature lines of a note; raises ``MalformedError``. Split at the last empty line."""
    if len(note) > MAX_NOTE_BYTES or not note.endswith("\n"):
        raise MalformedError(f"expected a note of at most {MAX_NOTE_BYTES} characters that ends its line", code="note")
    if _CONTROL.search(note):
        raise MalformedError("expected no control characters in a note", code="note")
    body, blank, tail = note.rpartition("\n\n")
    lines = tail.split("\n")[:-1]
    if not blank or not 1 <= len(lines) <= MAX_SIGNATURES:
        raise MalformedError(f"expected a text, an empty line and 1 to {MAX_SIGNATURES} signatures", code="note")
    return SignedNote(text=body + "\n", signatures=tuple(_signature(line) for line in lines), raw=note)


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    content = strict_base64(encoded)
    if dash != "—" or not _NAME.fullmatch(name) or len(content) <= _ID_BYTES:
        raise MalformedError("expected a signature line: dash, name, base64", code="note")
    return Signature(name=name, key_id=content[:_ID_BYTES], value=content[_ID_BYTES:])


def parse_bytes(content: bytes) -> SignedNote:
    """``parse`` of UTF-8 bytes, as files hold them."""
    try:
        return parse(content.decode())
    except UnicodeDecodeError as cause:
        raise MalformedError("expected UTF-8 in a note", code="note") from cause


# --- checks -----------------------------------------------------------------------------------------------------------


def verify(note: SignedNote, vkeys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint of a note that its log signed.

    Obligations (signed-note, "Verification"): 1 lines of unknown keys are ignored; 2 a line of a known key must hold;
    3 at least one log key (0x01) named as the origin signed. Raises ``VerificationError`` or ``MalformedError``.
    """
    checkpoint = parse_text(note.text)
    known = tuple(vkeys)
    logs = [key for key in known if key.kind == ED25519 and key.name == checkpoint.origin]
    if not _good(note, checkpoint, logs):
        raise VerificationError(f"expected a signature by a known key of `{checkpoint.origin}`", code="note-unsigned")
    cosigners(note, [key for key in known if key.kind != ED25519])
    return checkpoint


def cosigners(note: SignedNote, witnesses: Iterable[VerifierKey]) -> Mapping[str, int]:
    """Names of the witnesses that cosigned, with the time each states (seconds since 1970).

    Raises ``VerificationError`` if a line of a known witness does not hold.
    """
    return {line.name: int.from_bytes(line.value[:_TIME_BYTES], "big") for line in cosignatures(note, witnesses)}


def cosignatures(note: SignedNote, witnesses: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """The signatures of known witnesses; raises as ``cosigners``."""
    known = [key for key in witnesses if key.kind != ED25519]
    return tuple(_good(note, parse_text(note.text), known))


def _good(note: SignedNote, checkpoint: Checkpoint, known: list[VerifierKey]) -> list[Signature]:
    good = []
    for line in note.signatures:
        for key in known:
            if (key.name, key.key_id) == (line.name, line.key_id):
                _CHECKS[key.kind](key, line.value, note, checkpoint)
                good.append(line)
    return good


def _check_log(key: VerifierKey, value: bytes, note: SignedNote, _: Checkpoint) -> None:
    keys.verify_ed25519(key.public, note.text.encode(), value)


def _check_cosignature(key: VerifierKey, value: bytes, note: SignedNote, _: Checkpoint) -> None:
    time = int.from_bytes(value[:_TIME_BYTES], "big")
    keys.verify_ed25519(key.public, _cosigned(note.text, time), value[_TIME_BYTES:])


def _cosigned(body: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{body}".encode()


def _check_mldsa44(key: VerifierKey, value: bytes, _: SignedNote, checkpoint: Checkpoint) -> None:
    time = int.from_bytes(value[:_TIME_BYTES], "big")
    keys.verify_mldsa44(key.public, mldsa44_message(key.name, time, checkpoint), value[_TIME_BYTES:])


def mldsa44_message(name: str, time: int, checkpoint: Checkpoint) -> bytes:
    """What a 0x06 cosignature covers: cosigner, time, origin, the whole tree (tlog-cosignature, "ML-DSA-44")."""
    cosigner, origin = name.encode(), checkpoint.origin.encode()
    if len(cosigner) > 255 or len(origin) > 255:
        raise MalformedError("expected names of at most 255 bytes", code="note")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(cosigner)]) + cosigner,
            time.to_bytes(_TIME_BYTES, "big"),
            bytes([len(origin)]) + origin,
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


_CHECKS: Mapping[int, Callable[[VerifierKey, bytes, SignedNote, Checkpoint], None]] = {
    ED25519: _check_log,
    COSIGNATURE: _check_cosignature,
    MLDSA44_COSIGNATURE: _check_mldsa44,
}
