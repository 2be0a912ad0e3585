"""The log that something is learned from: all of it verified, or it teaches nothing. And by which rule what was learned is better."""

from audit import checkpoint, layout
from audit.datadir import DataDirectory
from audit.errors import UnreadableError
from audit.log_check import read_checkpoint
from audit.obligations import Outcome
from audit.records import Anchor
from audit.tiles import TileReader
from audit.verify import verify_log
from audit.vocabulary import MILLIONTHS, Sha256Hex
from proxy.core.learning import held
from proxy.core.learning.held import Comparison

RELOAD = "in force at the server's next reload (SIGHUP, or by itself with `policy.watch_seconds`) or start"


class Refused(Exception):
    """The answer is no; the message says why."""


def verified(source: DataDirectory) -> Anchor:
    """The tree of a log that holds, all of it. Raises ``UnreadableError`` for one that does not: it teaches nothing."""
    log, public = source.files.below(layout.LOG), source.files.below(layout.KEYS)
    note = read_checkpoint(log.read)
    report = verify_log(
        log,
        layout.trust_of(public),
        certificates=layout.certificates_of(public),
        records=source.in_order(),
        earlier=note.raw.encode(),
    )
    if report.outcome is not Outcome.OK:
        wrong = next(each for each in report.findings if each.outcome is report.outcome)
        raise UnreadableError(f"expected a log that verifies, got: {wrong.obligation.id}: {wrong.reason}")
    tree = checkpoint.parse_text(note.text)
    return Anchor(origin=tree.origin, size=tree.size, root=Sha256Hex(tree.root.hex()))


def check_tree(claimed: Anchor, source: DataDirectory, tree: Anchor) -> None:
    """A document's tree is one of this log's. Raises ``Refused``."""
    if claimed.origin != tree.origin or claimed.size > tree.size:
        raise Refused(f"expected a document of the log `{tree.origin}` of at most {tree.size} entries")
    root = TileReader(source.files.below(layout.LOG).read, tree.size).root_at(claimed.size)
    if root.hex() != claimed.root:
        raise Refused("expected the document that the log gives, got one of another log")


def better(found: Comparison, candidate: str) -> str:
    """The figures, where a candidate beats what is in force. Raises ``Refused``, with the figures too."""
    told = f"held judgements: {found.judgements}"
    if not found.enough:
        raise Refused(f"expected at least {held.LEAST} held judgements, got {found.judgements}")
    told += (
        f"\nmean log-loss: {found.before / MILLIONTHS:.6f} in force, {found.after / MILLIONTHS:.6f} with {candidate}"
    )
    if not found.better:
        raise Refused(f"expected a smaller log-loss than that of what is in force\n{told}")
    return told
