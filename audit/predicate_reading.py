"""The way back of ``audit.predicates``: JSON objects to the values of a request's two records.

Unknown members are ignored (in-toto Attestation v1, "Parsing rules"); a missing one, another type, or a word that is
not in the vocabulary is a ``MalformedError`` (code ``predicate``) that names the member and never its value.
"""

import re
from collections.abc import Mapping
from typing import Any

from audit import disclosures
from audit.errors import MalformedError
from audit.members import (
    digest,
    every,
    flag,
    integer,
    integer_or_none,
    member,
    optional,
    text,
    text_or_none,
    texts,
    word,
)
from audit.records import (
    AdmittedLeg,
    Aggregation,
    Anchor,
    Bounds,
    Composition,
    Contribution,
    DecisionRecord,
    Exclusion,
    Inputs,
    PassedOver,
    Position,
    Preference,
    Refusal,
    ResultRecord,
    ScopeRecord,
    Shadow,
    SignalRecord,
    Substitution,
)
from audit.vocabulary import DecisionOutcome, LegStatus, RequestId, ResultOutcome, Role, Sha256Hex

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
"""Wider than a UUID, and still safe as the name of a file."""


def decision_from(value: Mapping[str, Any], prompt_commitment: Sha256Hex) -> DecisionRecord:
    """Decision record of a predicate and its subject; raises ``MalformedError`` (code ``predicate``)."""
    return DecisionRecord(
        request_id=request_id(value),
        position=position_from(value),
        at=text(value, "at"),
        anchor=optional(value, "anchor", anchor_from),
        tenant=text(value, "tenant"),
        api=text(value, "api"),
        model_requested=text(value, "modelRequested"),
        stream=flag(value, "stream"),
        task=text(value, "task"),
        task_confidence=integer(value, "taskConfidence"),
        router=text(value, "router"),
        policy=digest(value, "policy"),
        facts=digest(value, "facts"),
        catalogue=digest(value, "catalogue"),
        jurisdictions=texts(value, "jurisdictions"),
        signals=every(value, "signals", _signal_from),
        conflict=flag(value, "conflict"),
        data_classes=texts(value, "dataClasses"),
        purpose=text(value, "purpose"),
        outcome=word(value, "outcome", DecisionOutcome),
        aggregator=text(value, "aggregator"),
        legs=every(value, "legs", _leg_from),
        excluded=every(value, "excluded", _exclusion_from),
        substituted=every(value, "substituted", _substitution_from),
        obligations=texts(value, "obligations"),
        parameters_digest=digest(value, "parametersDigest"),
        prompt_commitment=prompt_commitment,
        max_cost_micro_usd=integer_or_none(value, "maxCostMicroUsd"),
        refusal=optional(value, "refusal", _refusal_from),
        inputs=optional(value, "inputs", inputs_from),
        shadow=optional(value, "shadow", _shadow_from),
        passed_over=_passed_over(value),
        scopes=scopes_from(value),
        sd=_sd_from(value),
    )


def result_from(value: Mapping[str, Any], answer_commitment: Sha256Hex) -> ResultRecord:
    """Result record of a predicate and its subject; raises ``MalformedError`` (code ``predicate``)."""
    return ResultRecord(
        request_id=request_id(value),
        position=position_from(value),
        at=text(value, "at"),
        decision=digest(value, "decision"),
        outcome=word(value, "outcome", ResultOutcome),
        http_status=integer(value, "httpStatus"),
        contributions=every(value, "contributions", _contribution_from),
        aggregation=optional(value, "aggregation", _aggregation_from),
        answer_commitment=answer_commitment,
        answer_bytes=integer(value, "answerBytes"),
        error=text(value, "error"),
        passed_over=_passed_over(value),
        kept=texts(value, "kept") if "kept" in value else (),
    )


def _sd_from(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Members ``_sd`` and ``_sd_alg``; neither is in older records."""
    if "_sd" not in value:
        return ()
    found = texts(value, "_sd")
    if text(value, "_sd_alg") != disclosures.ALGORITHM or not all(map(disclosures.is_digest, found)):
        raise MalformedError("expected SHA-256 digests in base64url in `_sd`", code="predicate")
    return found


def request_id(value: Mapping[str, Any]) -> RequestId:
    """Member ``requestId``."""
    found = text(value, "requestId")
    if not _REQUEST_ID.fullmatch(found):
        raise MalformedError("expected `requestId` of letters, digits, `.`, `_`, `-`", code="predicate")
    return RequestId(found)


def position_from(value: Mapping[str, Any]) -> Position:
    """Member ``instance``."""
    inner = member(value, "instance", dict)
    return Position(instance=text(inner, "id"), epoch=text(inner, "epoch"), seq=integer(inner, "seq"))


def anchor_from(value: Mapping[str, Any]) -> Anchor:
    """Anchor of its JSON object."""
    return Anchor(origin=text(value, "origin"), size=integer(value, "size"), root=digest(value, "root"))


def inputs_from(value: Mapping[str, Any]) -> Inputs:
    """Member ``inputs``."""
    chosen = member(value, "composition", dict)
    bounds = member(value, "bounds", dict)
    return Inputs(
        packs=texts(value, "packs"),
        human_oversight=flag(value, "humanOversight"),
        user_us_person=None if value.get("userUsPerson") is None else flag(value, "userUsPerson"),
        flowdown=texts(value, "flowdown"),
        audience=text(value, "audience"),
        on_restricted=text(value, "onRestricted"),
        on_outage=text(value, "onOutage"),
        on_provider_refusal=text(value, "onProviderRefusal"),
        needs=texts(value, "needs"),
        prompt_tokens=integer(value, "promptTokens"),
        max_output_tokens=integer_or_none(value, "maxOutputTokens"),
        comparable=flag(value, "comparable"),
        examples="examples" in value and flag(value, "examples"),
        suspended=texts(value, "suspended"),
        bounds=Bounds(
            min_quality=integer_or_none(bounds, "minQuality"),
            max_price=integer_or_none(bounds, "maxPrice"),
            max_latency=integer_or_none(bounds, "maxLatency"),
        ),
        composition=Composition(
            mode=text_or_none(chosen, "mode"),
            panel=texts(chosen, "panel"),
            aggregator=text_or_none(chosen, "aggregator"),
            min_panel=integer_or_none(chosen, "minPanel"),
            threshold=integer_or_none(chosen, "threshold"),
        ),
        circuits_open=texts(value, "circuitsOpen") if "circuitsOpen" in value else (),
        preference=optional(value, "preference", _preference_from) or Preference(),
    )


def _preference_from(value: Mapping[str, Any]) -> Preference:
    return Preference(
        quality=integer(value, "quality"),
        cost=integer(value, "cost"),
        latency=integer(value, "latency"),
        ease=integer_or_none(value, "ease"),
        usual_ease=integer_or_none(value, "usualEase"),
    )


def _passed_over(value: Mapping[str, Any]) -> tuple[PassedOver, ...]:
    """Member ``passedOver``; older records have none."""
    return every(value, "passedOver", _passed_over_from) if "passedOver" in value else ()


def _passed_over_from(value: Mapping[str, Any]) -> PassedOver:
    return PassedOver(leg=text(value, "leg"), deployment=text(value, "deployment"), reason=text(value, "reason"))


def _signal_from(value: Mapping[str, Any]) -> SignalRecord:
    return SignalRecord(
        source=text(value, "source"), code=text(value, "code"), used=flag(value, "used"), why=text(value, "why")
    )


def _leg_from(value: Mapping[str, Any]) -> AdmittedLeg:
    return AdmittedLeg(leg=text(value, "leg"), role=word(value, "role", Role), deployments=texts(value, "deployments"))


def _exclusion_from(value: Mapping[str, Any]) -> Exclusion:
    return Exclusion(
        deployment=text(value, "deployment"),
        model=text(value, "model"),
        role=word(value, "role", Role),
        rules=texts(value, "rules"),
        legal_basis=texts(value, "legalBasis"),
        errors=texts(value, "errors"),
        unknown=texts(value, "unknown"),
    )


def _substitution_from(value: Mapping[str, Any]) -> Substitution:
    return Substitution(
        excluded=text(value, "excluded"),
        substitute=text(value, "substitute"),
        role=word(value, "role", Role),
        rules=texts(value, "rules"),
        reason=text(value, "reason"),
    )


def scopes_from(value: Mapping[str, Any]) -> tuple[ScopeRecord, ...]:
    """Member ``scopes``; none in older records."""
    return every(value, "scopes", _scope_from) if "scopes" in value else ()


def _scope_from(value: Mapping[str, Any]) -> ScopeRecord:
    return ScopeRecord(log=text(value, "log"), group=text(value, "group"), codes=texts(value, "codes"))


def _shadow_from(value: Mapping[str, Any]) -> Shadow:
    return Shadow(
        policy=digest(value, "policy"),
        outcome=word(value, "outcome", DecisionOutcome),
        excluded=texts(value, "excluded"),
        rules=texts(value, "rules"),
        refusal=text(value, "refusal"),
    )


def _refusal_from(value: Mapping[str, Any]) -> Refusal:
    return Refusal(code=text(value, "code"), rules=texts(value, "rules"), sentence=text(value, "sentence"))


def _contribution_from(value: Mapping[str, Any]) -> Contribution:
    return Contribution(
        leg=text(value, "leg"),
        role=word(value, "role", Role),
        attempt=integer(value, "attempt"),
        deployment=text(value, "deployment"),
        model=text(value, "model"),
        provider=text(value, "provider"),
        regions=texts(value, "regions"),
        status=word(value, "status", LegStatus),
        used=flag(value, "used"),
        weight=integer(value, "weight"),
        request_commitment=text(value, "requestCommitment"),
        response_commitment=text(value, "responseCommitment"),
        tokens_in=integer(value, "tokensIn"),
        tokens_out=integer(value, "tokensOut"),
        tokens_estimated=flag(value, "tokensEstimated"),
        cost_micro_usd=integer(value, "costMicroUsd"),
        started_us=integer(value, "startedUs"),
        duration_us=integer(value, "durationUs"),
        error=text(value, "error"),
        region_observed=text(value, "regionObserved"),
        residency=text_or_none(value, "residency") or "",
        model_observed=text(value, "modelObserved"),
        upstream_id=text(value, "upstreamId"),
        trigger=text_or_none(value, "trigger") or "",
    )


def _aggregation_from(value: Mapping[str, Any]) -> Aggregation:
    return Aggregation(
        aggregator=text(value, "aggregator"),
        method=text(value, "method"),
        confidence=integer(value, "confidence"),
        answer_leg=text(value, "answerLeg"),
        gate=text(value, "gate"),
        flags=texts(value, "flags"),
        confidence_method=text_or_none(value, "confidenceMethod") or "",
    )
