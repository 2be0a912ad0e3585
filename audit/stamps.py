"""Timestamps of a log, as files, and their check: which checkpoint was stamped, and what a token covers.

``<size>.checkpoint`` is a checkpoint of the log as it was stamped; ``<size>-<authority>.tsr`` a token over its bytes (RFC 3161).
``<size>.consistency``, in a bundle of chosen requests, shows that the bundle's checkpoint extends it (a C2SP tlog-witness request).
Pure. The check of a token is handed in, because its library is optional (``audit.timestamping``).
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from audit import canonical, checkpoint, merkle, witness
from audit.checkpoint import Checkpoint, SignedNote
from audit.errors import VerificationError
from audit.examine import Trust
from audit.files import Files
from audit.obligations import TIMESTAMPS, Sheet
from audit.tiles import TileReader
from audit.witness import AddCheckpoint

FOLDER = "timestamps/"
MAX_STAMPS = 100_000
"""One an hour for eleven years."""

CheckToken = Callable[[bytes, bytes, tuple[bytes, ...]], datetime]
"""Response, message and trusted roots (DER) to the time stated; raises ``VerificationError``."""

Extends = Callable[[Checkpoint], None]
"""Whether the log at hand begins with the tree of an earlier checkpoint; raises ``VerificationError``, ``MalformedError``."""

_TOKEN = re.compile(r"(0|[1-9][0-9]{0,18})-([0-9a-f]{16})\.tsr", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamps:
    """The timestamps in some evidence. ``check`` None: its library is not there. ``required``: at least one must be there."""

    files: Files
    check: CheckToken | None = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Stamped:
    """A token by its name: the size of the checkpoint that it is over, and the id of the authority's root."""

    size: int
    authority: str

    @property
    def token(self) -> str:
        """Name of the token's file."""
        return f"{self.size}-{self.authority}.tsr"

    @property
    def checkpoint(self) -> str:
        """Name of the file that it is over."""
        return f"{self.size}.checkpoint"

    @property
    def consistency(self) -> str:
        """Name of the file that leads to a later checkpoint."""
        return f"{self.size}.consistency"


def authority_id(root: bytes) -> str:
    """Id of an authority in names of files: the start of its root certificate's SHA-256."""
    return canonical.digest(root)[:16]


def parse(name: str) -> Stamped | None:
    """The token that a file's name stands for; None for any other file."""
    match = _TOKEN.fullmatch(name)
    return None if match is None else Stamped(size=int(match[1]), authority=match[2])


def listed(files: Files) -> tuple[Stamped, ...]:
    """Every token, by size. Raises ``VerificationError`` for more than ``MAX_STAMPS``."""
    found = []
    for path in files.listing():
        each = parse(path)
        if each is not None:
            found.append(each)
            if len(found) > MAX_STAMPS:
                raise VerificationError(f"expected at most {MAX_STAMPS} timestamps", code="timestamp")
    return tuple(sorted(found))


def covering(found: Iterable[Stamped], indexes: Iterable[int]) -> tuple[Stamped, ...]:
    """For each entry the first tokens that cover it."""
    ordered = sorted(found)
    sizes = [each.size for each in ordered]
    places = {bisect_right(sizes, index) for index in indexes}
    wanted = {sizes[place] for place in places if place < len(sizes)}
    return tuple(each for each in ordered if each.size in wanted)


# --- evidence ---------------------------------------------------------------------------------------------------------


def consistency(log: Files, note: SignedNote, old: int) -> bytes:
    """The file that leads from an earlier size to the checkpoint ``note``."""
    size = checkpoint.parse_text(note.text).size
    proof = TileReader(log.read, size).consistency_proof(old)
    return witness.format_request(AddCheckpoint(old=old, proof=proof, note=note))


def extended_by_tiles(log: Files, tree: Checkpoint) -> Extends:
    """By the log's own files; ``tree``: its checkpoint, checked."""

    def check(before: Checkpoint) -> None:
        _check_size(before, tree)
        proof = TileReader(log.read, tree.size).consistency_proof(before.size)
        merkle.verify_consistency(before.size, tree.size, before.root, tree.root, proof)

    return check


def extended_by_proofs(files: Files, trust: Trust, note: bytes) -> Extends:
    """By the proofs beside the tokens; each must lead to ``note``, the checkpoint that the records' proofs lead to."""

    def check(before: Checkpoint) -> None:
        path = f"{before.size}.consistency"
        try:
            found = witness.parse_request(files.read(path))
        except FileNotFoundError as cause:
            raise VerificationError(f"expected the file `{path}`, got none", code="timestamp") from cause
        if found.note.raw.encode() != note or found.old != before.size:
            raise VerificationError(f"`{path}` does not lead to the checkpoint of this bundle", code="timestamp")
        tree = checkpoint.verify(found.note, trust.log_keys)
        _check_size(before, tree)
        merkle.verify_consistency(before.size, tree.size, before.root, tree.root, found.proof)

    return check


def _check_size(before: Checkpoint, tree: Checkpoint) -> None:
    if before.origin != tree.origin or before.size > tree.size:
        raise VerificationError(
            f"expected a stamped checkpoint of `{tree.origin}` of at most {tree.size} entries, got one of "
            f"`{before.origin}` of {before.size}",
            code="timestamp",
        )


def settle(stamps: Stamps | None, trust: Trust, extends: Extends, sheet: Sheet) -> dict[str, int]:
    """Settle ``timestamps``; gives counts.

    Every token by a trusted authority must hold, and the log must extend what it is over. Others are no evidence, and do no harm.
    """
    if stamps is None or not trust.tsa_roots:
        sheet.not_checked(TIMESTAMPS, "no root of a timestamp authority is trusted (`tsa*.pem`)")
        return {}
    roots = {authority_id(root): root for root in trust.tsa_roots}
    found = tuple(each for each in listed(stamps.files) if each.authority in roots)
    if not found:
        say = sheet.fail if stamps.required else sheet.not_checked
        say(TIMESTAMPS, "there is no timestamp by a trusted authority in this evidence")
        return {}
    if stamps.check is None:
        say = sheet.undecided if stamps.required else sheet.not_checked
        say(TIMESTAMPS, "checking timestamps needs the package `rfc3161-client` (extra `timestamps`)")
        return {}
    covered = 0
    for each in found:
        with sheet.checking(TIMESTAMPS, each.token):
            tree = _stamped_tree(each, stamps.files, trust)
            stamps.check(stamps.files.read(each.token), stamps.files.read(each.checkpoint), (roots[each.authority],))
            extends(tree)
            covered = max(covered, each.size)
    return {"timestamps": len(found), "entries under a timestamp": covered}


def _stamped_tree(each: Stamped, files: Files, trust: Trust) -> Checkpoint:
    """The checkpoint that a token is over, which this log must have signed."""
    try:
        stamped = files.read(each.checkpoint)
    except FileNotFoundError as cause:
        raise VerificationError(f"expected the file `{each.checkpoint}`, got none", code="timestamp") from cause
    tree = checkpoint.verify(checkpoint.parse_bytes(stamped), trust.log_keys)
    if tree.size != each.size:
        raise VerificationError(
            f"expected a checkpoint of {each.size} entries, got one of {tree.size}", code="timestamp"
        )
    return tree
