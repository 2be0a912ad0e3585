"""The JSON of the two request predicates: ``audit.records`` values to JSON; ``predicate_reading`` is the way back.

Members are the fields in camelCase; ``docs/spec/predicates.md`` lists them. Written out by hand, member by member: it
runs twice in every request, and a stranger can compare it with the specification line by line.
"""

from typing import Any

from audit import disclosures
from audit.records import (
    Aggregation,
    Anchor,
    Contribution,
    DecisionRecord,
    Exclusion,
    Inputs,
    PassedOver,
    Position,
    Refusal,
    ResultRecord,
    Shadow,
    Substitution,
)


def decision_object(record: DecisionRecord) -> dict[str, Any]:
    """Predicate of a decision statement; the prompt's commitment is the statement's subject and not in it."""
    return {
        "requestId": record.request_id,
        "instance": position_object(record.position),
        "at": record.at,
        "anchor": anchor_object(record.anchor),
        "tenant": record.tenant,
        "api": record.api,
        "modelRequested": record.model_requested,
        "stream": record.stream,
        "task": record.task,
        "taskConfidence": record.task_confidence,
        "router": record.router,
        "policy": record.policy,
        "facts": record.facts,
        "catalogue": record.catalogue,
        "jurisdictions": record.jurisdictions,
        "signals": [{"source": s.source, "code": s.code, "used": s.used, "why": s.why} for s in record.signals],
        "conflict": record.conflict,
        "dataClasses": record.data_classes,
        "purpose": record.purpose,
        "outcome": record.outcome,
        "aggregator": record.aggregator,
        "legs": [{"leg": leg.leg, "role": leg.role, "deployments": leg.deployments} for leg in record.legs],
        "excluded": [_exclusion_object(each) for each in record.excluded],
        "substituted": [_substitution_object(each) for each in record.substituted],
        "obligations": record.obligations,
        "parametersDigest": record.parameters_digest,
        "maxCostMicroUsd": record.max_cost_micro_usd,
        "refusal": None if record.refusal is None else _refusal_object(record.refusal),
        "inputs": None if record.inputs is None else inputs_object(record.inputs),
        "shadow": None if record.shadow is None else _shadow_object(record.shadow),
        "passedOver": [_passed_over_object(each) for each in record.passed_over],
        "scopes": [{"log": each.log, "group": each.group, "codes": each.codes} for each in record.scopes],
        "_sd": record.sd,
        "_sd_alg": disclosures.ALGORITHM,
    }


def result_object(record: ResultRecord) -> dict[str, Any]:
    """Predicate of a result statement; the answer's commitment is the statement's subject and not in it."""
    return {
        "requestId": record.request_id,
        "instance": position_object(record.position),
        "at": record.at,
        "decision": record.decision,
        "outcome": record.outcome,
        "httpStatus": record.http_status,
        "contributions": [_contribution_object(each) for each in record.contributions],
        "aggregation": None if record.aggregation is None else _aggregation_object(record.aggregation),
        "answerBytes": record.answer_bytes,
        "error": record.error,
        "passedOver": [_passed_over_object(each) for each in record.passed_over],
        "kept": record.kept,
    }


def common_object(at: str, position: Position, anchor: Anchor | None) -> dict[str, Any]:
    """Members that every statement has which is not about a request. ``at``: RFC 3339."""
    return {"at": at, "instance": position_object(position), "anchor": anchor_object(anchor)}


def position_object(position: Position) -> dict[str, Any]:
    """JSON of a position."""
    return {"id": position.instance, "epoch": position.epoch, "seq": position.seq}


def anchor_object(anchor: Anchor | None) -> dict[str, Any] | None:
    """JSON of an anchor; null when the writer had seen no checkpoint."""
    if anchor is None:
        return None
    return {"origin": anchor.origin, "size": anchor.size, "root": anchor.root}


def _exclusion_object(each: Exclusion) -> dict[str, Any]:
    return {
        "deployment": each.deployment,
        "model": each.model,
        "role": each.role,
        "rules": each.rules,
        "legalBasis": each.legal_basis,
        "errors": each.errors,
        "unknown": each.unknown,
    }


def _substitution_object(each: Substitution) -> dict[str, Any]:
    return {
        "excluded": each.excluded,
        "substitute": each.substitute,
        "role": each.role,
        "rules": each.rules,
        "reason": each.reason,
    }


def inputs_object(inputs: Inputs) -> dict[str, Any]:
    """JSON of what a decision was made from."""
    chosen, bounds, preference = inputs.composition, inputs.bounds, inputs.preference
    return {
        "packs": inputs.packs,
        "humanOversight": inputs.human_oversight,
        "userUsPerson": inputs.user_us_person,
        "flowdown": inputs.flowdown,
        "audience": inputs.audience,
        "onRestricted": inputs.on_restricted,
        "onOutage": inputs.on_outage,
        "onProviderRefusal": inputs.on_provider_refusal,
        "needs": inputs.needs,
        "promptTokens": inputs.prompt_tokens,
        "maxOutputTokens": inputs.max_output_tokens,
        "comparable": inputs.comparable,
        "examples": inputs.examples,
        "suspended": inputs.suspended,
        "bounds": {
            "minQuality": bounds.min_quality,
            "maxPrice": bounds.max_price,
            "maxLatency": bounds.max_latency,
        },
        "composition": {
            "mode": chosen.mode,
            "panel": chosen.panel,
            "aggregator": chosen.aggregator,
            "minPanel": chosen.min_panel,
            "threshold": chosen.threshold,
        },
        "circuitsOpen": inputs.circuits_open,
        "preference": {
            "quality": preference.quality,
            "cost": preference.cost,
            "latency": preference.latency,
            "ease": preference.ease,
            "usualEase": preference.usual_ease,
        },
        "parts": [{"task": part.task, "comparable": part.comparable} for part in inputs.parts],
        "reliabilities": inputs.reliabilities,
    }


def _passed_over_object(each: PassedOver) -> dict[str, Any]:
    return {"leg": each.leg, "deployment": each.deployment, "reason": each.reason}


def _shadow_object(each: Shadow) -> dict[str, Any]:
    return {
        "policy": each.policy,
        "outcome": each.outcome,
        "excluded": each.excluded,
        "rules": each.rules,
        "refusal": each.refusal,
    }


def _refusal_object(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code, "rules": refusal.rules, "sentence": refusal.sentence}


def _contribution_object(each: Contribution) -> dict[str, Any]:
    return {
        "leg": each.leg,
        "role": each.role,
        "attempt": each.attempt,
        "deployment": each.deployment,
        "model": each.model,
        "provider": each.provider,
        "regions": each.regions,
        "status": each.status,
        "used": each.used,
        "weight": each.weight,
        "requestCommitment": each.request_commitment,
        "responseCommitment": each.response_commitment,
        "tokensIn": each.tokens_in,
        "tokensOut": each.tokens_out,
        "tokensEstimated": each.tokens_estimated,
        "costMicroUsd": each.cost_micro_usd,
        "startedUs": each.started_us,
        "durationUs": each.duration_us,
        "error": each.error,
        "regionObserved": each.region_observed,
        "residency": each.residency,
        "modelObserved": each.model_observed,
        "upstreamId": each.upstream_id,
        "trigger": each.trigger,
    }


def _aggregation_object(each: Aggregation) -> dict[str, Any]:
    return {
        "aggregator": each.aggregator,
        "method": each.method,
        "confidence": each.confidence,
        "answerLeg": each.answer_leg,
        "gate": each.gate,
        "flags": each.flags,
        "confidenceMethod": each.confidence_method,
    }
