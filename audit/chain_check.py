"""The two ends of a log, and the chain that logs of one operator form (``audit.succession``).

Pure. A log whose key changed ended, and another began: both say so, and quote the same checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from audit import canonical, merkle
from audit.checkpoint import Checkpoint, VerifierKey
from audit.errors import VerificationError
from audit.files import Files
from audit.obligations import CHAIN, ENDS, OF_A_CHAIN, WITNESSES, Report, Sheet
from audit.records import Anchor
from audit.succession import LogEnd, LogStart
from audit.tiles import TileReader
from audit.vocabulary import EndReason, Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What a log says of its ends, and its checkpoint; each is believed only as far as its own verification goes."""

    tree: Checkpoint
    start: LogStart | None
    end: LogEnd | None


def check_start(start: LogStart, index: int, seen: Ends, log_keys: Sequence[VerifierKey]) -> None:
    """Raise ``VerificationError`` unless a log-start is of this log and key, and its only one."""
    origin = seen.tree.origin
    known = {canonical.digest(key.public) for key in log_keys if key.name == origin}
    if seen.start is not None:
        raise VerificationError(f"entry {index}: expected one beginning, got a second", code="log-start")
    if start.origin != origin or start.log_key not in known:
        raise VerificationError(f"entry {index}: expected the beginning of `{origin}` under its key", code="log-start")


def check_end(log: Files, end: LogEnd, index: int, tree: Checkpoint) -> None:
    """Raise ``VerificationError`` unless a log-end is the last entry, of this log, and states the tree before it."""
    if index != tree.size - 1:
        raise VerificationError(f"{tree.size - 1 - index} entries follow the end of the log", code="log-ended")
    if end.origin != tree.origin or (end.final.origin, end.final.size) != (tree.origin, index):
        raise VerificationError("expected an end that states the tree before it", code="log-end")
    proof = TileReader(log.read, tree.size).consistency_proof(index)
    merkle.verify_consistency(index, tree.size, bytes.fromhex(end.final.root), tree.root, proof)


def check_trusted(log: Files, end: LogEnd, tree: Checkpoint, quorum: int, sheet: Sheet) -> None:
    """What an end for a key in other hands means for the log before it."""
    if end.reason is not EndReason.COMPROMISED:
        return
    if quorum == 0:
        sheet.undecided(
            WITNESSES, "the log's key was declared compromised: only a quorum of witnesses shows that this is its tree"
        )
    if end.trusted is not None:
        with sheet.checking(ENDS):
            proof = TileReader(log.read, tree.size).consistency_proof(end.trusted.size)
            root = bytes.fromhex(end.trusted.root)
            merkle.verify_consistency(end.trusted.size, tree.size, root, tree.root, proof)


def verify_chain(links: Sequence[Ends]) -> Report:
    """Hold logs, oldest first, against each other; each is verified by itself elsewhere."""
    sheet = Sheet("chain", OF_A_CHAIN)
    if links and links[0].start is not None and links[0].start.previous is not None:
        sheet.not_checked(CHAIN, f"the log before `{links[0].tree.origin}` is not part of this evidence")
    for older, newer in pairwise(links):
        if newer.tree.size == 0 and older.end is not None and older.end.successor == newer.tree.origin:
            # It may wait for its quorum. Whoever cut its entries off gets no better verdict.
            sheet.undecided(CHAIN, f"`{newer.tree.origin}` has not begun: none of its entries is published yet")
            continue
        with sheet.checking(CHAIN, newer.tree.origin):
            _check_link(older, newer)
    sheet.ok(CHAIN)
    return sheet.report({"logs": len(links)})


def _check_link(older: Ends, newer: Ends) -> None:
    if older.end is None or older.end.successor != newer.tree.origin:
        raise VerificationError(f"expected `{older.tree.origin}` to end before it", code="chain")
    final = Anchor(origin=older.tree.origin, size=older.tree.size, root=Sha256Hex(older.tree.root.hex()))
    if newer.start is None or newer.start.previous != final:
        raise VerificationError(
            f"expected a beginning that quotes the final checkpoint of `{older.tree.origin}`", code="chain"
        )
