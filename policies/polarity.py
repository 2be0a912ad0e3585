"""Shows that a rule errs on the denying side when a fact is unknown (a lint, by structure).

Atoms that are *true when unknown* (``mayProcessIn.contains``, ``lineageDevelopers.contains``, ``resource in ModelFamily``,
``opaqueComposite``) may only help a forbid to fire; atoms that are *false when unknown* (``has``, ``processesOnlyIn.contains``,
``processingKnown``) may only hinder it. Base permits the other way round. Then dropping a fact can only add denials, by
induction over the condition. Obligations count as forbids: unknown attaches them. Refuses uses it cannot judge.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules import Effect, Node, Rule

SETS_TRUE_WHEN_UNKNOWN = frozenset({"mayProcessIn", "mayStoreIn", "lineageDevelopers", "lineageHomes"})
SETS_FALSE_WHEN_UNKNOWN = frozenset({"processesOnlyIn", "storesOnlyIn"})
FLAGS_TRUE_WHEN_UNKNOWN = frozenset({"opaqueComposite"})
FLAGS_FALSE_WHEN_UNKNOWN = frozenset({"processingKnown", "storageKnown"})
ALWAYS_KNOWN = frozenset(
    {"model", "developer", "operator", *SETS_TRUE_WHEN_UNKNOWN, *SETS_FALSE_WHEN_UNKNOWN}
    | FLAGS_TRUE_WHEN_UNKNOWN
    | FLAGS_FALSE_WHEN_UNKNOWN
)
_MEMBERSHIP = ("contains", "containsAny", "containsAll")

_HELPS, _HINDERS, _UNCLEAR = 1, -1, 0


def problems(rule: Rule) -> Iterator[str]:
    """One message per atom that would let an unknown fact through."""
    fires_on_unknown = rule.effect is Effect.FORBID or not rule.base_permit
    wanted = _HELPS if fires_on_unknown else _HINDERS
    for atom, true_when_unknown, sign in _atoms_of(rule):
        if sign != (wanted if true_when_unknown else -wanted):
            place = {_HELPS: "makes the rule fire", _HINDERS: "keeps it from firing", _UNCLEAR: "is used unclearly"}[
                sign
            ]
            value = "true" if true_when_unknown else "false"
            yield f"`{atom}` is {value} where the fact is unknown and {place}: an unknown fact would not deny"


def _atoms_of(rule: Rule) -> Iterator[tuple[str, bool, int]]:
    scope = rule.body["resource"]
    family = scope.get("entity") or (scope.get("in") or {}).get("entity")
    if isinstance(family, Mapping) and scope["op"] != "==" and family.get("type") == "ModelFamily":
        yield "resource in ModelFamily", True, _HELPS
    for condition in rule.body.get("conditions", ()):
        yield from _atoms(condition["body"], _HELPS if condition["kind"] == "when" else _HINDERS)


def _atoms(node: Any, sign: int) -> Iterator[tuple[str, bool, int]]:
    """Sensitive atoms below a node with their sign; a construct that is not known to keep signs makes them unclear."""
    if isinstance(node, list | tuple):
        for item in node:
            yield from _atoms(item, sign)
        return
    if not isinstance(node, Mapping):
        return
    atom = _atom(node)
    if atom is not None:
        yield (*atom, sign)
        return
    for operator, operands in node.items():
        if operator in ("&&", "||"):
            yield from _atoms((operands["left"], operands["right"]), sign)
        elif operator == "!":
            yield from _atoms(operands["arg"], -sign)
        elif operator == "if-then-else":
            yield from _atoms(operands["if"], _UNCLEAR)
            yield from _atoms((operands["then"], operands["else"]), sign)
        elif isinstance(operands, Mapping):
            yield from _atoms(tuple(operands.values()), _UNCLEAR)
        else:
            yield from _atoms(operands, _UNCLEAR)


def _atom(node: Node) -> tuple[str, bool] | None:
    """Name of a sensitive atom and whether it is true where its fact is unknown."""
    for operator in _MEMBERSHIP:
        name = _attribute(node[operator]["left"]) if operator in node else None
        if name in SETS_TRUE_WHEN_UNKNOWN or name in SETS_FALSE_WHEN_UNKNOWN:
            return f"resource.{name}.{operator}", name in SETS_TRUE_WHEN_UNKNOWN
    if "has" in node:
        return _presence(node["has"])
    if "in" in node and node["in"].get("left") == {"Var": "resource"}:
        return "resource in", True
    name = _attribute(node)
    if name in FLAGS_TRUE_WHEN_UNKNOWN | FLAGS_FALSE_WHEN_UNKNOWN:
        return f"resource.{name}", name in FLAGS_TRUE_WHEN_UNKNOWN
    if name in SETS_TRUE_WHEN_UNKNOWN | SETS_FALSE_WHEN_UNKNOWN:
        # The set itself, outside of a membership test: no sign makes sense of it.
        return f"resource.{name} outside of `contains`", name in SETS_TRUE_WHEN_UNKNOWN
    return None


def _presence(operands: Node) -> tuple[str, bool] | None:
    if operands["left"] == {"Var": "resource"} and operands["attr"] in ALWAYS_KNOWN:
        return None
    variable = operands["left"].get("Var", "value")
    return f"{variable} has {operands['attr']}", False


def _attribute(node: Any) -> str | None:
    """Name of a direct attribute of ``resource``."""
    if (
        isinstance(node, Mapping)
        and isinstance(node.get("."), Mapping)
        and node["."].get("left") == {"Var": "resource"}
    ):
        return str(node["."]["attr"])
    return None
