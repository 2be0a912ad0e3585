"""The Cedar engine: the only module that knows ``cedarpy``.

Handles are immutable and reused; no policy text is built per request. Cedar skips a rule whose evaluation errs, so an
``Outcome`` carries the diagnostics and the caller must deny on any of them (Cedar language guide, "Authorization").
Refuses templates, and texts that hold other than one rule where one is asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cedarpy

Json = Mapping[str, Any]

_PRINCIPAL = {"type": "Tenant", "id": "any"}
"""Rules cannot name a tenant (the lint refuses it): a tenant's profile names its packs instead."""

_NO_RULES = cedarpy.PolicySet.from_str("")
_NO_ENTITIES = cedarpy.Entities.from_json_str("[]")


class CedarError(Exception):
    """The engine refuses a text or a value; the message is the engine's own, which names no line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the engine says to one request. ``allowed`` counts only where ``errors`` is empty.

    ``reasons``: ids of the rules that determined it. ``errors``: ids of rules that erred, or the engine's message where
    it names none.
    """

    allowed: bool
    reasons: tuple[str, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """A parsed schema."""

    handle: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rules:
    """A parsed set of rules, keyed by their own ids."""

    handle: Any = field(repr=False)
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Entities:
    """A parsed set of entities."""

    handle: Any = field(repr=False)


def parse_schema(text: str) -> Schema:
    """Schema from Cedar's own syntax; raises ``CedarError``."""
    try:
        return Schema(cedarpy.Schema.from_str(text))
    except ValueError as cause:
        raise CedarError(str(cause)) from None


def parse_rule(text: str) -> dict[str, Any]:
    """JSON form (EST) of a text that holds exactly one static rule; raises ``CedarError``."""
    try:
        found = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as cause:
        raise CedarError(str(cause)) from None
    rules = list(found["staticPolicies"].values())
    if found["templates"] or len(rules) != 1:
        raise CedarError(f"expected one rule without slots, got {len(rules)} and {len(found['templates'])} templates")
    return dict(rules[0])


def count_rules(text: str) -> int:
    """Number of rules and templates in a text, as the engine reads it; raises ``CedarError``."""
    try:
        found = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as cause:
        raise CedarError(str(cause)) from None
    return len(found["staticPolicies"]) + len(found["templates"])


def validate(text: str, schema: Schema) -> tuple[str, ...]:
    """Messages of the strict validator; empty if the text fits the schema."""
    result = cedarpy.validate_policies(text, schema.handle)
    messages = tuple(str(error.error) for error in result.errors)
    if not result.validation_passed and not messages:
        return ("does not fit the schema",)
    return messages


def compile_rules(rules: Mapping[str, Json]) -> Rules:
    """Handle of rules in JSON form, keyed by id: positional ids would make decisions name the wrong rule.

    Annotations are left out: the engine does not use them, and parsing them takes time.
    """
    bare = {i: {key: part for key, part in rule.items() if key != "annotations"} for i, rule in rules.items()}
    document = {"staticPolicies": bare, "templates": {}, "templateLinks": []}
    try:
        return Rules(cedarpy.PolicySet.from_json_str(json.dumps(document)), frozenset(rules))
    except ValueError as cause:
        raise CedarError(str(cause)) from None


def compile_entities(entities: Sequence[Json], schema: Schema) -> Entities:
    """Handle of entities, validated; raises ``CedarError``."""
    try:
        return Entities(cedarpy.Entities.from_json_str(json.dumps(entities), schema.handle))
    except ValueError as cause:
        raise CedarError(str(cause)) from None


def misfit(context: str, schema: Schema) -> tuple[str, ...]:
    """What keeps a context (JSON text) from fitting the schema, as ``Outcome.errors``; empty if it fits."""
    (found,) = cedarpy.is_authorized_batch([_request("invoke", "any", context)], _NO_RULES, _NO_ENTITIES, schema.handle)
    return _outcome(found, frozenset()).errors


def evaluate(
    asked: Sequence[tuple[str, str]], *, context: str, rules: Rules, entities: Entities
) -> tuple[Outcome, ...]:
    """One authorization for each (action, deployment), in order, all in one ``context``, which is JSON text.

    The context may lack what no rule reads; a rule that reads what is not there errs. Never raises for what a rule does:
    see ``Outcome.errors``.
    """
    requests = [_request(action, deployment, context) for action, deployment in asked]
    found = cedarpy.is_authorized_batch(requests, rules.handle, entities.handle)
    return tuple(_outcome(result, rules.ids) for result in found)


def _request(action: str, deployment: str, context: str) -> dict[str, Any]:
    return {
        "principal": _PRINCIPAL,
        "action": {"type": "Action", "id": action},
        "resource": {"type": "Deployment", "id": deployment},
        "context": context,
    }


def _outcome(result: cedarpy.AuthzResult, ids: frozenset[str]) -> Outcome:
    errors = _blamed(tuple(str(e) for e in result.diagnostics.errors), ids)
    if result.decision is cedarpy.Decision.NoDecision and not errors:
        errors = ("no-decision",)
    return Outcome(
        allowed=result.decision is cedarpy.Decision.Allow,
        reasons=tuple(sorted(str(r) for r in result.diagnostics.reasons)),
        errors=errors,
    )


def _blamed(messages: tuple[str, ...], ids: frozenset[str]) -> tuple[str, ...]:
    """Ids of the rules that the engine's messages name in backticks; ``engine`` for a message that names none."""
    named: set[str] = set()
    for message in messages:
        found = {identifier for identifier in ids if f"`{identifier}`" in message}
        named |= found or {"engine"}
    return tuple(sorted(named))
