"""The gist of a record: what a report counts of it, and nothing else.

Pure. Gists are small, so that they go from process to process and are held while a result is waited for. ``audit.gist_reading`` reads
them from envelopes.
"""

from typing import NamedTuple

from audit import pairing
from audit.administration import Activated
from audit.records import Contribution, DecisionRecord, ResultRecord
from audit.vocabulary import DecisionOutcome, LegStatus, RequestId, ResultOutcome, Role, Sha256Hex

Texts = tuple[str, ...]


class Exclusion(NamedTuple):
    """Of ``records.Exclusion``."""

    deployment: str
    rules: Texts
    legal_basis: Texts
    errors: Texts
    unknown: Texts


class Substitution(NamedTuple):
    """Of ``records.Substitution``."""

    excluded: str
    substitute: str
    rules: Texts
    reason: str


class Refusal(NamedTuple):
    """Of ``records.Refusal``."""

    code: str
    rules: Texts


class Shadow(NamedTuple):
    """Of ``records.Shadow``."""

    policy: str
    outcome: DecisionOutcome
    excluded: Texts
    rules: Texts
    refusal: str


class Decision(NamedTuple):
    """Of ``records.DecisionRecord``. ``ignored``: signals that did not count, each with why. ``composite``: of several legs.
    ``suspended``: rules that a break-glass act had switched off."""

    request_id: RequestId
    instance: str
    at: str
    tenant: str
    stream: bool
    task: str
    policy: str
    facts: str
    catalogue: str
    jurisdictions: Texts
    ignored: Texts
    conflict: bool
    data_classes: Texts
    outcome: DecisionOutcome
    aggregator: str
    composite: bool
    excluded: tuple[Exclusion, ...]
    substituted: tuple[Substitution, ...]
    obligations: Texts
    refusal: Refusal | None
    suspended: Texts
    shadow: Shadow | None


class Attempt(NamedTuple):
    """Of ``records.Contribution``."""

    role: Role
    deployment: str
    model: str
    provider: str
    regions: Texts
    status: LegStatus
    used: bool
    tokens_in: int
    tokens_out: int
    tokens_estimated: bool
    cost_micro_usd: int
    region_observed: str
    in_declared_region: bool | None


class Aggregation(NamedTuple):
    """Of ``records.Aggregation``."""

    method: str
    gate: str
    flags: Texts


class Result(NamedTuple):
    """Of ``records.ResultRecord``."""

    request_id: RequestId
    decision: Sha256Hex
    outcome: ResultOutcome
    error: str
    attempts: tuple[Attempt, ...]
    aggregation: Aggregation | None


class Gist(NamedTuple):
    """What is counted of the record at ``place``, its index in the log. ``digest``: of its PAE."""

    place: int
    digest: Sha256Hex
    said: Decision | Result | Activated


class Request(NamedTuple):
    """A decision and the result that names it, with their indices. ``result`` None: the log has none (yet)."""

    decided_at: int
    decision: Decision
    ended_at: int = -1
    result: Result | None = None


def of_request(whole: pairing.Request) -> Request:
    """The gist of a request whose records were read as a whole."""
    decided, ended = whole.decision, whole.result
    if ended is None:
        return Request(decided.index, of_decision(decided.record))
    return Request(decided.index, of_decision(decided.record), ended.index, of_result(ended.record))


def of_decision(record: DecisionRecord) -> Decision:
    """The gist of a decision."""
    refusal, shadow = record.refusal, record.shadow
    return Decision(
        request_id=record.request_id,
        instance=record.position.instance,
        at=record.at,
        tenant=record.tenant,
        stream=record.stream,
        task=record.task,
        policy=record.policy,
        facts=record.facts,
        catalogue=record.catalogue,
        jurisdictions=record.jurisdictions,
        ignored=tuple(f"{each.source}: {each.why}" for each in record.signals if not each.used),
        conflict=record.conflict,
        data_classes=record.data_classes,
        outcome=record.outcome,
        aggregator=record.aggregator,
        composite=len(record.legs) > 1,
        excluded=tuple(
            Exclusion(each.deployment, each.rules, each.legal_basis, each.errors, each.unknown)
            for each in record.excluded
        ),
        substituted=tuple(
            Substitution(each.excluded, each.substitute, each.rules, each.reason) for each in record.substituted
        ),
        obligations=record.obligations,
        refusal=None if refusal is None else Refusal(refusal.code, refusal.rules),
        suspended=() if record.inputs is None else record.inputs.suspended,
        shadow=None
        if shadow is None
        else Shadow(shadow.policy, shadow.outcome, shadow.excluded, shadow.rules, shadow.refusal),
    )


def of_result(record: ResultRecord) -> Result:
    """The gist of a result."""
    how = record.aggregation
    return Result(
        request_id=record.request_id,
        decision=record.decision,
        outcome=record.outcome,
        error=record.error,
        attempts=tuple(map(_of_contribution, record.contributions)),
        aggregation=None if how is None else Aggregation(how.method, how.gate, how.flags),
    )


def _of_contribution(each: Contribution) -> Attempt:
    return Attempt(
        role=each.role,
        deployment=each.deployment,
        model=each.model,
        provider=each.provider,
        regions=each.regions,
        status=each.status,
        used=each.used,
        tokens_in=each.tokens_in,
        tokens_out=each.tokens_out,
        tokens_estimated=each.tokens_estimated,
        cost_micro_usd=each.cost_micro_usd,
        region_observed=each.region_observed,
        in_declared_region=each.in_declared_region,
    )
