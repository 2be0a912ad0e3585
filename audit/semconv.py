"""Every attribute that a span, event or resource of ours may carry, in one table, and the only way to set one.

``gen_ai.*`` follows the OpenTelemetry semantic conventions for generative AI as they stood in mid 2026 (stability:
Development; no release, no schema URL), ``http.*`` and ``error.type`` the stable core. The rest is ours and begins with
``apostille.``. Refuses names outside the table, a name on the wrong place, another type, and everything that the table
marks as content. There is no free-text attribute: text that is no identifier is replaced by its digest.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from types import MappingProxyType

from audit.vocabulary import DecisionOutcome, LegStatus, ResultOutcome, Role, Verdict

Value = str | int | bool | tuple[str, ...]
Attributes = tuple[tuple[str, Value], ...]
"""Checked names and values, in the order of their names. Made by ``attributes`` only."""

MAX_INT = 2**63 - 1
_IDENTIFIER = re.compile(r"[!-~]{1,256}", re.ASCII)


class Place(StrEnum):
    """Where an attribute may stand."""

    RESOURCE = "resource"
    SERVER = "request span"
    DECIDE = "apostille.policy.decide span"
    WORKFLOW = "invoke_workflow span"
    CHAT = "chat span"
    EXCLUDED = "apostille.candidate.excluded event"
    SUBSTITUTION = "apostille.substitution event"


class ValueType(StrEnum):
    """Types of attribute values; OTLP knows more."""

    STRING = "string"
    INT = "int"
    BOOL = "bool"
    STRINGS = "string[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A row of the table. ``values``: the only ones allowed, if any. ``content``: known, and never emitted."""

    name: str
    type: ValueType
    places: frozenset[Place]
    note: str
    values: frozenset[str] = frozenset()
    content: bool = False


_SPANS = (Place.SERVER, Place.DECIDE, Place.WORKFLOW, Place.CHAT)
_EVENTS = (Place.EXCLUDED, Place.SUBSTITUTION)


def _row(
    name: str, kind: ValueType, *places: Place, note: str, values: type[StrEnum] | None = None, content: bool = False
) -> Attribute:
    words = frozenset(word.value for word in values) if values else frozenset[str]()
    return Attribute(name=name, type=kind, places=frozenset(places), note=note, values=words, content=content)


class _Operation(StrEnum):
    CHAT = "chat"
    INVOKE_WORKFLOW = "invoke_workflow"


_S, _I, _B, _L = ValueType.STRING, ValueType.INT, ValueType.BOOL, ValueType.STRINGS

_ROWS = (
    # Conventions: resource, HTTP, errors
    _row("service.name", _S, Place.RESOURCE, note="`apostille`"),
    _row("http.request.method", _S, Place.SERVER, note="of the API family's route"),
    _row("http.route", _S, Place.SERVER, note="of the API family"),
    _row("http.response.status_code", _I, Place.SERVER, note="absent where nothing was answered"),
    _row("error.type", _S, Place.SERVER, Place.CHAT, note="permanent error code; on failures only"),
    # Conventions: generative AI
    _row("gen_ai.operation.name", _S, Place.WORKFLOW, Place.CHAT, note="kind of operation", values=_Operation),
    _row("gen_ai.workflow.name", _S, Place.WORKFLOW, note="aggregator of the composite"),
    _row("gen_ai.provider.name", _S, Place.CHAT, note="the convention's name for the provider"),
    _row("gen_ai.request.model", _S, Place.CHAT, note="model of the deployment that was called"),
    _row("gen_ai.response.model", _S, Place.CHAT, note="model that the provider reported"),
    _row("gen_ai.response.id", _S, Place.CHAT, note="id that the provider reported"),
    _row("gen_ai.usage.input_tokens", _I, Place.CHAT, note="tokens sent"),
    _row("gen_ai.usage.output_tokens", _I, Place.CHAT, note="tokens received"),
    # Evidence: what joins a span to the log
    _row("apostille.request.id", _S, *_SPANS, note="record id: what `apostille verify` takes"),
    _row("apostille.ledger.entry.id", _I, *_SPANS, note="index in the log of the record this span was built from"),
    _row("apostille.ledger.entry.hash", _S, *_SPANS, note="SHA-256 of that record's PAE"),
    _row("apostille.receipt.key.id", _S, *_SPANS, note="id of the key that signed it"),
    _row("apostille.instance.id", _S, Place.SERVER, note="process that served the request"),
    # Request
    _row("apostille.tenant.id", _S, Place.SERVER, note="as in the record; choose ids that name nobody"),
    _row("apostille.api", _S, Place.SERVER, note="API family"),
    _row("apostille.model.requested", _S, Place.SERVER, note="name that the client sent"),
    _row("apostille.stream", _B, Place.SERVER, note="the client asked for a stream"),
    _row("apostille.task", _S, Place.SERVER, note="task class"),
    _row("apostille.task.confidence", _I, Place.SERVER, note="millionths"),
    _row("apostille.composite", _B, Place.SERVER, note="planned with an aggregator other than `single`"),
    _row("apostille.result.outcome", _S, Place.SERVER, note="how it ended", values=ResultOutcome),
    _row("apostille.refusal.code", _S, Place.SERVER, note="permanent code; on refusals only"),
    # Policy
    _row("apostille.decision.outcome", _S, Place.SERVER, Place.DECIDE, note="of the plan", values=DecisionOutcome),
    _row("apostille.policy.bundle.hash", _S, Place.DECIDE, note="digest of the policy set"),
    _row("apostille.facts.hash", _S, Place.DECIDE, note="digest of the facts"),
    _row("apostille.catalogue.hash", _S, Place.DECIDE, note="digest of the catalogue"),
    _row("apostille.decision.rules", _L, Place.DECIDE, note="ids of the rules that excluded or refused"),
    _row("apostille.decision.obligations", _L, Place.DECIDE, note="what must be done"),
    _row("apostille.jurisdiction.codes", _L, Place.SERVER, Place.DECIDE, note="all that apply"),
    _row("apostille.jurisdiction.sources", _L, Place.DECIDE, note="signals that counted, e.g. `key:DE`"),
    _row("apostille.jurisdiction.conflict", _B, Place.DECIDE, note="signals disagreed"),
    _row("apostille.data.classes", _L, Place.DECIDE, note="labels, never the data"),
    _row("apostille.purpose", _S, Place.DECIDE, note="declared purpose"),
    _row("apostille.candidates.considered", _I, Place.DECIDE, note="deployments admitted or excluded"),
    _row("apostille.candidates.excluded", _I, Place.DECIDE, note="deployments excluded"),
    _row("apostille.rule.ids", _L, *_EVENTS, note="rules that forbade it"),
    _row("apostille.rule.object", _S, Place.EXCLUDED, note="excluded deployment"),
    _row("apostille.rule.errors", _L, Place.EXCLUDED, note="rules that could not be evaluated, which denies"),
    _row("apostille.facts.unknown", _L, Place.EXCLUDED, note="facts missing or expired, which denies"),
    _row("apostille.model.id", _S, Place.EXCLUDED, note="model of the excluded deployment"),
    _row("apostille.substitution.from", _S, Place.SUBSTITUTION, note="excluded deployment"),
    _row("apostille.substitution.to", _S, Place.SUBSTITUTION, note="deployment that stands in"),
    _row("apostille.substitution.reason", _S, Place.SUBSTITUTION, note="how it was found"),
    # Legs
    _row("apostille.leg", _S, Place.CHAT, note="leg of the plan"),
    _row("apostille.contribution.role", _S, Place.CHAT, *_EVENTS, note="what the leg is for", values=Role),
    _row("apostille.contribution.used", _B, Place.CHAT, note="its text is in the answer, or its vote counted"),
    _row("apostille.contribution.weight", _I, Place.CHAT, note="millionths"),
    _row("apostille.attempt.index", _I, Place.CHAT, note="attempts of one leg are siblings"),
    _row("apostille.attempt.status", _S, Place.CHAT, note="how the attempt ended", values=LegStatus),
    _row("apostille.decision.verdict", _S, Place.CHAT, note="`permit` if the decision admits it", values=Verdict),
    _row("apostille.deployment.id", _S, Place.CHAT, note="where the model was called"),
    _row("apostille.vendor.id", _S, Place.CHAT, note="provider as in the catalogue"),
    _row("apostille.region.declared", _L, Place.CHAT, note="processing regions in the catalogue"),
    _row("apostille.region.observed", _S, Place.CHAT, note="what the provider reported; absent if nothing"),
    _row("apostille.residency.verified", _B, Place.CHAT, note="the observed region is a declared one"),
    _row("apostille.usage.estimated", _B, Place.CHAT, note="token counts are ours, not the provider's"),
    _row("apostille.cost.micro_usd", _I, Place.CHAT, note="list price, micro-dollars"),
    # Composite answers
    _row("apostille.aggregation.method", _S, Place.WORKFLOW, note="how the answer came about"),
    _row("apostille.aggregation.confidence", _I, Place.WORKFLOW, note="millionths"),
    _row("apostille.aggregation.gate", _S, Place.WORKFLOW, note="what the gate decided"),
    _row("apostille.aggregation.answer_leg", _S, Place.WORKFLOW, note="leg whose text was sent"),
    _row("apostille.aggregation.flags", _L, Place.WORKFLOW, note="what a reader should know"),
    # Content: known to the convention, named here so that it is refused by name
    _row("gen_ai.input.messages", _S, note="prompt", content=True),
    _row("gen_ai.output.messages", _S, note="answer", content=True),
    _row("gen_ai.system_instructions", _S, note="system prompt", content=True),
    _row("gen_ai.tool.definitions", _S, note="tools", content=True),
)

TABLE: Mapping[str, Attribute] = MappingProxyType({row.name: row for row in _ROWS})

_ALLOWED = {place: {row.name: row for row in _ROWS if place in row.places and not row.content} for place in Place}


def attributes(place: Place, values: Mapping[str, Value | None]) -> Attributes:
    """Checked attributes of one place; None, and an empty text or list, mean: not known, so not said.

    Raises ``ValueError`` for a name outside the table or its place, content, another type or another word: all of them
    are defects of the caller, and a test must find them.
    """
    check = _CHECKED[place]
    try:
        found = [
            check(name, value)
            for name, value in values.items()
            if value or not (value is None or value == "" or value == ())
        ]
    except TypeError as cause:  # it has no hash, so it is of none of the types
        raise ValueError(f"expected values of the table's types on a {place.value}, got another") from cause
    found.sort()
    return tuple(found)


def _pair(place: Place, allowed: Mapping[str, Attribute], name: str, value: Value) -> tuple[str, Value]:
    row = allowed.get(name)
    if row is None:
        raise ValueError(f"expected an attribute that the table allows on a {place.value}, got `{name}`")
    return name, _checked(row, value)


def _checked(row: Attribute, value: Value) -> Value:
    match row.type:
        case ValueType.STRING if isinstance(value, str):
            if row.values and value not in row.values:
                raise ValueError(f"expected a word of `{row.name}`, got another")
            return identifier(value)
        case ValueType.INT if type(value) is int and -MAX_INT <= value <= MAX_INT:
            return value
        case ValueType.BOOL if type(value) is bool:
            return value
        case ValueType.STRINGS if isinstance(value, tuple):
            return tuple([identifier(each) for each in value])
        case _:
            raise ValueError(f"expected {row.type.value} for `{row.name}`, got {type(value).__name__}")


@lru_cache(maxsize=4096)  # the same few names come in every span
def identifier(text: str) -> str:
    """The text if it is printable ASCII without spaces, at most 256 long; otherwise ``sha256:`` and 16 digits of it.

    Some names in a record come from clients; nobody can smuggle a sentence into a trace through them.
    """
    if _IDENTIFIER.fullmatch(text):
        return str(text)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


# Most pairs come again in every span; typed, as True is 1 to Python.
_CHECKED = {
    place: lru_cache(maxsize=256, typed=True)(partial(_pair, place, allowed)) for place, allowed in _ALLOWED.items()
}
