"""Signed records to spans: one trace per request, a projection that can be rebuilt from the log at any time.

Shape: a SERVER span; below it ``apostille.policy.decide`` with an event per exclusion and substitution; for a composite
``invoke_workflow``; one CLIENT ``chat`` span per attempt, whose verdict is looked up in the decision and not assumed.
Every span names the record it was built from. Nothing here has seen content, so no setting can make it leave.
Names: ``audit.semconv``; ``docs/reference/traces.md``.
"""

from collections import Counter
from types import MappingProxyType

from audit import instants, semconv
from audit.errors import MalformedError
from audit.pairing import Request, Signed
from audit.semconv import Place, Value
from audit.spans import Event, Link, Span, SpanKind, Status, span_id, trace_id
from audit.statement import Contribution, DecisionRecord, Exclusion, ResultRecord, Substitution
from audit.vocabulary import LegStatus, ResultOutcome, Role, Verdict

ROUTES = MappingProxyType({"openai.chat": "/v1/chat/completions", "anthropic.messages": "/v1/messages"})
"""Route of each API family; another family's span carries its name and no route."""

PROVIDER_NAMES = MappingProxyType(
    {
        "azure": "azure.ai.openai",
        "bedrock": "aws.bedrock",
        "gemini": "gcp.gemini",
        "mistral": "mistral_ai",
        "moonshot": "moonshot_ai",
        "vertex_ai": "gcp.vertex_ai",
        "xai": "x_ai",
    }
)
"""Where our name of a provider differs from the convention's well-known value."""

SINGLE_AGGREGATORS = frozenset({"", "single"})
_READERS = frozenset({Role.JUDGE, Role.AUTHOR, Role.VERIFIER})
_FAILED = frozenset({ResultOutcome.ERROR, ResultOutcome.ABORTED, ResultOutcome.ORPHANED})


def composite(decision: DecisionRecord) -> bool:
    """True if the answer was planned to come from several legs."""
    return decision.aggregator not in SINGLE_AGGREGATORS


def spans(request: Request) -> tuple[Span, ...]:
    """Spans of one request, parents before children; raises ``MalformedError`` for values that no span can have: a time that is
    none, a text that has no bytes, a number beyond 64 bits.

    Ids depend on the request id, leg and attempt alone. Without a result there are the request's span, marked as an
    error, and the decision's.
    """
    try:
        return _spans(request)
    except ValueError as cause:
        raise MalformedError("expected values that a span can have", code="trace") from cause


def _spans(request: Request) -> tuple[Span, ...]:
    decision = request.decision.record
    start = instants.micros(decision.at)
    result = request.result.record if request.result else None
    attempts = _attempts(request, start) if request.result else ()
    decide = _decide_span(request.decision, start)
    server = _server_span(request, start, _end(start, result, attempts))
    if result is None or not attempts or not composite(decision):
        return (server, decide, *attempts)
    return (server, decide, _workflow_span(request, attempts), *attempts)


def _end(start: int, result: ResultRecord | None, attempts: tuple[Span, ...]) -> int:
    """End of a request in microseconds: its result's time, and never before its parts (clocks are stepped).

    The result of an orphan was written at recovery, perhaps days later: when its process died, nobody knows.
    """
    ends = [start, *(attempt.end_ns // 1000 for attempt in attempts)]
    if result is not None and result.outcome is not ResultOutcome.ORPHANED:
        ends.append(instants.micros(result.at))
    return max(ends)


def _entry(signed: Signed[DecisionRecord] | Signed[ResultRecord]) -> dict[str, Value | None]:
    """What joins a span to the log: the record it was built from."""
    return {
        "apostille.request.id": signed.record.request_id,
        "apostille.ledger.entry.id": signed.index,
        "apostille.ledger.entry.hash": signed.digest,
        "apostille.receipt.key.id": signed.keyid,
    }


# --- the request and its decision -------------------------------------------------------------------------------------


def _server_span(request: Request, start: int, end: int) -> Span:
    decision, result = request.decision.record, request.result.record if request.result else None
    failed = result is None or result.outcome in _FAILED
    route = ROUTES.get(decision.api)
    values: dict[str, Value | None] = {
        **_entry(request.result or request.decision),
        "http.request.method": "POST" if route else None,
        "http.route": route,
        "http.response.status_code": (result.http_status or None) if result else None,
        "error.type": _failure(result) if failed else None,
        "apostille.instance.id": decision.position.instance,
        "apostille.tenant.id": decision.tenant,
        "apostille.api": decision.api,
        "apostille.model.requested": decision.model_requested,
        "apostille.stream": decision.stream,
        "apostille.task": decision.task,
        "apostille.task.confidence": decision.task_confidence,
        "apostille.composite": composite(decision),
        "apostille.result.outcome": result.outcome if result else None,
        "apostille.refusal.code": decision.refusal.code if decision.refusal else None,
        "apostille.decision.outcome": decision.outcome,
        "apostille.jurisdiction.codes": decision.jurisdictions,
    }
    return Span(
        trace_id=trace_id(decision.request_id),
        span_id=span_id(decision.request_id, "request"),
        parent_id=None,
        name=f"POST {route}" if route else f"apostille {semconv.identifier(decision.api)}",
        kind=SpanKind.SERVER,
        start_ns=start * 1000,
        end_ns=end * 1000,
        attributes=semconv.attributes(Place.SERVER, values),
        status=Status.ERROR if failed else Status.UNSET,
    )


def _failure(result: ResultRecord | None) -> str:
    if result is None:
        return "no-result"
    return result.error or result.outcome.value


def _decide_span(signed: Signed[DecisionRecord], start: int) -> Span:
    record = signed.record
    values: dict[str, Value | None] = {
        **_entry(signed),
        "apostille.decision.outcome": record.outcome,
        "apostille.policy.bundle.hash": record.policy,
        "apostille.facts.hash": record.facts,
        "apostille.catalogue.hash": record.catalogue,
        "apostille.decision.rules": _rules(record),
        "apostille.decision.obligations": record.obligations,
        "apostille.jurisdiction.codes": record.jurisdictions,
        "apostille.jurisdiction.sources": tuple(f"{each.source}:{each.code}" for each in record.signals if each.used),
        "apostille.jurisdiction.conflict": record.conflict,
        "apostille.data.classes": record.data_classes,
        "apostille.purpose": record.purpose,
        "apostille.candidates.considered": len(_considered(record)),
        "apostille.candidates.excluded": len({each.deployment for each in record.excluded}),
    }
    excluded = (_excluded_event(each, start) for each in record.excluded)
    substituted = (_substitution_event(each, start) for each in record.substituted)
    return Span(
        trace_id=trace_id(record.request_id),
        span_id=span_id(record.request_id, "decide"),
        parent_id=span_id(record.request_id, "request"),
        name="apostille.policy.decide",
        kind=SpanKind.INTERNAL,
        start_ns=start * 1000,
        end_ns=start * 1000,
        attributes=semconv.attributes(Place.DECIDE, values),
        events=(*excluded, *substituted),
    )


def _rules(record: DecisionRecord) -> tuple[str, ...]:
    found = {rule for each in record.excluded for rule in each.rules}
    return tuple(sorted(found.union(record.refusal.rules if record.refusal else ())))


def _considered(record: DecisionRecord) -> set[str]:
    return {each.deployment for each in record.excluded}.union(*(leg.deployments for leg in record.legs))


def _excluded_event(each: Exclusion, start: int) -> Event:
    values: dict[str, Value | None] = {
        "apostille.rule.object": each.deployment,
        "apostille.rule.ids": each.rules,
        "apostille.rule.errors": each.errors,
        "apostille.facts.unknown": each.unknown,
        "apostille.model.id": each.model,
        "apostille.contribution.role": each.role,
    }
    attributes = semconv.attributes(Place.EXCLUDED, values)
    return Event(name="apostille.candidate.excluded", at_ns=start * 1000, attributes=attributes)


def _substitution_event(each: Substitution, start: int) -> Event:
    values: dict[str, Value | None] = {
        "apostille.substitution.from": each.excluded,
        "apostille.substitution.to": each.substitute,
        "apostille.substitution.reason": each.reason,
        "apostille.rule.ids": each.rules,
        "apostille.contribution.role": each.role,
    }
    attributes = semconv.attributes(Place.SUBSTITUTION, values)
    return Event(name="apostille.substitution", at_ns=start * 1000, attributes=attributes)


# --- the legs ---------------------------------------------------------------------------------------------------------


def _workflow_span(request: Request, attempts: tuple[Span, ...]) -> Span:
    assert request.result is not None
    decision, basis = request.decision.record, request.result.record.aggregation
    values: dict[str, Value | None] = {
        **_entry(request.result),
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": decision.aggregator,
        "apostille.aggregation.method": basis.method if basis else None,
        "apostille.aggregation.confidence": basis.confidence if basis else None,
        "apostille.aggregation.gate": basis.gate if basis else None,
        "apostille.aggregation.answer_leg": basis.answer_leg if basis else None,
        "apostille.aggregation.flags": basis.flags if basis else None,
    }
    return Span(
        trace_id=trace_id(decision.request_id),
        span_id=span_id(decision.request_id, "workflow"),
        parent_id=span_id(decision.request_id, "request"),
        name=f"invoke_workflow {semconv.identifier(decision.aggregator)}",
        kind=SpanKind.INTERNAL,
        start_ns=min(attempt.start_ns for attempt in attempts),
        end_ns=max(attempt.end_ns for attempt in attempts),
        attributes=semconv.attributes(Place.WORKFLOW, values),
    )


def _attempts(request: Request, start: int) -> tuple[Span, ...]:
    assert request.result is not None
    decision, result = request.decision.record, request.result
    parent = span_id(decision.request_id, "workflow" if composite(decision) else "request")
    entry = _entry(result)
    admitted = {(leg.leg, deployment) for leg in decision.legs for deployment in leg.deployments}
    seen: Counter[tuple[str, int]] = Counter()
    ids = []
    for each in result.record.contributions:
        nth = seen[each.leg, each.attempt]
        seen[each.leg, each.attempt] += 1
        # A well-formed record has every (leg, attempt) once; should it not, the spans still differ.
        again = (str(nth),) if nth else ()
        ids.append(span_id(decision.request_id, "leg", each.leg, str(each.attempt), *again))
    return tuple(
        Span(
            trace_id=trace_id(decision.request_id),
            span_id=own_id,
            parent_id=parent,
            name=f"chat {semconv.identifier(each.model)}",
            kind=SpanKind.CLIENT,
            start_ns=(start + max(each.started_us, 0)) * 1000,
            end_ns=(start + max(each.started_us, 0) + max(each.duration_us, 0)) * 1000,
            attributes=_chat_attributes(each, entry, admitted=(each.leg, each.deployment) in admitted),
            links=_read_by(each, result.record.contributions, ids),
            status=Status.ERROR if each.status is LegStatus.FAILED else Status.UNSET,
        )
        for each, own_id in zip(result.record.contributions, ids, strict=True)
    )


def _read_by(reader: Contribution, contributions: tuple[Contribution, ...], ids: list[bytes]) -> tuple[Link, ...]:
    """Links of a judge, author or verifier to the panel answers that were there when it was asked."""
    if reader.role not in _READERS:
        return ()
    return tuple(
        Link(span_id=own_id)
        for each, own_id in zip(contributions, ids, strict=True)
        if each.role is Role.PANEL
        and each.status is LegStatus.OK
        and each.started_us + each.duration_us <= reader.started_us
    )


def _chat_attributes(each: Contribution, entry: dict[str, Value | None], *, admitted: bool) -> semconv.Attributes:
    failed = each.status is LegStatus.FAILED
    observed = each.region_observed
    values: dict[str, Value | None] = {
        **entry,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER_NAMES.get(each.provider, each.provider),
        "gen_ai.request.model": each.model,
        "gen_ai.response.model": each.model_observed,
        "gen_ai.response.id": each.upstream_id,
        "gen_ai.usage.input_tokens": each.tokens_in,
        "gen_ai.usage.output_tokens": each.tokens_out,
        "error.type": (each.error or "failed") if failed else each.error,
        "apostille.leg": each.leg,
        "apostille.contribution.role": each.role,
        "apostille.contribution.used": each.used,
        "apostille.contribution.weight": each.weight,
        "apostille.attempt.index": each.attempt,
        "apostille.attempt.status": each.status,
        "apostille.decision.verdict": Verdict.PERMIT if admitted else Verdict.DENY,
        "apostille.deployment.id": each.deployment,
        "apostille.vendor.id": each.provider,
        "apostille.region.declared": each.regions,
        "apostille.region.observed": observed,
        "apostille.residency.verified": each.in_declared_region,
        "apostille.usage.estimated": each.tokens_estimated,
        "apostille.cost.micro_usd": each.cost_micro_usd,
    }
    return semconv.attributes(Place.CHAT, values)
