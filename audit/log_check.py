"""Verification of a whole log: every file, every entry, every record (RFC 9162, 8.3; C2SP tlog-tiles).

Pure: files come through ``read``. One pass in the order of the entries; memory holds a few bundles, the decisions that wait
for their result, and a number for each epoch.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from audit import chain_check, checkpoint, examine, merkle, revocation
from audit import stamps as timestamps
from audit.administration import KeyEvent
from audit.appraisal import Appraised, Appraiser, Batch, Said, in_turn
from audit.chain_check import Ends
from audit.checkpoint import Checkpoint, SignedNote
from audit.errors import MalformedError, VerificationError
from audit.examine import Admission, Answer, Sequences, Trust
from audit.feedback_check import Judged
from audit.files import Files, Read
from audit.learning import Feedback
from audit.manifests import Held, Manifest
from audit.obligations import (
    ADMITTED,
    ANCHORS,
    CERTIFICATE,
    CHECKPOINT,
    COUNTS,
    ENDS,
    ENTRIES,
    EXCLUDED,
    EXTENDS,
    OF_A_LOG,
    PAIRS,
    RECORDS,
    REVOKED,
    SCOPE,
    SEQUENCE,
    TILES,
    WITNESSES,
    Report,
    Sheet,
)
from audit.recompute import Recomputation
from audit.revocation import Revocation
from audit.scope_check import Membership, Rising
from audit.stamps import Stamps
from audit.statement import Anchor
from audit.succession import LogEnd, LogStart
from audit.tiles import CHECKPOINT_PATH, TileReader

Records = Callable[[int], bytes | None]
"""Envelope of the record at an index, if it is at hand."""

_OF_RECORDS = (RECORDS, CERTIFICATE, ANCHORS, PAIRS, ADMITTED, EXCLUDED, COUNTS, ENDS)
_AT_THE_END = (SEQUENCE, REVOKED, SCOPE)
_OF_THE_MAIN_LOG = (ANCHORS, COUNTS, REVOKED, ENDS)
"""What a scope's log, which has records of requests only, does not show by itself."""

NO_SIGNATURES = "as asked, no entry's signature was checked; each has its form, and a key that was certified"

Spread = Callable[[Appraiser, Iterable[Batch]], Iterator[tuple[Appraised, ...]]]
"""Appraises batches and gives what was found, in order; it may be some batches behind."""

Progress = Callable[[int, int], None]
"""Called with the number of entries done and of all."""


def verify_log(
    log: Files,
    trust: Trust,
    *,
    certificates: Mapping[str, bytes],
    records: Records | None = None,
    held: range | None = None,
    earlier: bytes | None = None,
    stamps: Stamps | None = None,
    progress: Progress | None = None,
    ends: Callable[[Ends], None] | None = None,
    scope: str | None = None,
    scopes: Mapping[str, Files] | None = None,
    spread: Spread = in_turn,
    signatures: bool = True,
) -> Report:
    """Verify a whole log: every file, every entry, and every record if ``records`` gives them.

    ``certificates``: PEM by key id. ``earlier``: a checkpoint that the verifier kept from before (a note). Without
    ``records``, what needs them is not checked; with it, a single record that is missing fails ``records``, unless its
    entry is outside ``held`` (None: of all entries). ``scope``: it is the log of that scope. ``scopes``: logs of scopes beside a
    main log, which must be made of its records. ``ends`` is told what the log says of its two ends. ``spread``: how batches of
    entries are appraised, each by itself; what was found comes back in their order. ``signatures`` false: those of the entries are
    not checked, and ``entries`` says so.
    """
    sheet = Sheet("log" if scope is None else f"log of scope {scope}", OF_A_LOG)
    known = trust if scope is None else examine.of_scope(trust, scope)
    trees = None if scopes is None else _scope_trees(scopes, trust, sheet)  # first: what they have, the main log has
    tree = signed_tree(log, known, sheet)
    if tree is None:
        return sheet.report()
    check_extends(log, tree, earlier, known, sheet)
    roots = _Roots(tree.origin, TileReader(log.read, tree.size))
    evidence = range(tree.size) if held is None else held
    walk = _Walk(log, known, tree, records, sheet, evidence, roots, Membership(scope, trees, sheet))
    again = Recomputation(log, tree.size, lambda reason: sheet.fail(TILES, reason))
    waiting: deque[Batch] = deque()
    batches = _batches(again, records, waiting)
    appraiser = Appraiser(known, certificates, evidence, scope, signatures=signatures)
    for appraised in spread(appraiser, batches):
        batch = waiting.popleft()
        for offset, (content, found) in enumerate(zip(batch.entries, appraised, strict=True)):
            walk.take(batch.first + offset, content, found)
        if progress is not None:
            progress(batch.first + len(batch.entries), tree.size)
    check_root(again, tree, sheet)
    complete = again.complete and not waiting
    walk.finish(complete=complete)
    if complete and not signatures:
        sheet.not_checked(ENTRIES, NO_SIGNATURES)
    if ends is not None:
        ends(walk.ends)
    stamped = timestamps.settle(stamps, trust, timestamps.extended_by_tiles(log, tree), sheet)
    return sheet.report({"entries": tree.size, **walk.counts(), **stamped})


def _scope_trees(logs: Mapping[str, Files], trust: Trust, sheet: Sheet) -> Mapping[str, Checkpoint]:
    """The signed checkpoint of each scope's log; what does not hold fails ``scope``."""
    found = {}
    for name, log in logs.items():
        with sheet.checking(SCOPE, name):
            found[name] = checkpoint.verify(read_checkpoint(log.read), examine.of_scope(trust, name).log_keys)
    return found


def signed_tree(log: Files, trust: Trust, sheet: Sheet) -> Checkpoint | None:
    """Settle ``checkpoint`` and ``witnesses`` from the log's files; the checkpoint if it holds."""
    with sheet.checking(CHECKPOINT):
        return check_note(read_checkpoint(log.read), trust, sheet)
    return None


def read_checkpoint(read: Read) -> SignedNote:
    """The log's ``checkpoint`` file; raises ``VerificationError`` if there is none, ``MalformedError``."""
    try:
        content = read(CHECKPOINT_PATH)
    except FileNotFoundError as cause:
        raise VerificationError("expected the file `checkpoint`, got none", code="checkpoint-missing") from cause
    return checkpoint.parse_bytes(content)


def check_note(note: SignedNote, trust: Trust, sheet: Sheet) -> Checkpoint:
    """Settle ``witnesses`` and give the checkpoint; raises what makes ``checkpoint`` fail."""
    tree = checkpoint.verify(note, trust.log_keys)
    if trust.quorum == 0:
        sheet.not_checked(WITNESSES, "no quorum of witnesses is asked for")
        return tree
    with sheet.checking(WITNESSES):
        cosigned = len(checkpoint.cosigners(note, trust.witnesses))
        if cosigned < trust.quorum:
            raise VerificationError(f"expected {trust.quorum} witnesses, got {cosigned}")
    return tree


def check_root(again: Recomputation, tree: Checkpoint, sheet: Sheet) -> None:
    """Settle ``tiles`` after a recomputation."""
    if not again.complete:
        return
    root = again.edge.root()
    if root != tree.root:
        sheet.fail(TILES, f"the entries lead to root {root.hex()}, the checkpoint says {tree.root.hex()}")
    sheet.ok(TILES)


def check_extends(log: Files, tree: Checkpoint, earlier: bytes | None, trust: Trust, sheet: Sheet) -> None:
    """Obligation ``extends``: this log signed the earlier checkpoint, and the tree of now begins with its tree.

    A checkpoint of another log says nothing about this one.
    """
    if earlier is None:
        sheet.not_checked(EXTENDS, "no earlier checkpoint was given")
        return
    with sheet.checking(EXTENDS):
        note = checkpoint.parse_bytes(earlier)
        if is_of_another(note, tree, sheet):
            return
        before = checkpoint.verify(note, trust.log_keys)
        if before.size > tree.size:
            raise VerificationError(f"the log had {before.size} entries before and has {tree.size} now")
        proof = TileReader(log.read, tree.size).consistency_proof(before.size)
        merkle.verify_consistency(before.size, tree.size, before.root, tree.root, proof)


def is_of_another(note: SignedNote, tree: Checkpoint, sheet: Sheet) -> bool:
    """Whether the checkpoint that was kept is of another log than the one at hand; then ``extends`` is undecided."""
    origin = checkpoint.parse_text(note.text).origin
    if origin == tree.origin:
        return False
    sheet.undecided(EXTENDS, f"the checkpoint that was kept is of the log `{origin}`, this is `{tree.origin}`")
    return True


class _Roots:
    """Roots that a log had at earlier sizes, of which records in order quote each several times in a row."""

    def __init__(self, origin: str, reader: TileReader) -> None:
        self._origin = origin
        self._reader = reader
        self._last = (0, merkle.EMPTY_ROOT)

    def check(self, quoted: Anchor | None, index: int) -> None:
        """Check that the tree which the record of an entry quotes is this log's, and older than the record.

        The writer quotes the newest checkpoint that it has seen, so an entry that is changed contradicts every record after
        that. Raises ``VerificationError``.
        """
        if quoted is None:
            return
        if quoted.origin != self._origin or not 0 <= quoted.size <= index:
            raise VerificationError(
                f"expected a tree of `{self._origin}` before entry {index}, got one of {quoted.size} entries",
                code="anchor",
            )
        if quoted.size != self._last[0]:
            self._last = (quoted.size, self._reader.root_at(quoted.size))
        if quoted.root != self._last[1].hex():
            raise VerificationError(f"quotes another tree of {quoted.size} entries than this log had", code="anchor")


def _batches(again: Recomputation, records: Records | None, waiting: deque[Batch]) -> Iterator[Batch]:
    """Each bundle of entries with its records; ``waiting`` gets it too."""
    for first, entries in again:
        envelopes = None if records is None else tuple(_record(records, first + i) for i in range(len(entries)))
        batch = Batch(first, entries, envelopes)
        waiting.append(batch)
        yield batch


def _record(records: Records, index: int) -> bytes | str | None:
    try:
        return records(index)
    except (MalformedError, VerificationError) as error:
        return str(error)


class _Walk:
    """State of one pass over what was found of the entries, in order; what does not hold goes to the sheet."""

    def __init__(
        self,
        log: Files,
        trust: Trust,
        tree: Checkpoint,
        records: Records | None,
        sheet: Sheet,
        held: range,
        roots: _Roots,
        membership: Membership,
    ) -> None:
        self._log = log
        self._trust = trust
        self._with_records = records is not None
        self._membership = membership
        self._sheet = sheet
        self._held = held
        self._roots = roots
        self._sequences = Sequences(from_start=held.start == 0) if membership.own is None else Rising()
        self._open: dict[str, Admission] = {}
        self._kinds: dict[str, int] = {}
        self._manifests = Held(from_start=held.start == 0)
        self._judged = Judged(records or (lambda _: None), sheet)
        self._revoked: list[Revocation] = []
        self._no_evidence = 0
        self.ends = Ends(tree=tree, start=None, end=None, held=held)

    def counts(self) -> dict[str, int]:
        """Records seen by kind, and decisions that have no result yet."""
        if not self._with_records:
            return {}
        no_evidence = {"entries that are no evidence": self._no_evidence} if self._no_evidence else {}
        return {**self._kinds, "decisions without a result": len(self._open), **no_evidence}

    def take(self, index: int, content: bytes, found: Appraised) -> None:
        """Take what was found of one more entry."""
        for obligation, reason in found.faults:
            self._sheet.fail(obligation, f"entry {index}: {reason}")
        if found.said is not None:
            self._said(index, content, found.said)
        elif found.unread and self._with_records:
            # What a record that could not be read would have shown is not decided by the others.
            for obligation in (*_OF_RECORDS, *_AT_THE_END):
                self._sheet.undecided(obligation, f"entry {index}: its record is not at hand or not its own")

    def _said(self, index: int, content: bytes, said: Said) -> None:
        where = f"entry {index}"
        if index in self._held:
            with self._sheet.checking(SEQUENCE, where):
                self._sequences.add(said.position)
        if self._membership.own is None:
            with self._sheet.checking(ANCHORS, where):
                self._roots.check(said.anchor, index)
        self._kinds[said.kind.value] = self._kinds.get(said.kind.value, 0) + 1
        if index in self._held and self._membership.own is None and said.outcome is not None:
            manifest = said.told if isinstance(said.told, Manifest) else None
            with self._sheet.checking(COUNTS, where):
                self._manifests.add(said.position, said.kind, said.outcome, said.digest, manifest)
        self._membership.entry(where, said.kind, content, self._told(index, where, said))

    def _told(self, index: int, where: str, said: Said) -> tuple[str, ...]:
        """What a record means for those after it, by what it tells; gives the scopes of its request."""
        match said.told:
            case Admission():
                self._open[said.digest] = said.told
                return said.told.scopes
            case Answer():
                return self._answer(where, said.told)
            case LogStart():
                with self._sheet.checking(ENDS):
                    chain_check.check_start(said.told, index, self.ends, self._trust.log_keys)
                self.ends = replace(self.ends, start=said.told)
            case LogEnd():
                with self._sheet.checking(ENDS):
                    chain_check.check_end(self._log, said.told, index, self.ends.tree)
                self.ends = replace(self.ends, end=said.told)
            case Feedback():
                self._judged.take(index, where, said.told)
            case KeyEvent():
                self._revoked.append(Revocation(event=said.told, index=index))
        return ()

    def _answer(self, where: str, result: Answer) -> tuple[str, ...]:
        """Check a result; gives the scopes of its decision."""
        decided = self._open.pop(result.decision, None)
        if decided is None or decided.request_id != result.request_id:
            self._sheet.fail(PAIRS, f"{where}: expected a result of an earlier decision that has none yet")
            return ()
        with self._sheet.checking(ADMITTED, where):
            examine.check_admitted(decided, result)
        with self._sheet.checking(EXCLUDED, where):
            examine.check_excluded(decided, result)
        return decided.scopes

    def finish(self, *, complete: bool) -> None:
        """Settle what only the end of the log can settle; after an incomplete pass the rest stays undecided."""
        if not self._with_records:
            for obligation in (*_OF_RECORDS, *_AT_THE_END):
                self._sheet.not_checked(obligation, "the records are not part of this evidence")
        elif self._membership.own is not None:
            for obligation in _OF_THE_MAIN_LOG:
                self._sheet.not_checked(obligation, "the main log shows it, not that of a scope")
        if not complete:
            return
        self._sheet.ok(ENTRIES)
        if not self._with_records:
            return
        with self._sheet.checking(SEQUENCE):
            self._sequences.finish()
        self._membership.finish()
        self._judged.finish()
        for obligation in _OF_RECORDS:
            self._sheet.ok(obligation)
        self._no_evidence = revocation.check_log(self._log, self.ends.tree.size, self._revoked, self._sheet)
        self.ends = replace(self.ends, epochs=self._sequences.epochs)
        if self.ends.end is not None:
            chain_check.check_trusted(self._log, self.ends.end, self.ends.tree, self._trust.quorum, self._sheet)
