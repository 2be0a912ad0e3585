"""The two ends of a log, and the chain that logs of one operator form (``audit.succession``).

Pure. A log whose key changed ended, and another began: both say so, and quote the same checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from audit import canonical, instants, merkle
from audit.bundle_contents import Period
from audit.checkpoint import Checkpoint, VerifierKey
from audit.errors import VerificationError
from audit.files import Files
from audit.obligations import CHAIN, ENDS, OF_A_CHAIN, PERIOD, WITNESSES, Outcome, Report, Sheet
from audit.succession import LogEnd, LogStart, anchor_of
from audit.tiles import TileReader
from audit.vocabulary import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What a log says of its ends, and its checkpoint; each is believed only as far as its own verification goes.

    ``held``: entries whose records are here. ``epochs``: instances and starts of them that wrote records.
    """

    tree: Checkpoint
    start: LogStart | None
    end: LogEnd | None
    held: range
    epochs: frozenset[tuple[str, str]] = frozenset()


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
    with sheet.checking(CHAIN):
        _check_epochs(links)
    return sheet.report({"logs": len(links)})


def verify_numbers(numbers: Sequence[int], folder: str) -> Report:
    """Logs that ended are numbered from 0 without a gap; ``folder``: where they are."""
    sheet = Sheet("chain", OF_A_CHAIN)
    with sheet.checking(CHAIN):
        missing = set(range(len(numbers))) - set(numbers)
        if missing:
            raise VerificationError(f"expected `{folder}{min(missing)}`, got none", code="chain")
    return sheet.report()


def verify_period(links: Sequence[Ends], period: Period, otherwise: Outcome) -> Report:
    """Whether logs, oldest first, reach over a period. ``otherwise``: what it is found to be if they do not.

    Times are the writers' own claims. What lies before a part of a log, or after it, is the rest of that log, which the
    verification names; a log that began or ended within the period is not alone.
    """
    sheet = Sheet("period", (PERIOD,))
    why = _beyond(links, period)
    if not why:
        sheet.ok(PERIOD)
    elif otherwise is Outcome.FAILED:
        sheet.fail(PERIOD, why)
    else:
        sheet.undecided(PERIOD, why)
    return sheet.report()


def _beyond(links: Sequence[Ends], period: Period) -> str:
    """Why there may be records of a period that are not here; "" if there are none."""
    if not links:
        return "expected at least one log"
    first, last = links[0], links[-1]
    if first.held.start > 0:
        if period.begin is None:
            return f"expected the records of `{first.tree.origin}` from its first entry on"
    elif first.start is not None and first.start.previous is not None and not _earlier(first.start.at, period.begin):
        return f"expected `{first.start.previous.origin}` too: `{first.tree.origin}` began within the period"
    if last.held.stop < last.tree.size:
        return f"expected the records of `{last.tree.origin}` to its last entry" if period.end is None else ""
    if last.end is not None and (period.end is None or _earlier(last.end.at, period.end)):
        return f"expected `{last.end.successor}` too: `{last.tree.origin}` ended within the period"
    return ""


def _earlier(at: str, than: datetime | None) -> bool:
    return than is not None and instants.moment(at) < than


def _check_link(older: Ends, newer: Ends) -> None:
    if older.end is None or older.end.successor != newer.tree.origin:
        raise VerificationError(f"expected `{older.tree.origin}` to end before it", code="chain")
    if newer.start is None or newer.start.previous != anchor_of(older.tree):
        raise VerificationError(
            f"expected a beginning that quotes the final checkpoint of `{older.tree.origin}`", code="chain"
        )
    if older.held.stop < older.tree.size or newer.held.start > 0:
        raise VerificationError(
            f"expected every record from `{older.tree.origin}` to its end, and from the beginning of this log",
            code="chain",
        )


def _check_epochs(links: Sequence[Ends]) -> None:
    """A start of an instance writes into one log: a record that was brought from one to another would count twice."""
    known: dict[tuple[str, str], str] = {}
    for each in links:
        for instance, epoch in each.epochs:
            other = known.setdefault((instance, epoch), each.tree.origin)
            if other != each.tree.origin:
                raise VerificationError(
                    f"epoch `{epoch}` has records in `{other}` and in `{each.tree.origin}`", code="chain"
                )
