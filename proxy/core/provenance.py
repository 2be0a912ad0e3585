"""What goes on record about a request: its decision before anything is sent, its result before the answer is complete.

Pure. Records hold commitments, never content: every commitment is salted from the request's own random key, so that whoever
has the key can open them and whoever destroys it closes them for good (RFC 5869 through ``audit.canonical``).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from audit import canonical, disclosures, openings, statement
from audit.records import (
    AdmittedLeg,
    Aggregation,
    Anchor,
    Contribution,
    DecisionRecord,
    PassedOver,
    Position,
    Refusal,
    ResultRecord,
    Shadow,
    SignalRecord,
)
from audit.vocabulary import MILLIONTHS, DecisionOutcome, LegStatus, ResultOutcome, Role, Sha256Hex
from policies.jurisdiction import Signalled, SignalSource
from proxy.core import redecision
from proxy.core.aggregation.steps import Basis
from proxy.core.case import Case
from proxy.core.catalogue import Deployment
from proxy.core.enforcement import AdmittedPlan, Refused
from proxy.core.replies import Usage
from proxy.core.request import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt on one deployment, as the edge saw it. Times in microseconds from the decision.

    ``request_commitment``, ``response_commitment``: salted digests, "" where nothing was sent or nothing came back.
    """

    leg: str
    role: Role
    number: int
    deployment: Deployment
    status: LegStatus
    request_commitment: str
    response_commitment: str
    usage: Usage
    started_us: int
    duration_us: int
    trigger: str = ""
    error: str = ""
    region: str = ""
    residency: str = ""
    model: str = ""
    upstream_id: str = ""

    @property
    def cost_micro_usd(self) -> int:
        """List price of what was used; a failed attempt is charged for what it reported."""
        return self.deployment.price.cost_micro_usd(self.usage.tokens_in, self.usage.tokens_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a request ended. ``answer``: the leg whose text was sent, None if there is none."""

    outcome: ResultOutcome
    status: int
    basis: Basis | None = None
    answer: str | None = None
    error: str = ""


class Commitments:
    """Salts of one request by label, from its key. The same label gives the same salt."""

    __slots__ = ("_salts",)

    def __init__(self, key: bytes) -> None:
        self._salts = canonical.Salts(key)

    def salt(self, label: str) -> bytes:
        """The salt of a label."""
        return self._salts.of(label)

    def of(self, label: str, content: bytes) -> Sha256Hex:
        """Commitment to content that is at hand."""
        return canonical.commit(self._salts.of(label), content)

    def stream(self, label: str) -> "hashlib._Hash":
        """A running commitment: update it with the content, then take its hexadecimal digest."""
        return hashlib.sha256(self._salts.of(label))


def decision(
    case: Case, commitments: Commitments, *, at: str, position: Position, anchor: Anchor | None
) -> DecisionRecord:
    """The decision record of a case."""
    point, verdict, request = case.rulebook.point, case.verdict, case.request
    admitted = verdict if isinstance(verdict, AdmittedPlan) else None
    return DecisionRecord(
        request_id=case.request_id,
        position=position,
        at=at,
        anchor=anchor,
        tenant=case.caller.tenant,
        api=request.family.value,
        model_requested=request.model,
        stream=request.stream,
        task=case.task.value,
        task_confidence=case.task_confidence,
        router=case.router,
        policy=Sha256Hex(point.digest),
        facts=Sha256Hex(point.facts_digest),
        catalogue=Sha256Hex(case.rulebook.catalogue.digest),
        jurisdictions=case.jurisdictions,
        signals=tuple(map(_signal, case.applicable.signals)),
        conflict=getattr(case.applicable, "conflict", False),
        data_classes=tuple(sorted(case.data_classes)),
        purpose=case.purpose,
        outcome=case.outcome,
        aggregator=admitted.plan.aggregator.value if admitted else "",
        legs=_legs(admitted) if admitted else (),
        excluded=verdict.excluded,
        substituted=admitted.substituted if admitted else (),
        obligations=admitted.obligations if admitted else (),
        parameters_digest=commitments.of(openings.PARAMETERS, parameters_bytes(request.parameters)),
        prompt_commitment=commitments.of(statement.PROMPT, request.commitment_input),
        max_cost_micro_usd=case.budget.left,
        refusal=None if admitted else refusal(case),
        inputs=redecision.inputs(case),
        shadow=_shadow(case),
        passed_over=admitted.passed_over if admitted else (),
        scopes=case.scopes,
        sd=disclosures.digests(commitments.salt, withheld(case)),
    )


def withheld(case: Case) -> Mapping[str, str]:
    """Members that identify people: their digests are on record, their values are not."""
    place = next((s.code for s in case.applicable.signals if _is_withheld(s)), None)
    found = {
        disclosures.SUBJECT: case.request.options.subject,
        disclosures.PRINCIPAL: case.caller.principal or None,
        disclosures.PLACE: place,
    }
    return {name: value for name, value in found.items() if value is not None}


def disclosed(case: Case, key: bytes) -> tuple[str, ...]:
    """Disclosures of all those members, for whoever holds the record's key."""
    salt = canonical.Salts(key).of
    return tuple(disclosures.disclose(salt, name, value).text for name, value in withheld(case).items())


def _is_withheld(signal: Signalled) -> bool:
    """Where an address is tells where a person is; on record only where it decided."""
    return signal.source == SignalSource.IP and not signal.used


def _signal(signal: Signalled) -> SignalRecord:
    code = "" if _is_withheld(signal) else signal.code
    return SignalRecord(source=signal.source, code=code, used=signal.used, why=signal.why)


def _shadow(case: Case) -> Shadow | None:
    said, draft = case.shadow, case.rulebook.draft
    if said is None or draft is None:
        return None
    admitted = said if isinstance(said, AdmittedPlan) else None
    return Shadow(
        policy=Sha256Hex(draft.point.digest),
        outcome=admitted.outcome if admitted else DecisionOutcome.REFUSED,
        excluded=tuple(each.deployment for each in said.excluded),
        rules=tuple(sorted({rule for each in said.excluded for rule in each.rules})),
        refusal=said.code if isinstance(said, Refused) else "",
    )


def parameters_bytes(parameters: JsonObject) -> bytes:
    """JSON of the request's parameters, keys sorted: what its commitment covers."""
    return orjson.dumps(dict(parameters), option=orjson.OPT_SORT_KEYS)


def refusal(case: Case) -> Refusal:
    """Why nothing was sent."""
    assert not isinstance(case.verdict, AdmittedPlan)
    return Refusal(code=case.verdict.code, rules=case.verdict.rules, sentence=case.sentence)


def _legs(admitted: AdmittedPlan) -> tuple[AdmittedLeg, ...]:
    return tuple(
        AdmittedLeg(leg=leg, role=calls[0].role, deployments=tuple(call.deployment.id for call in calls))
        for leg, calls in admitted.calls.items()
    )


def result(
    case: Case,
    attempts: Sequence[Attempt],
    ending: Ending,
    *,
    at: str,
    position: Position,
    decided: Sha256Hex,
    answer: tuple[Sha256Hex, int],
    passed_over: Sequence[PassedOver] = (),
    kept: tuple[str, ...] = (),
) -> ResultRecord:
    """The result record of a case. ``answer``: commitment to the bytes sent, and how many they were; ``kept``: labels of content
    that is kept."""
    return ResultRecord(
        request_id=case.request_id,
        position=position,
        at=at,
        decision=decided,
        outcome=ending.outcome,
        http_status=ending.status,
        contributions=contributions(attempts, ending),
        aggregation=_aggregation(ending),
        answer_commitment=answer[0],
        answer_bytes=answer[1],
        error=ending.error,
        passed_over=tuple(passed_over),
        kept=kept,
    )


def contributions(attempts: Sequence[Attempt], ending: Ending) -> tuple[Contribution, ...]:
    """Every attempt with what it counted for."""
    used, weights = _counted(ending)
    return tuple(
        Contribution(
            leg=each.leg,
            role=each.role,
            attempt=each.number,
            deployment=each.deployment.id,
            model=each.deployment.model,
            provider=each.deployment.provider,
            regions=each.deployment.regions,
            status=each.status,
            used=_is_used(each, used),
            weight=weights.get(each.leg, 0) if each.status is LegStatus.OK else 0,
            request_commitment=each.request_commitment,
            response_commitment=each.response_commitment,
            tokens_in=each.usage.tokens_in,
            tokens_out=each.usage.tokens_out,
            tokens_estimated=each.usage.estimated,
            cost_micro_usd=each.cost_micro_usd,
            started_us=each.started_us,
            duration_us=each.duration_us,
            error=each.error,
            region_observed=each.region,
            residency=each.residency,
            model_observed=each.model,
            upstream_id=each.upstream_id,
            trigger=each.trigger,
        )
        for each in attempts
    )


def contributing(attempts: Sequence[Attempt], ending: Ending) -> tuple[Attempt, ...]:
    """Attempts whose text or vote is in the answer."""
    used, _ = _counted(ending)
    return tuple(each for each in attempts if _is_used(each, used))


def _is_used(attempt: Attempt, used: frozenset[str]) -> bool:
    return attempt.status is LegStatus.OK and attempt.leg in used


def _counted(ending: Ending) -> tuple[frozenset[str], Mapping[str, int]]:
    """Legs whose text or vote is in the answer, and the weight of every vote that was cast."""
    if ending.basis is None or ending.answer is None:
        return frozenset(), {}
    votes = ending.basis.votes
    if not votes:
        return frozenset({ending.answer}), {ending.answer: MILLIONTHS}
    winner = next((v.group for v in votes if v.leg == ending.answer), None)
    agreeing = {v.leg for v in votes if v.group is not None and v.group == winner}
    return frozenset(agreeing | {ending.answer}), {v.leg: v.weight for v in votes}


def _aggregation(ending: Ending) -> Aggregation | None:
    basis = ending.basis
    if basis is None:
        return None
    return Aggregation(
        aggregator=basis.aggregator.value,
        method=basis.method,
        confidence=basis.confidence,
        answer_leg=ending.answer or "",
        gate=basis.gate or "",
        flags=basis.flags,
        confidence_method=basis.confidence_method,
    )
