"""The way back of ``audit.predicates``: JSON objects to the values of a request's two records.

Unknown members are ignored (in-toto Attestation v1, "Parsing rules"); a missing one, another type, or a word that is
not in the vocabulary is a ``MalformedError`` (code ``predicate``) that names the member and never its value.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from audit.errors import MalformedError
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
    Position,
    Refusal,
    ResultRecord,
    Shadow,
    SignalRecord,
    Substitution,
)
from audit.vocabulary import DecisionOutcome, LegStatus, RequestId, ResultOutcome, Role, Sha256Hex

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
"""Wider than a UUID, and still safe as the name of a file."""


def decision_from(value: Mapping[str, Any], prompt_commitment: Sha256Hex) -> DecisionRecord:
    """Decision record of a predicate and its subject; raises ``MalformedError`` (code ``predicate``)."""
    return DecisionRecord(
        request_id=request_id(value),
        position=position_from(value),
        at=_text(value, "at"),
        anchor=_optional(value, "anchor", anchor_from),
        tenant=_text(value, "tenant"),
        api=_text(value, "api"),
        model_requested=_text(value, "modelRequested"),
        stream=_flag(value, "stream"),
        task=_text(value, "task"),
        task_confidence=_integer(value, "taskConfidence"),
        router=_text(value, "router"),
        policy=_digest(value, "policy"),
        facts=_digest(value, "facts"),
        catalogue=_digest(value, "catalogue"),
        jurisdictions=_texts(value, "jurisdictions"),
        signals=_all(value, "signals", _signal_from),
        conflict=_flag(value, "conflict"),
        data_classes=_texts(value, "dataClasses"),
        purpose=_text(value, "purpose"),
        outcome=_word(value, "outcome", DecisionOutcome),
        aggregator=_text(value, "aggregator"),
        legs=_all(value, "legs", _leg_from),
        excluded=_all(value, "excluded", _exclusion_from),
        substituted=_all(value, "substituted", _substitution_from),
        obligations=_texts(value, "obligations"),
        parameters_digest=_digest(value, "parametersDigest"),
        prompt_commitment=prompt_commitment,
        max_cost_micro_usd=_integer_or_none(value, "maxCostMicroUsd"),
        refusal=_optional(value, "refusal", _refusal_from),
        inputs=_optional(value, "inputs", inputs_from),
        shadow=_optional(value, "shadow", _shadow_from),
    )


def result_from(value: Mapping[str, Any], answer_commitment: Sha256Hex) -> ResultRecord:
    """Result record of a predicate and its subject; raises ``MalformedError`` (code ``predicate``)."""
    return ResultRecord(
        request_id=request_id(value),
        position=position_from(value),
        at=_text(value, "at"),
        decision=_digest(value, "decision"),
        outcome=_word(value, "outcome", ResultOutcome),
        http_status=_integer(value, "httpStatus"),
        contributions=_all(value, "contributions", _contribution_from),
        aggregation=_optional(value, "aggregation", _aggregation_from),
        answer_commitment=answer_commitment,
        answer_bytes=_integer(value, "answerBytes"),
        error=_text(value, "error"),
    )


def request_id(value: Mapping[str, Any]) -> RequestId:
    """Member ``requestId``."""
    found = _text(value, "requestId")
    if not _REQUEST_ID.fullmatch(found):
        raise MalformedError("expected `requestId` of letters, digits, `.`, `_`, `-`", code="predicate")
    return RequestId(found)


def position_from(value: Mapping[str, Any]) -> Position:
    """Member ``instance``."""
    inner = _member(value, "instance", dict)
    return Position(instance=_text(inner, "id"), epoch=_text(inner, "epoch"), seq=_integer(inner, "seq"))


def anchor_from(value: Mapping[str, Any]) -> Anchor:
    """Anchor of its JSON object."""
    return Anchor(origin=_text(value, "origin"), size=_integer(value, "size"), root=_digest(value, "root"))


def inputs_from(value: Mapping[str, Any]) -> Inputs:
    """Member ``inputs``."""
    chosen = _member(value, "composition", dict)
    bounds = _member(value, "bounds", dict)
    return Inputs(
        packs=_texts(value, "packs"),
        human_oversight=_flag(value, "humanOversight"),
        user_us_person=None if value.get("userUsPerson") is None else _flag(value, "userUsPerson"),
        flowdown=_texts(value, "flowdown"),
        audience=_text(value, "audience"),
        on_restricted=_text(value, "onRestricted"),
        on_outage=_text(value, "onOutage"),
        on_provider_refusal=_text(value, "onProviderRefusal"),
        needs=_texts(value, "needs"),
        prompt_tokens=_integer(value, "promptTokens"),
        max_output_tokens=_integer_or_none(value, "maxOutputTokens"),
        comparable=_flag(value, "comparable"),
        suspended=_texts(value, "suspended"),
        bounds=Bounds(
            min_quality=_integer_or_none(bounds, "minQuality"),
            max_price=_integer_or_none(bounds, "maxPrice"),
            max_latency=_integer_or_none(bounds, "maxLatency"),
        ),
        composition=Composition(
            mode=_text_or_none(chosen, "mode"),
            panel=_texts(chosen, "panel"),
            aggregator=_text_or_none(chosen, "aggregator"),
            min_panel=_integer_or_none(chosen, "minPanel"),
            threshold=_integer_or_none(chosen, "threshold"),
        ),
    )


def _signal_from(value: Mapping[str, Any]) -> SignalRecord:
    return SignalRecord(
        source=_text(value, "source"), code=_text(value, "code"), used=_flag(value, "used"), why=_text(value, "why")
    )


def _leg_from(value: Mapping[str, Any]) -> AdmittedLeg:
    return AdmittedLeg(
        leg=_text(value, "leg"), role=_word(value, "role", Role), deployments=_texts(value, "deployments")
    )


def _exclusion_from(value: Mapping[str, Any]) -> Exclusion:
    return Exclusion(
        deployment=_text(value, "deployment"),
        model=_text(value, "model"),
        role=_word(value, "role", Role),
        rules=_texts(value, "rules"),
        legal_basis=_texts(value, "legalBasis"),
        errors=_texts(value, "errors"),
        unknown=_texts(value, "unknown"),
    )


def _substitution_from(value: Mapping[str, Any]) -> Substitution:
    return Substitution(
        excluded=_text(value, "excluded"),
        substitute=_text(value, "substitute"),
        role=_word(value, "role", Role),
        rules=_texts(value, "rules"),
        reason=_text(value, "reason"),
    )


def _shadow_from(value: Mapping[str, Any]) -> Shadow:
    return Shadow(
        policy=_digest(value, "policy"),
        outcome=_word(value, "outcome", DecisionOutcome),
        excluded=_texts(value, "excluded"),
        rules=_texts(value, "rules"),
        refusal=_text(value, "refusal"),
    )


def _refusal_from(value: Mapping[str, Any]) -> Refusal:
    return Refusal(code=_text(value, "code"), rules=_texts(value, "rules"), sentence=_text(value, "sentence"))


def _contribution_from(value: Mapping[str, Any]) -> Contribution:
    return Contribution(
        leg=_text(value, "leg"),
        role=_word(value, "role", Role),
        attempt=_integer(value, "attempt"),
        deployment=_text(value, "deployment"),
        model=_text(value, "model"),
        provider=_text(value, "provider"),
        regions=_texts(value, "regions"),
        status=_word(value, "status", LegStatus),
        used=_flag(value, "used"),
        weight=_integer(value, "weight"),
        request_commitment=_text(value, "requestCommitment"),
        response_commitment=_text(value, "responseCommitment"),
        tokens_in=_integer(value, "tokensIn"),
        tokens_out=_integer(value, "tokensOut"),
        tokens_estimated=_flag(value, "tokensEstimated"),
        cost_micro_usd=_integer(value, "costMicroUsd"),
        started_us=_integer(value, "startedUs"),
        duration_us=_integer(value, "durationUs"),
        error=_text(value, "error"),
        region_observed=_text(value, "regionObserved"),
        residency=_text_or_none(value, "residency") or "",
        model_observed=_text(value, "modelObserved"),
        upstream_id=_text(value, "upstreamId"),
    )


def _aggregation_from(value: Mapping[str, Any]) -> Aggregation:
    return Aggregation(
        aggregator=_text(value, "aggregator"),
        method=_text(value, "method"),
        confidence=_integer(value, "confidence"),
        answer_leg=_text(value, "answerLeg"),
        gate=_text(value, "gate"),
        flags=_texts(value, "flags"),
    )


# --- members ----------------------------------------------------------------------------------------------------------


def _member(value: Mapping[str, Any], key: str, kind: type[T]) -> T:
    found = value.get(key)
    if type(found) is not kind:  # exact, because a boolean is an integer to Python
        raise MalformedError(f"expected `{key}` as {_NAMES[kind]} in the predicate", code="predicate")
    return found


_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


def _text(value: Mapping[str, Any], key: str) -> str:
    return _member(value, key, str)


def _integer(value: Mapping[str, Any], key: str) -> int:
    return _member(value, key, int)


def _text_or_none(value: Mapping[str, Any], key: str) -> str | None:
    return None if value.get(key) is None else _text(value, key)


def _integer_or_none(value: Mapping[str, Any], key: str) -> int | None:
    return None if value.get(key) is None else _integer(value, key)


def _flag(value: Mapping[str, Any], key: str) -> bool:
    return _member(value, key, bool)


def _digest(value: Mapping[str, Any], key: str) -> Sha256Hex:
    return digest_of(_member(value, key, str))


def digest_of(text: object) -> Sha256Hex:
    """A digest in hexadecimal; raises ``MalformedError``."""
    if not isinstance(text, str) or not _DIGEST.fullmatch(text):
        raise MalformedError("expected 64 lower-case hexadecimal digits", code="predicate")
    return Sha256Hex(text)


def _texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found: list[Any] = _member(value, key, list)
    for item in found:
        if type(item) is not str:
            raise MalformedError(f"expected only strings in `{key}`", code="predicate")
    return tuple(found)


def _word(value: Mapping[str, Any], key: str, words: type[E]) -> E:
    found = _member(value, key, str)
    try:
        return words(found)
    except ValueError as cause:
        raise MalformedError(f"expected a known word in `{key}`", code="predicate") from cause


def _all(value: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    found: list[Any] = _member(value, key, list)
    for item in found:
        if type(item) is not dict:
            raise MalformedError(f"expected only objects in `{key}`", code="predicate")
    return tuple(read(item) for item in found)


def _optional(value: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> T | None:
    if value.get(key) is None:
        return None
    return read(_member(value, key, dict))
