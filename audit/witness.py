"""A witness of transparency logs as functions of values (C2SP tlog-witness, "add-checkpoint"), and both sides of its wire.

A witness remembers one checkpoint a log and cosigns only what extends it. Pure: whoever calls ``judge`` must hold the state
still from the look at ``latest`` until the new checkpoint is durable, else a witness can be rolled back. Refuses extension lines
(``audit.checkpoint``), more than 63 hashes, and a request over its limit.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from audit import checkpoint, merkle
from audit.checkpoint import Checkpoint, Signature, SignedNote, VerifierKey
from audit.errors import MalformedError, VerificationError
from audit.keys import LogSigner, MLDSA44Signer
from audit.merkle import EMPTY_ROOT, HASH_BYTES

ADD_CHECKPOINT = "/add-checkpoint"
TEXT = "text/plain; charset=utf-8"
TREE_SIZE = "text/x.tlog.size"

MAX_HASHES = 63
MAX_REQUEST_BYTES = checkpoint.MAX_NOTE_BYTES + 4_096
"""A note, 63 lines of 45 bytes, and the line with the old size."""
MAX_ANSWER_BYTES = 65_536
"""A client reads no more than this of an answer."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_MAX_SIZE = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """A request: the size that the client believes the witness has, the proof from there, the new checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: SignedNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back over HTTP. ``fork``: the log signed two roots for one size, which proves that it keeps two histories."""

    status: int
    body: bytes
    media_type: str = TEXT
    fork: bool = False


# --- requests and answers as bytes --------------------------------------------------------------------------------------


def format_request(request: AddCheckpoint) -> bytes:
    """The body of a request."""
    hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in request.proof)
    return f"old {request.old}\n{hashes}\n{request.note.raw}".encode()


def parse_request(content: bytes) -> AddCheckpoint:
    """The request of a body, its checkpoint's text checked for form; raises ``MalformedError``."""
    if len(content) > MAX_REQUEST_BYTES:
        raise MalformedError(f"expected a request of at most {MAX_REQUEST_BYTES} bytes", code="add-checkpoint")
    try:
        head, blank, note = content.decode().partition("\n\n")
    except UnicodeDecodeError as cause:
        raise MalformedError("expected UTF-8 in a request", code="add-checkpoint") from cause
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if not blank or old is None or int(old[1]) >= _MAX_SIZE or len(lines) > MAX_HASHES:
        raise MalformedError(
            f"expected `old`, a size, at most {MAX_HASHES} hashes, an empty line and a checkpoint",
            code="add-checkpoint",
        )
    proof = tuple(checkpoint.strict_base64(line) for line in lines)
    if any(len(each) != HASH_BYTES for each in proof):
        raise MalformedError(f"expected hashes of {HASH_BYTES} bytes", code="add-checkpoint")
    parsed = checkpoint.parse(note)
    checkpoint.parse_text(parsed.text)
    return AddCheckpoint(old=int(old[1]), proof=proof, note=parsed)


def parse_size(body: bytes) -> int:
    """The size in the body of a 409; raises ``MalformedError``."""
    match = _SIZE.fullmatch(body)
    if match is None or int(match[1]) >= _MAX_SIZE:
        raise MalformedError("expected a tree size on a line of its own", code="tree-size")
    return int(match[1])


def accept(body: bytes, note: SignedNote, vkeys: Iterable[VerifierKey]) -> tuple[Signature, ...]:
    """The cosignatures in the body of a 200 that hold for our checkpoint; lines of unknown keys are ignored.

    Raises ``MalformedError``, and ``VerificationError`` if a line of a known key does not hold or none is there.
    """
    if len(body) > MAX_ANSWER_BYTES:
        raise MalformedError(f"expected an answer of at most {MAX_ANSWER_BYTES} bytes", code="cosignature")
    answered = checkpoint.parse_bytes(note.text.encode() + b"\n" + body)
    if answered.text != note.text:
        raise MalformedError("expected signature lines only", code="cosignature")
    found = checkpoint.cosignatures(answered, vkeys)
    if not found:
        raise VerificationError("expected a cosignature by a known key of the witness, got none", code="cosignature")
    return found


# --- the decision -------------------------------------------------------------------------------------------------------


def judge(
    request: AddCheckpoint, logs: Mapping[str, tuple[VerifierKey, ...]], latest: Mapping[str, Checkpoint]
) -> Checkpoint | Answer:
    """The checkpoint that may be cosigned once it is durable in place of the latest, or the answer that refuses it.

    ``logs``: keys by origin. ``latest``: what was cosigned last, by origin. The checks, in the order of the specification:
    1 the origin is known (404); 2 a known key of it signed, and no line of a known key is wrong (403); 3 the old size is
    not above the new one (400); 4 the old size is the one of the latest checkpoint (409 and that size); 5 the proof leads
    from one to the other, and is empty where there is nothing to prove (422); 6 of one size there is one root (409).
    """
    tree = checkpoint.parse_text(request.note.text)
    known = logs.get(tree.origin)
    if known is None:  # 1
        return unknown()
    try:
        checkpoint.verify(request.note, known)
    except VerificationError:  # 2
        return _refused(403, "expected a checkpoint signed by a known key of its log")
    if request.old > tree.size:  # 3
        return _refused(400, f"expected an old size of at most {tree.size}, got {request.old}")
    before = latest.get(tree.origin, Checkpoint(origin=tree.origin, size=0, root=EMPTY_ROOT))
    if request.old != before.size:  # 4
        return _conflict(before)
    if request.old in (0, tree.size):  # 5
        if request.proof:
            return _refused(422, f"expected no proof from {request.old} to {tree.size} entries, got one")
        return _conflict(before, fork=True) if request.old == tree.size and tree.root != before.root else tree  # 6
    try:
        merkle.verify_consistency(before.size, tree.size, before.root, tree.root, request.proof)
    except VerificationError:  # 5
        return _refused(422, f"the checkpoint of {tree.size} entries does not extend the one of {before.size}")
    return tree


def unknown() -> Answer:
    """The answer to a checkpoint of a log that is not known."""
    return _refused(404, "expected a checkpoint of a log that this witness knows")


def _refused(status: int, reason: str) -> Answer:
    return Answer(status=status, body=f"{reason}\n".encode())


def _conflict(before: Checkpoint, *, fork: bool = False) -> Answer:
    return Answer(status=409, body=f"{before.size}\n".encode(), media_type=TREE_SIZE, fork=fork)


def malformed(error: MalformedError) -> Answer:
    """The answer to bytes that are no request."""
    return _refused(400, str(error))


def cosigned(note: SignedNote, ed25519: LogSigner, mldsa44: MLDSA44Signer, time: int) -> str:
    """A witness's signature lines over a checkpoint that ``judge`` let pass. ``time``: seconds since 1970."""
    return checkpoint.cosign(note, ed25519, time) + checkpoint.cosign_mldsa44(note, mldsa44, time)
