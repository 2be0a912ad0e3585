"""Inclusion proofs as files (C2SP tlog-proof v1): an index, its hashes, and the checkpoint they lead to.

```
c2sp.org/tlog-proof@v1
extra <base64>          (optional)
index <decimal>
<base64 hash>           (none to 63 lines, nearest first)
                        (empty line)
<checkpoint, verbatim>
```
Refuses a second spelling of anything, and more hashes than a tree of 2**63 entries could need.
"""

import base64
import re
from dataclasses import dataclass

from audit import checkpoint, merkle
from audit.checkpoint import SignedNote
from audit.errors import MalformedError
from audit.merkle import HASH_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63
MAX_PROOF_BYTES = checkpoint.MAX_NOTE_BYTES + 16_384
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """Proof that an entry is at ``index`` below the note's root. ``extra`` is usually empty."""

    index: int
    hashes: tuple[bytes, ...]
    note: SignedNote
    extra: bytes = b""


def format_proof(proof: InclusionProof) -> bytes:
    """The file of a proof."""
    lines = [HEADER]
    if proof.extra:
        lines.append(f"extra {base64.b64encode(proof.extra).decode()}")
    lines.append(f"index {proof.index}")
    lines += [base64.b64encode(each).decode() for each in proof.hashes]
    return ("\n".join(lines) + "\n\n" + proof.note.raw).encode()


def parse(content: bytes) -> InclusionProof:
    """The proof of a file; raises ``MalformedError``."""
    if len(content) > MAX_PROOF_BYTES:
        raise MalformedError(f"expected a proof of at most {MAX_PROOF_BYTES} bytes, got {len(content)}", code="proof")
    try:
        head, blank, note = content.decode().partition("\n\n")
    except UnicodeDecodeError as cause:
        raise MalformedError("expected UTF-8 in a proof", code="proof") from cause
    lines = head.split("\n")
    if not blank or lines.pop(0) != HEADER:
        raise MalformedError(f"expected a proof that begins with `{HEADER}`", code="proof")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = _base64(lines.pop(0)[len("extra ") :])
        if not extra:
            raise MalformedError("expected no `extra` line, or one that is not empty", code="proof")
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None or len(lines) > MAX_HASHES:
        raise MalformedError(f"expected an index and at most {MAX_HASHES} hashes", code="proof")
    hashes = tuple(_base64(line) for line in lines)
    if any(len(each) != HASH_BYTES for each in hashes):
        raise MalformedError(f"expected hashes of {HASH_BYTES} bytes", code="proof")
    parsed = checkpoint.parse(note)
    checkpoint.parse_text(parsed.text)
    return InclusionProof(index=int(index[1]), hashes=hashes, note=parsed, extra=extra)


def _base64(text: str) -> bytes:
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError as cause:
        raise MalformedError("expected standard base64 in a proof", code="proof") from cause
    if base64.b64encode(content).decode() != text:
        raise MalformedError("expected base64 in its only spelling", code="proof")
    return content


def verify(proof: InclusionProof, entry: bytes) -> None:
    """Check that ``entry`` is where the proof says, below the note's root; the note's signatures are not looked at.

    Raises ``VerificationError``.
    """
    tree = checkpoint.parse_text(proof.note.text)
    merkle.verify_inclusion(proof.index, tree.size, merkle.leaf_hash(entry), proof.hashes, tree.root)
