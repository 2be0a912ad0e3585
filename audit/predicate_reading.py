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
    Plain,
    digest,
    digest_or_none,
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
    Part,
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

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
"""Wider than a UUID, and still safe as the name of a file."""

_DECISION = Plain(DecisionRecord)
_RESULT = Plain(ResultRecord)
_INPUTS = Plain(Inputs, "examples")
_PREFERENCE = Plain(Preference)
_PASSED_OVER = Plain(PassedOver)
_SIGNAL = Plain(SignalRecord)
_EXCLUSION = Plain(Exclusion)
_SUBSTITUTION = Plain(Substitution)
_SCOPE = Plain(ScopeRecord)
_REFUSAL = Plain(Refusal)
_CONTRIBUTION = Plain(Contribution, "residency", "trigger")
_AGGREGATION = Plain(Aggregation, "confidence_method")


def decision_from(value: Mapping[str, Any], prompt_commitment: Sha256Hex) -> DecisionRecord:
    """Decision record of a predicate and its subject; raises ``MalformedError`` (code ``predicate``)."""
    return DecisionRecord(
        **_DECISION(value),
        request_id=request_id(value),
        position=position_from(value),
        anchor=optional(value, "anchor", anchor_from),
        policy=digest(value, "policy"),
        facts=digest(value, "facts"),
        catalogue=digest(value, "catalogue"),
        jurisdictions=texts(value, "jurisdictions"),
        signals=every(value, "signals", _signal_from),
        data_classes=texts(value, "dataClasses"),
        outcome=word(value, "outcome", DecisionOutcome),
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
        **_RESULT(value),
        request_id=request_id(value),
        position=position_from(value),
        decision=digest(value, "decision"),
        outcome=word(value, "outcome", ResultOutcome),
        contributions=every(value, "contributions", _contribution_from),
        aggregation=optional(value, "aggregation", _aggregation_from),
        answer_commitment=answer_commitment,
        passed_over=_passed_over(value),
        kept=texts(value, "kept") if "kept" in value else (),
    )


def _sd_from(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Members ``_sd`` and ``_sd_alg``; neither is in older records."""
    if "_sd" not in value:
        return ()
    found = texts(value, "_sd")
    if not is_committed(value):
        raise MalformedError("expected SHA-256 digests in base64url in `_sd`", code="predicate")
    return found


def is_committed(value: Mapping[str, Any]) -> bool:
    """Whether the texts of ``_sd`` are digests of the kind that ``_sd_alg`` must name."""
    return value.get("_sd_alg") == disclosures.ALGORITHM and all(map(disclosures.is_digest, value["_sd"]))


def request_id(value: Mapping[str, Any]) -> RequestId:
    """Member ``requestId``."""
    found = text(value, "requestId")
    if not REQUEST_ID.fullmatch(found):
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
        **_INPUTS(value),
        packs=texts(value, "packs"),
        user_us_person=None if value.get("userUsPerson") is None else flag(value, "userUsPerson"),
        flowdown=texts(value, "flowdown"),
        needs=texts(value, "needs"),
        max_output_tokens=integer_or_none(value, "maxOutputTokens"),
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
        preference=_preference_from(member(value, "preference", dict)) if "preference" in value else Preference(),
        parts=every(value, "parts", _part_from) if "parts" in value else (),
        reliabilities=digest_or_none(value, "reliabilities"),
    )


def _part_from(value: Mapping[str, Any]) -> Part:
    return Part(task=text(value, "task"), comparable=flag(value, "comparable"))


def _preference_from(value: Mapping[str, Any]) -> Preference:
    return Preference(
        **_PREFERENCE(value),
        ease=integer_or_none(value, "ease"),
        usual_ease=integer_or_none(value, "usualEase"),
    )


def _passed_over(value: Mapping[str, Any]) -> tuple[PassedOver, ...]:
    """Member ``passedOver``; older records have none."""
    return every(value, "passedOver", _passed_over_from) if "passedOver" in value else ()


def _passed_over_from(value: Mapping[str, Any]) -> PassedOver:
    return PassedOver(**_PASSED_OVER(value))


def _signal_from(value: Mapping[str, Any]) -> SignalRecord:
    return SignalRecord(**_SIGNAL(value))


def _leg_from(value: Mapping[str, Any]) -> AdmittedLeg:
    return AdmittedLeg(leg=text(value, "leg"), role=word(value, "role", Role), deployments=texts(value, "deployments"))


def _exclusion_from(value: Mapping[str, Any]) -> Exclusion:
    return Exclusion(
        **_EXCLUSION(value),
        role=word(value, "role", Role),
        rules=texts(value, "rules"),
        legal_basis=texts(value, "legalBasis"),
        errors=texts(value, "errors"),
        unknown=texts(value, "unknown"),
    )


def _substitution_from(value: Mapping[str, Any]) -> Substitution:
    return Substitution(
        **_SUBSTITUTION(value),
        role=word(value, "role", Role),
        rules=texts(value, "rules"),
    )


def scopes_from(value: Mapping[str, Any]) -> tuple[ScopeRecord, ...]:
    """Member ``scopes``; none in older records."""
    return every(value, "scopes", _scope_from) if "scopes" in value else ()


def _scope_from(value: Mapping[str, Any]) -> ScopeRecord:
    return ScopeRecord(**_SCOPE(value), codes=texts(value, "codes"))


def _shadow_from(value: Mapping[str, Any]) -> Shadow:
    return Shadow(
        policy=digest(value, "policy"),
        outcome=word(value, "outcome", DecisionOutcome),
        excluded=texts(value, "excluded"),
        rules=texts(value, "rules"),
        refusal=text(value, "refusal"),
    )


def _refusal_from(value: Mapping[str, Any]) -> Refusal:
    return Refusal(**_REFUSAL(value), rules=texts(value, "rules"))


def _contribution_from(value: Mapping[str, Any]) -> Contribution:
    return Contribution(
        **_CONTRIBUTION(value),
        role=word(value, "role", Role),
        regions=texts(value, "regions"),
        status=word(value, "status", LegStatus),
        residency=text_or_none(value, "residency") or "",
        trigger=text_or_none(value, "trigger") or "",
    )


def _aggregation_from(value: Mapping[str, Any]) -> Aggregation:
    return Aggregation(
        **_AGGREGATION(value),
        flags=texts(value, "flags"),
        confidence_method=text(value, "confidenceMethod") if "confidenceMethod" in value else "",
    )
