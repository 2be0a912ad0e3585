"""All judgements of a log's first entries, each with the records that it is about: one pass, then one look-up for each.

Pure: the records come through a reader. A judgement names its result by digest, and a result its decision, so that a record that the
log does not hold cannot come in between. Raises ``UnreadableError`` where one is missing.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from audit import examine, learning, statement
from audit.bundle import StoredRecord
from audit.errors import UnreadableError
from audit.examine import SignedRecord
from audit.vocabulary import RecordKind, Sha256Hex
from proxy.core.learning.judgements import Judged, Preferred, Said, joined, latest


class Reader(Protocol):
    """Records of a log."""

    def between(self, first: int, end: int) -> Iterable[tuple[int, bytes]]:
        """Index and envelope of the entries in [first, end), in order."""
        ...

    def of_request(self, request_id: str) -> Sequence[StoredRecord]:
        """All records of one request."""
        ...


def judgements(reader: Reader, size: int) -> tuple[Judged | Preferred, ...]:
    """What was said in the first ``size`` entries and counts, in the order of the log."""
    found = (_joined(each, reader.of_request(each.feedback.record)) for each in latest(_said(reader, size)))
    return tuple(each for each in found if each is not None)


def _said(reader: Reader, size: int) -> Iterable[Said]:
    for index, envelope in reader.between(0, size):
        record = examine.take_apart(envelope)
        if record.statement.kind is RecordKind.FEEDBACK:
            at = str(record.statement.predicate["at"])
            yield Said(index=index, at=at, feedback=learning.feedback_of(record.statement))


def _joined(said: Said, records: Sequence[StoredRecord]) -> Judged | Preferred | None:
    by_digest = {each.digest: each for each in (examine.take_apart(stored.envelope) for stored in records)}
    result = statement.result_of(_found(by_digest, said.feedback.result).statement)
    decision = statement.decision_of(_found(by_digest, result.decision).statement)
    if decision.tenant != said.feedback.tenant:
        raise UnreadableError(f"expected feedback of the record's tenant at entry {said.index}")
    return joined(said, decision, result)


def _found(records: dict[Sha256Hex, SignedRecord], digest: Sha256Hex) -> SignedRecord:
    found = records.get(digest)
    if found is None:
        raise UnreadableError(f"expected the record with digest {digest}, got none")
    return found
