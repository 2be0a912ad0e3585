"""What of a rule is settled before the engine is asked: its dates, and the names that it asks a request to have.

1. A rule whose ``when`` has a conjunct that does not hold cannot fire: it is left out.
2. Where those conjuncts hold they are dropped: ``true && x`` is ``x``. What is left often reads nothing of the request, whose
   names the engine would parse anew for every deployment.
3. Of a set of names that what is left only asks for members, the engine is given those that are asked for: the others cannot matter.
4. A rule that could err is neither left out nor changed: its error denies, and must stay.

Pure. Spec: Cedar JSON policy format (EST). Refuses nothing: see ``policies.lint``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from policies import rules
from policies.rules import Node, Rule

NAMED = {
    "jurisdictions": "Jurisdiction",
    "dataClasses": "DataClass",
    "purpose": "Purpose",
    "flowdown": "Clause",
    "audience": "Audience",
}
"""Attributes of the context that hold names, with the type of the entities that are named."""

_ONE = frozenset({"purpose", "audience"})
"""Those that hold exactly one name: of the others, ``==`` compares whole sets and asks for more than one name to be there."""

Ask = tuple[str, frozenset[str]]
"""An attribute of the context, and the names of which it must hold one."""

Has = Mapping[str, frozenset[str]]
"""The names that a request has, for every attribute in ``NAMED``."""

SETS = frozenset({"jurisdictions", "dataClasses", "flowdown"})
"""Attributes of the context that are sets of names."""

_MEMBERSHIP = ("contains", "containsAny", "containsAll")

_CAN_ERR = frozenset({"+", "-", "*", "neg", "offset", "durationSince", "toDate", "toTime"})
"""Operators that can overflow; the validator refuses whatever else could err."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One rule's part in slices. ``body``: what is left to evaluate; ``reads``: attributes of the context in it.

    ``members``: for every set that it reads, the names that it asks for, or None where it uses the set in another way.
    """

    rule: Rule
    since: datetime | None
    until: datetime | None
    asks: tuple[Ask, ...]
    body: Node = field(repr=False)
    reads: frozenset[str]
    members: Mapping[str, frozenset[str] | None] = field(default_factory=dict)

    def can_fire(self, has: Has, now: datetime) -> bool:
        """False if the instant, or what the request has, rules it out."""
        if (self.since is not None and now < self.since) or (self.until is not None and now >= self.until):
            return False
        return all(not names.isdisjoint(has[attribute]) for attribute, names in self.asks)


def whole(rule: Rule) -> Part:
    """A part that is never left out, with the rule as it was written."""
    return Part(
        rule=rule,
        since=None,
        until=None,
        asks=(),
        body=rule.body,
        reads=rule.context_reads,
        members=dict.fromkeys(rule.context_reads & SETS),
    )


def part(rule: Rule) -> Part:
    """A part with everything settled that can be."""
    if any(_CAN_ERR & node.keys() for node in rules.walk(rule.body)):
        return whole(rule)
    body = {**rule.body, "conditions": list(_left(rule.body.get("conditions", ())))}
    return Part(
        rule=rule,
        since=rule.since,
        until=rule.until,
        asks=tuple(ask for ask in map(asked, rules.when_conjuncts(rule.body)) if ask is not None),
        body=body,
        reads=frozenset(rules.attributes(body, "context")),
        members={name: members(body, name) for name in frozenset(rules.attributes(body, "context")) & SETS},
    )


def members(body: Node, attribute: str) -> frozenset[str] | None:
    """Names that a body asks whether a set of the context holds; None if it uses the set in any other way.

    Sound because ``s.contains(x)``, ``s.containsAny(l)`` and ``s.containsAll(l)`` depend on the literals in ``l`` alone.
    """
    found: set[str] = set()
    uses = sum(1 for node in rules.walk(body) if _attribute(node) == attribute)
    for node in rules.walk(body):
        for operator in _MEMBERSHIP:
            operands = node.get(operator)
            if isinstance(operands, Mapping) and _attribute(operands["left"]) == attribute:
                names = _literals(operands["right"], NAMED[attribute])
                if names is None:
                    return None
                found |= names
                uses -= 1
    return frozenset(found) if uses == 0 else None


def together(parts: Iterable[Part]) -> Mapping[str, frozenset[str] | None]:
    """What all parts together ask of the sets."""
    found: dict[str, frozenset[str] | None] = {}
    for each in parts:
        for name, asked_for in each.members.items():
            before = found.get(name, frozenset())
            found[name] = None if before is None or asked_for is None else before | asked_for
    return found


def asked(conjunct: Node) -> Ask | None:
    """What a conjunct asks the request to have, or None for any that has not one of four forms.

    ``context.s.contains(E::"x")``, ``context.s.containsAny([E::"x", …])``, ``context.a == E::"x"`` and
    ``[E::"x", …].contains(context.a)``, where ``s`` is a set, ``a`` one name, and every ``E`` the type that it holds.
    """
    for operator in ("contains", "containsAny", "=="):
        operands = conjunct.get(operator)
        if not isinstance(operands, Mapping):
            continue
        attribute, literal = _attribute(operands["left"]), operands["right"]
        one, several = operator == "==", operator == "containsAny"
        if operator == "contains" and attribute == "":
            attribute, literal = _attribute(operands["right"]), operands["left"]
            one, several = True, True
        if attribute not in NAMED or one is not (attribute in _ONE) or several is not ("Set" in literal):
            continue
        names = _literals(literal, NAMED[attribute])
        if names is not None:
            return attribute, names
    return None


def _left(conditions: Iterable[Node]) -> Iterable[Node]:
    """Conditions without the conjuncts that slicing settles; those left with none are gone."""
    for condition in conditions:
        if condition["kind"] != "when":
            yield condition
            continue
        open_ = [conjunct for conjunct in rules.split(condition["body"]) if not _settled(conjunct)]
        if open_:
            body = open_[0]
            for conjunct in open_[1:]:
                body = {"&&": {"left": body, "right": conjunct}}
            yield {"kind": "when", "body": body}


def _settled(conjunct: Node) -> bool:
    dated = rules.lower_bound(conjunct) is not None or rules.upper_bound(conjunct) is not None
    return dated or asked(conjunct) is not None


def _attribute(node: Node) -> str:
    """Name of an attribute of the context, or "" for anything else."""
    operand = node.get(".")
    return str(operand["attr"]) if isinstance(operand, Mapping) and operand["left"] == {"Var": "context"} else ""


def _literals(node: Node, kind: str) -> frozenset[str] | None:
    """Ids of an entity literal of a type or of a set of them, or None for anything else."""
    found = set()
    for item in node.get("Set", (node,)):
        value = item.get("Value")
        entity = value.get("__entity") if isinstance(value, Mapping) else None
        if not isinstance(entity, Mapping) or entity.get("type") != kind:
            return None
        found.add(str(entity["id"]))
    return frozenset(found)
