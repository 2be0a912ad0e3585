"""A rule as a value: its annotations, and what can be read off its JSON form without evaluating it.

``required`` and the date window come from conjuncts at the top of the ``when`` clauses, so a rule cannot fire where one of
them does not hold; ``policies.slicing`` rests on this. Spec: Cedar JSON policy format (EST). Refuses nothing: see ``policies.lint``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from policies.decision import RuleText

Node = Mapping[str, Any]

DISCLAIMER = "example, not legal advice"
BASE_PACK = "corporate"
"""Packs of this name, or starting with it and a hyphen, hold the base permits; the others forbid or attach obligations."""

REQUIRED = ("id", "title", "legal_basis", "reason", "source")
OPTIONAL = (
    "authority",
    "status",
    "effective_from",
    "effective_until",
    "obligation",
    "jurisdiction",
    "checked_on",
    "confidence",
    "object",
    "disclaimer",
)


class Status(StrEnum):
    """Standing of a rule's legal basis. See ``NEVER_DECIDES``."""

    COMPANY = "company"
    IN_FORCE = "in_force"
    ADVISORY = "advisory"
    SUSPENDED = "suspended"
    CONTESTED = "contested"
    LIFTED = "lifted"
    FUTURE = "future"
    DRAFT = "draft"
    RESCINDED = "rescinded"
    """Withdrawn before it applied."""


NEVER_DECIDES = frozenset({Status.DRAFT, Status.RESCINDED})
"""Never law on any day: such a rule is checked with its pack, is shown to people, and fires for nobody."""


class Effect(StrEnum):
    """What a rule that fires does."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a pack.

    ``body`` is its JSON form. ``since`` and ``until`` bound the instants at which it can fire (half-open; None: open).
    ``required``: jurisdictions that must all apply. ``reads``: attributes of the deployment; ``context_reads``: of the
    request. ``names``: every entity that it mentions, as (type, id).
    """

    id: str
    pack: str
    file: str
    line: int
    effect: Effect
    status: Status
    annotations: Mapping[str, str]
    body: Node = field(repr=False)
    since: datetime | None
    until: datetime | None
    required: frozenset[str]
    reads: frozenset[str]
    context_reads: frozenset[str]
    names: frozenset[tuple[str, str]]

    @property
    def obligations(self) -> tuple[str, ...]:
        """What must be done if this rule fires, sorted; empty for rules that only permit or forbid."""
        return tuple(sorted(self.annotations.get("obligation", "").split()))

    @property
    def base_permit(self) -> bool:
        """True for the rules that can make a verdict a permit."""
        return self.effect is Effect.PERMIT and "obligation" not in self.annotations

    def text(self) -> RuleText:
        """What a person is told about it."""
        told = self.annotations
        return RuleText(
            id=self.id,
            pack=self.pack,
            title=told.get("title", ""),
            legal_basis=told.get("legal_basis", ""),
            reason=told.get("reason", ""),
            source=told.get("source", ""),
            status=self.status.value,
            disclaimer=told.get("disclaimer", DISCLAIMER),
            effect=self.effect.value,
            obligations=self.obligations,
            effective_from=told.get("effective_from", ""),
            effective_until=told.get("effective_until", ""),
            checked_on=told.get("checked_on", ""),
        )


def of(body: Node, *, pack: str, file: str, line: int) -> Rule:
    """Rule of one JSON form. An unknown ``@status`` reads as company; the lint reports it."""
    annotations = {str(k): "" if v is None else str(v) for k, v in (body.get("annotations") or {}).items()}
    conjuncts = tuple(when_conjuncts(body))
    since = [at for at in map(lower_bound, conjuncts) if at is not None]
    until = [at for at in map(upper_bound, conjuncts) if at is not None]
    status = annotations.get("status", Status.COMPANY.value)
    return Rule(
        id=annotations.get("id", ""),
        pack=pack,
        file=file,
        line=line,
        effect=Effect(body["effect"]),
        status=Status(status) if status in {s.value for s in Status} else Status.COMPANY,
        annotations=annotations,
        body=body,
        since=max(since, default=None),
        until=min(until, default=None),
        required=frozenset(code for code in map(required_jurisdiction, conjuncts) if code is not None),
        reads=frozenset(attributes(body, "resource")),
        context_reads=frozenset(attributes(body, "context")),
        names=frozenset(names(body)),
    )


def walk(node: Any) -> Iterator[Node]:
    """Every object inside a JSON form, itself first."""
    waiting = [node]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)


def names(body: Node) -> Iterator[tuple[str, str]]:
    """Every entity that a form mentions, in its scope or its conditions."""
    for node in walk(body):
        if node.keys() == {"type", "id"} and isinstance(node["type"], str) and isinstance(node["id"], str):
            yield node["type"], node["id"]


def attributes(body: Node, variable: str) -> Iterator[str]:
    """Attributes that a form reads, or asks for, of ``resource`` or ``context``."""
    for node in walk(body):
        for operator in (".", "has"):
            operand = node.get(operator)
            if isinstance(operand, Mapping) and operand.get("left") == {"Var": variable}:
                yield str(operand["attr"])


def when_conjuncts(body: Node) -> Iterator[Node]:
    """The conditions that must all hold for the rule to fire: ``when`` bodies, split at ``&&``."""
    for condition in body.get("conditions", ()):
        if condition["kind"] == "when":
            yield from split(condition["body"])


def split(node: Node) -> Iterator[Node]:
    """Operands of a conjunction, or the node itself."""
    if "&&" in node:
        yield from split(node["&&"]["left"])
        yield from split(node["&&"]["right"])
    else:
        yield node


_NOW = {".": {"left": {"Var": "context"}, "attr": "now"}}
_JURISDICTIONS = {".": {"left": {"Var": "context"}, "attr": "jurisdictions"}}


def lower_bound(node: Node) -> datetime | None:
    """Instant T of ``context.now >= datetime("T")``."""
    return _bound(node, ">=")


def upper_bound(node: Node) -> datetime | None:
    """Instant T of ``context.now < datetime("T")``."""
    return _bound(node, "<")


def _bound(node: Node, operator: str) -> datetime | None:
    operands = node.get(operator)
    if not isinstance(operands, Mapping) or operands.get("left") != _NOW:
        return None
    return literal_instant(operands.get("right"))


def literal_instant(node: Any) -> datetime | None:
    """Instant of ``datetime("…")`` with a literal text, or None."""
    if not isinstance(node, Mapping) or node.keys() != {"datetime"}:
        return None
    arguments = node["datetime"]
    text = arguments[0].get("Value") if len(arguments) == 1 and isinstance(arguments[0], Mapping) else None
    return instant(text) if isinstance(text, str) else None


def instant(text: str) -> datetime | None:
    """Instant of a Cedar date or date-time text, or None; a date is its first instant, UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def required_jurisdiction(node: Node) -> str | None:
    """Code of ``context.jurisdictions.contains(Jurisdiction::"code")``, or None."""
    operands = node.get("contains")
    if not isinstance(operands, Mapping) or operands.get("left") != _JURISDICTIONS:
        return None
    value = operands["right"].get("Value") if isinstance(operands.get("right"), Mapping) else None
    entity = value.get("__entity") if isinstance(value, Mapping) else None
    if isinstance(entity, Mapping) and entity.get("type") == "Jurisdiction":
        return str(entity["id"])
    return None
