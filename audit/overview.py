"""What one line says of a request: who answered, what was kept out, what it cost. A projection of its decision and its result.

Pure. Nothing here is verified: whether a record holds is for ``audit.verify``. A result counts where it names the decision, as in
``audit.pairing``.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from audit import instants, pairing, statement
from audit.bundle import StoredRecord
from audit.statement import DecisionRecord, ResultRecord
from audit.vocabulary import RecordKind, Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision with its place in the log and the digest by which its result names it."""

    index: int
    digest: Sha256Hex
    record: DecisionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a request ended. ``models``: whose words or votes are in the answer. ``duration_us``: from the decision to the result, by
    the writer's own clock."""

    outcome: str
    http_status: int
    error: str
    models: tuple[str, ...]
    calls: int
    cost_micro_usd: int
    duration_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A request in short. ``excluded``: deployments that it would have called; ``substituted``: stand-ins. ``end`` None: the log has
    none yet."""

    id: str
    index: int
    at: str
    model: str
    outcome: str
    jurisdictions: tuple[str, ...]
    excluded: int
    substituted: int
    end: End | None


def decided(stored: StoredRecord, tenant: str) -> Decided | None:
    """The decision in a stored record; None where it is another tenant's or has no place yet. Raises ``MalformedError``."""
    opened = pairing.opened(stored.envelope)
    found = pairing.said(opened.payload)
    if stored.index is None or found is None or found.kind is not RecordKind.DECISION:
        return None
    if found.predicate.get("tenant") != tenant:
        return None
    return Decided(index=stored.index, digest=opened.digest(), record=statement.decision_of(found))


def results(stored: Iterable[StoredRecord]) -> dict[Sha256Hex, ResultRecord]:
    """The results among stored records, by the digest of the decision that they name. Raises ``MalformedError``."""
    found = {}
    for each in stored:
        if each.kind is RecordKind.RESULT:
            record = statement.result_of(statement.parse(pairing.opened(each.envelope).payload))
            found[record.decision] = record
    return found


def outline(decision: Decided, result: ResultRecord | None) -> Outline:
    """A request in short. Raises ``MalformedError`` for a time that cannot be read."""
    said = decision.record
    return Outline(
        id=said.request_id,
        index=decision.index,
        at=said.at,
        model=said.model_requested,
        outcome=said.outcome.value,
        jurisdictions=said.jurisdictions,
        excluded=len({each.deployment for each in said.excluded}),
        substituted=len(said.substituted),
        end=None if result is None else _end(said, result),
    )


def _end(decision: DecisionRecord, result: ResultRecord) -> End:
    attempts = result.contributions
    return End(
        outcome=result.outcome.value,
        http_status=result.http_status,
        error=result.error,
        models=tuple(dict.fromkeys(each.model for each in attempts if each.used)),
        calls=len(attempts),
        cost_micro_usd=sum(each.cost_micro_usd for each in attempts),
        duration_us=instants.micros(result.at) - instants.micros(decision.at),
    )
