"""Verification of the records of one request: signatures, inclusion, their link, and enforcement as decided.

Pure. A record comes with the proof that was handed out with it, or with its index and the log's files, from which the
proof is made. Whoever has only the proof needs no file of the log: the entry is rebuilt from the record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit import checkpoint, entry, examine, merkle, proofs, revocation, statement
from audit import scope as scopes
from audit.checkpoint import Checkpoint, SignedNote
from audit.errors import MalformedError, VerificationError
from audit.examine import SignedRecord, Trust
from audit.files import Files
from audit.log_check import check_extends, check_note, check_root, read_checkpoint, signed_tree
from audit.obligations import (
    ADMITTED,
    CERTIFICATE,
    CHECKPOINT,
    ENVELOPE,
    EXCLUDED,
    EXTENDS,
    INCLUSION,
    LINK,
    OF_A_REQUEST,
    REVOKED,
    SIGNATURE,
    TILES,
    Report,
    Sheet,
)
from audit.recompute import Recomputation
from audit.revocation import Revocation
from audit.scope_check import of_origin
from audit.tiles import WIDTH, TileReader
from audit.vocabulary import RecordKind

RECOMPUTE_LIMIT = 65_536
"""Up to this size a record's verification recomputes the whole log; above it, only the tiles on the way to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A record with the bytes of its ``.tlog-proof``."""

    envelope: bytes
    proof: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """A record with the index of its entry in the log at hand; None: it has none yet."""

    envelope: bytes
    index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """A record that was taken apart, its entry rebuilt (None if its key is not certified), and its stated index."""

    record: SignedRecord
    entry: bytes | None
    index: int | None

    @property
    def label(self) -> str:
        return self.record.statement.kind.value


def verify_record(
    request_id: str,
    exhibits: Sequence[Proven | Indexed],
    trust: Trust,
    *,
    certificates: Mapping[str, bytes],
    log: Files | None = None,
    earlier: bytes | None = None,
    scope: str | None = None,
    key_events: Sequence[Proven | Indexed] | None = None,
) -> Report:
    """Verify the records of one request. ``scope``: in the log of that one; None: proofs are of whichever log they name.

    ``certificates``: PEM by key id. ``log``: the log's files, needed for indexed records and to compare with ``earlier``, a
    checkpoint that the verifier kept from before (a note); without them ``tiles`` is not checked. While there is no result,
    ``link`` and what follows from it are undecided. ``key_events``: records of key events that came with the evidence; those that
    revoke count.
    """
    sheet = Sheet(request_id, OF_A_REQUEST if log is None else (*OF_A_REQUEST, EXTENDS))
    known = trust if scope is None else examine.of_scope(trust, scope)
    tree = None if log is None else signed_tree(log, known, sheet)
    opened = []
    for exhibit in exhibits:
        found = _open(exhibit, request_id, trust, certificates, sheet)
        if found is None:
            continue
        if isinstance(exhibit, Proven):
            found = _check_proof(exhibit.proof, found, trust, sheet, scope)
        elif log is not None and tree is not None:
            _check_index(log, tree, found, sheet)
            _check_member(found, scope, sheet)
        opened.append(found)
    if log is None:
        sheet.not_checked(TILES, "the log's files are not part of this evidence; the proofs stand on their own")
    elif tree is not None:
        _check_tiles(log, tree, opened, sheet)
        check_extends(log, tree, earlier, known, sheet)
    _check_together(opened, sheet)
    if key_events is None:
        sheet.not_checked(REVOKED, "no key events are part of this evidence")
    else:
        with sheet.checking(REVOKED):
            _check_revoked(opened, _revocations(key_events, trust, certificates, log), sheet)
    return sheet.report({"records": len(exhibits)})


def _check_revoked(opened: Sequence[_Opened], revoked: Sequence[Revocation], sheet: Sheet) -> None:
    for each in opened:
        with sheet.checking(REVOKED, each.label):
            revocation.check_record(each.record.envelope.keyid, each.index, revoked)


def _revocations(
    key_events: Sequence[Proven | Indexed], trust: Trust, certificates: Mapping[str, bytes], log: Files | None
) -> tuple[Revocation, ...]:
    """The revocations among key events, each verified like any record.

    Raises ``VerificationError`` or ``MalformedError`` for one that does not hold: a revocation is not ignored.
    """
    found = []
    for exhibit in key_events:
        record = examine.take_apart(exhibit.envelope)
        if revocation.revocation_of(record.statement, 0) is None:
            continue
        content = entry.encode(record.envelope, examine.certified(record, certificates, trust).public_der)
        entry.verify(entry.parse(content))
        index = _included(exhibit, content, trust, log)
        said = None if index is None else revocation.revocation_of(record.statement, index)
        found += [] if said is None else [said]
    return tuple(found)


def _included(exhibit: Proven | Indexed, content: bytes, trust: Trust, log: Files | None) -> int | None:
    """Index of an entry that is in the log; None for one that is not published yet. Raises ``VerificationError``."""
    if isinstance(exhibit, Proven):
        proof = proofs.parse(exhibit.proof)
        checkpoint.verify(proof.note, trust.log_keys)
        proofs.verify(proof, content)
        return proof.index
    if log is None or exhibit.index is None:
        return None
    tree = checkpoint.verify(read_checkpoint(log.read), trust.log_keys)
    if exhibit.index >= tree.size:
        return None
    hashes = TileReader(log.read, tree.size).inclusion_proof(exhibit.index)
    merkle.verify_inclusion(exhibit.index, tree.size, merkle.leaf_hash(content), hashes, tree.root)
    return exhibit.index


def _open(
    exhibit: Proven | Indexed, request_id: str, trust: Trust, certificates: Mapping[str, bytes], sheet: Sheet
) -> _Opened | None:
    """Obligations of one record by itself: envelope, certificate, signature."""
    try:
        record = examine.take_apart(exhibit.envelope)
        if record.statement.predicate.get("requestId") != request_id:
            raise VerificationError("expected a record of this request, got one of another")
    except (MalformedError, VerificationError) as error:
        sheet.fail(ENVELOPE, str(error))
        return None
    index = exhibit.index if isinstance(exhibit, Indexed) else None
    found = _Opened(record=record, entry=None, index=index)
    with sheet.checking(CERTIFICATE, found.label):
        public_der = examine.certified(record, certificates, trust).public_der
        content = entry.encode(record.envelope, public_der)
        with sheet.checking(SIGNATURE, found.label):
            entry.verify(entry.parse(content))
        return _Opened(record=record, entry=content, index=index)
    return found


def _check_member(found: _Opened, scope: str | None, sheet: Sheet) -> None:
    """A decision in the log of a scope belongs there."""
    if scope is not None and found.record.statement.kind is RecordKind.DECISION:
        with sheet.checking(INCLUSION, found.label):
            scopes.check_member(statement.decision_of(found.record.statement), scope)


def _check_proof(content: bytes, found: _Opened, trust: Trust, sheet: Sheet, scope: str | None) -> _Opened:
    """Obligations ``inclusion`` and ``checkpoint`` from a proof; the record with the index that the proof states."""
    try:
        proof = proofs.parse(content)
    except MalformedError as error:
        sheet.fail(INCLUSION, f"{found.label}: {error}")
        return found
    with sheet.checking(CHECKPOINT, found.label):
        named = scope or of_origin(checkpoint.parse_text(proof.note.text).origin, trust)
        check_note(proof.note, trust if named is None else examine.of_scope(trust, named), sheet)
        _check_member(found, named, sheet)
    if found.entry is None:
        return found
    with sheet.checking(INCLUSION, found.label):
        proofs.verify(proof, found.entry)
    return _Opened(record=found.record, entry=found.entry, index=proof.index)


def _check_index(log: Files, tree: Checkpoint, found: _Opened, sheet: Sheet) -> None:
    """Obligation ``inclusion`` from the log's own tiles."""
    if found.index is None or found.index >= tree.size:
        sheet.undecided(INCLUSION, f"the {found.label} is not in the published log yet")
        return
    if found.entry is None:
        return
    with sheet.checking(INCLUSION, found.label):
        proof = TileReader(log.read, tree.size).inclusion_proof(found.index)
        merkle.verify_inclusion(found.index, tree.size, merkle.leaf_hash(found.entry), proof, tree.root)


def _check_tiles(log: Files, tree: Checkpoint, opened: Sequence[_Opened], sheet: Sheet) -> None:
    """Obligation ``tiles``: all of a small log, the records' own bundles and the way to the root in a large one."""
    if tree.size <= RECOMPUTE_LIMIT:
        again = Recomputation(log, tree.size, lambda reason: sheet.fail(TILES, reason))
        for _ in again:
            continue
        check_root(again, tree, sheet)
        return
    with sheet.checking(TILES):
        reader = TileReader(log.read, tree.size)
        if reader.root() != tree.root:
            raise VerificationError("the tiles do not lead to the root in the checkpoint")
        for index in sorted({each.index // WIDTH for each in opened if each.index is not None}):
            found = tuple(merkle.leaf_hash(each) for each in reader.entries(index))
            if found != reader.tile(0, index):
                raise VerificationError(f"bundle {index} of entries does not have the hashes of its tile")


def _check_together(opened: Sequence[_Opened], sheet: Sheet) -> None:
    """Obligations of the records together: one decision and one result, linked, and enforcement as decided; or neither."""
    decisions = [each for each in opened if each.record.statement.kind is RecordKind.DECISION]
    results = [each for each in opened if each.record.statement.kind is RecordKind.RESULT]
    if opened and not decisions and not results:  # an erasure, say: a record by itself
        sheet.ok(ENVELOPE)
        for obligation in (LINK, ADMITTED, EXCLUDED):
            sheet.not_checked(obligation, "these records are not of a request")
        return
    if len(decisions) != 1 or len(results) > 1:
        sheet.fail(ENVELOPE, f"expected one decision and one result, got {len(decisions)} and {len(results)}")
        return
    if not results:
        for obligation in (ENVELOPE, LINK, ADMITTED, EXCLUDED):
            sheet.undecided(obligation, "there is no result record yet")
        return
    with sheet.checking(ENVELOPE):
        _check_pair(decisions[0], results[0], sheet)


def _check_pair(decision: _Opened, result: _Opened, sheet: Sheet) -> None:
    admission = examine.admission(statement.decision_of(decision.record.statement))
    answered = examine.answer(statement.result_of(result.record.statement))
    with sheet.checking(LINK):
        if answered.decision != decision.record.digest:
            raise VerificationError("the result names another decision")
        if decision.index is not None and result.index is not None and decision.index >= result.index:
            raise VerificationError("the result comes before its decision in the log")
    with sheet.checking(ADMITTED):
        examine.check_admitted(admission, answered)
    with sheet.checking(EXCLUDED):
        examine.check_excluded(admission, answered)


def proof_of(log: Files, note: SignedNote, index: int) -> bytes:
    """The ``.tlog-proof`` of an entry, made from the log's tiles; raises ``VerificationError``, ``MalformedError``."""
    tree = checkpoint.parse_text(note.text)
    hashes = TileReader(log.read, tree.size).inclusion_proof(index)
    return proofs.format_proof(proofs.InclusionProof(index=index, hashes=hashes, note=note))
