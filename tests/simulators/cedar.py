"""A small evaluator of Cedar's JSON policy format (EST), written apart from the engine and from ours, to compare both with.

Values: entities are ``Entity``, sets are frozensets, records are dicts, ``datetime`` and ``decimal`` Python's own. Short-circuits
as the language guide says; a rule that meets a missing attribute or an overflow errs. Refuses an operator that it does not know.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

Node = Mapping[str, Any]


class Entity(NamedTuple):
    """An entity's type and id."""

    kind: str
    id: str


class Erred(Exception):
    """A rule cannot be evaluated."""


@dataclass(frozen=True)
class Request:
    """What is asked. ``above``: the entities that one is in, without itself; ``attributes``: of the resource."""

    action: Entity
    resource: Entity
    context: Mapping[str, Any]
    attributes: Mapping[str, Any]
    above: Callable[[Entity], frozenset[Entity]]

    def within(self, one: Entity, other: Entity) -> bool:
        """Cedar's ``in``: the same, or in it at any remove."""
        return one == other or other in self.above(one)


def fires(body: Node, request: Request) -> bool:
    """Whether a rule is satisfied. Raises ``Erred``."""
    if not _scope(body["action"], request.action, request) or not _scope(body["resource"], request.resource, request):
        return False
    return all((value(c["body"], request) is True) == (c["kind"] == "when") for c in body["conditions"])


def _scope(scope: Node, entity: Entity, request: Request) -> bool:
    if scope["op"] == "All":
        return True
    named = [Entity(e["type"], e["id"]) for e in scope.get("entities", [scope.get("entity")])]
    if scope["op"] == "==":
        return entity == named[0]
    assert scope["op"] == "in", f"unknown scope {scope}"
    return any(request.within(entity, each) for each in named)


def value(node: Node, request: Request) -> Any:
    """Value of an expression. Raises ``Erred``."""
    ((name, operands),) = node.items()
    if name in _LAZY:
        return _LAZY[name](operands, request)
    if name in _BINARY:
        return _BINARY[name](value(operands["left"], request), value(operands["right"], request))
    if name in _DECIMAL:
        left, right = (value(each, request) for each in operands)
        return _DECIMAL[name](left, right)
    raise AssertionError(f"unknown operator {name}")


def _literal(operands: Any, _: Request) -> Any:
    if isinstance(operands, Mapping):
        entity = operands["__entity"]
        return Entity(entity["type"], entity["id"])
    return operands


def _variable(name: str, request: Request) -> Any:
    return {"context": request.context, "resource": request.resource, "action": request.action}[name]


def _fields(operands: Node, request: Request) -> Mapping[str, Any]:
    found = value(operands["left"], request)
    if isinstance(found, Entity):
        assert found == request.resource, f"attributes of {found}"
        return request.attributes
    return dict(found)


def _get(operands: Node, request: Request) -> Any:
    fields = _fields(operands, request)
    if operands["attr"] not in fields:
        raise Erred(operands["attr"])
    return fields[operands["attr"]]


def _in(operands: Node, request: Request) -> bool:
    left, right = value(operands["left"], request), value(operands["right"], request)
    return any(request.within(left, each) for each in (right if isinstance(right, frozenset) else (right,)))


def _if(operands: Node, request: Request) -> Any:
    return value(operands["then" if value(operands["if"], request) else "else"], request)


def _whole(result: int) -> int:
    if not -(2**63) <= result < 2**63:
        raise Erred("overflow")
    return result


_LAZY: Mapping[str, Callable[[Any, Request], Any]] = {
    "Value": _literal,
    "Var": _variable,
    "Set": lambda items, r: frozenset(value(item, r) for item in items),
    ".": _get,
    "has": lambda o, r: o["attr"] in _fields(o, r),
    "&&": lambda o, r: value(o["left"], r) and value(o["right"], r),
    "||": lambda o, r: value(o["left"], r) or value(o["right"], r),
    "!": lambda o, r: not value(o["arg"], r),
    "if-then-else": _if,
    "in": _in,
    "is": lambda o, r: value(o["left"], r).kind == o["entity_type"],
    "isEmpty": lambda o, r: not value(o["arg"], r),
    "datetime": lambda o, r: _instant(value(o[0], r)),
    "decimal": lambda o, r: Decimal(value(o[0], r)),
}
_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "+": lambda a, b: _whole(a + b),
    "-": lambda a, b: _whole(a - b),
    "*": lambda a, b: _whole(a * b),
    "contains": lambda a, b: b in a,
    "containsAny": lambda a, b: bool(a & b),
    "containsAll": lambda a, b: a >= b,
}
_DECIMAL: Mapping[str, Callable[[Any, Any], bool]] = {
    "lessThan": operator.lt,
    "lessThanOrEqual": operator.le,
    "greaterThan": operator.gt,
    "greaterThanOrEqual": operator.ge,
}


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
