"""A rule's conditions in plain words, for people who review rules and do not read Cedar.

Pure: the JSON form of a rule in, English out (Cedar JSON policy format). What it has no words for is shown as Cedar would say it,
in backticks, never left out. It explains and does not decide: where words and rule differ, the rule is right.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from policies.rules import Effect, Node, Rule, split

_FLAGS = {
    "context.humanOversight": ("a person reviews each answer", "no person reviews each answer"),
    "context.userUsPerson": ("the user is known to be a US person", "the user is known not to be a US person"),
    "resource.processingKnown": ("it is known where it processes", "it is not known where it processes"),
    "resource.storageKnown": ("it is known where it stores", "it is not known where it stores"),
    "resource.opaqueComposite": (
        "it mixes models without saying which, or its lineage is not known",
        "it is known not to mix models",
    ),
    "resource.openWeights": ("its weights are known to be open", "its weights are known not to be open"),
    "resource.trainingUse": (
        "it is known to train on what it is sent",
        "it is known not to train on what it is sent",
    ),
    "resource.selfHosted": (
        "the tenant itself is known to run it",
        "somebody else than the tenant is known to run it",
    ),
    "resource.baa": (
        "a business associate agreement is on file",
        "it is known that there is no business associate agreement",
    ),
    "resource.dpfCertified": (
        "its operator is on the Data Privacy Framework list",
        "its operator is known not to be on the Data Privacy Framework list",
    ),
    "resource.usPersonOperated": (
        "US persons are known to operate it",
        "it is known that not only US persons operate it",
    ),
}
"""What a yes-or-no fact says, and its denial; a fact that may be unknown is `known` in both."""

_PRESENT = {
    "scc": ("clauses for the transfer are on file", "no clauses for the transfer are on file"),
    "cacFiling": ("it has a filing number", "no filing number is on file"),
}
_AMONG = {
    "context.jurisdictions": "{} applies",
    "context.dataClasses": "the data is {}",
    "context.flowdown": "the tenant is bound by the clause {}",
    "resource.lineageDevelopers": "its weights, or what they were made from, are by {} (not known counts as yes)",
    "resource.lineageHomes": "its weights, or what they were made from, come from {} (not known counts as yes)",
    "resource.mayProcessIn": "it may process in {} (not known counts as yes)",
    "resource.processesOnlyIn": "it is known to process in {} only",
    "resource.mayStoreIn": "it may store in {} (not known counts as yes)",
    "resource.storesOnlyIn": "it is known to store in {} only",
    "resource.certifications": "it is known to be certified {}",
}
_SAY_KNOWN = {*_FLAGS, "resource.certifications", "resource.trainingFlopLog10"}
_IS = {
    "context.purpose": "the purpose is {}",
    "context.audience": "the audience is {}",
    "resource.operator": "{} runs the endpoint",
    "resource.developer": "{} made the model",
    "resource.model": "the model is {}",
}
_SEAT = {
    "resource.operator": "whoever runs the endpoint has its seat in {}",
    "resource.developer": "whoever made the model has its seat in {}",
}


def reading(rule: Rule) -> str:
    """One sentence: what the rule does, when, and unless what."""
    when: list[str] = []
    unless: list[str] = []
    for condition in rule.body.get("conditions", ()):
        (when if condition["kind"] == "when" else unless).append(_words(condition["body"], nested=False))
    family = _family(rule)
    when = [*([family] if family else []), *when]
    said = _effect(rule)
    if when:
        said += f" where {', and '.join(when)}"
    if unless:
        said += f"{',' if when else ''} unless {', or '.join(unless)}"
    return f"{said}."


def _effect(rule: Rule) -> str:
    action = rule.body["action"].get("entity", {}).get("id")
    what = {"invoke": "A call", "compose": "Membership in a composite"}.get(str(action), "Any use")
    if rule.obligations:
        return f"{what} is bound to {', '.join(f'`{name}`' for name in rule.obligations)}"
    return f"{what} is {'denied' if rule.effect is Effect.FORBID else 'permitted'}"


def _family(rule: Rule) -> str:
    scope = rule.body["resource"]
    entity = scope.get("entity") or (scope.get("in") or {}).get("entity")
    if not isinstance(entity, Mapping):
        return ""
    if entity["type"] == "ModelFamily":
        return f"the model is `{entity['id']}` or was made from it (not known counts as yes)"
    return f"the deployment is `{entity['id']}`"


def _words(node: Any, *, nested: bool) -> str:
    """Words for a condition; ``nested``: inside another one, so that a list of parts needs brackets."""
    if "&&" in node:
        return _joined(_without_presence(tuple(split(node))), " and ", nested)
    if "||" in node:
        return _joined(tuple(_alternatives(node)), " or ", nested)
    if "!" in node:
        return _denied(node["!"]["arg"])
    path = _path(node)
    if path in _FLAGS:
        return _FLAGS[path][0]
    return _compared(node) or _compute(node) or _presence(node, denied=False) or f"`{_cedar(node)}`"


def _joined(parts: Sequence[Node], word: str, nested: bool) -> str:
    said = word.join(_words(part, nested=len(parts) > 1) for part in parts)
    return f"({said})" if nested and len(parts) > 1 else said


def _alternatives(node: Node) -> list[Node]:
    if "||" not in node:
        return [node]
    return [*_alternatives(node["||"]["left"]), *_alternatives(node["||"]["right"])]


def _without_presence(parts: tuple[Node, ...]) -> tuple[Node, ...]:
    """The parts without an ``x has y`` that only guards another one, where that one's words say `known`."""
    read = {path for part in parts if "has" not in part for path in map(_path, _inner(part)) if path in _SAY_KNOWN}
    return tuple(p for p in parts if "has" not in p or f"{_path(p['has']['left'])}.{p['has']['attr']}" not in read)


def _inner(node: Any) -> list[Node]:
    if isinstance(node, Mapping):
        return [node, *(found for value in node.values() for found in _inner(value))]
    if isinstance(node, list | tuple):
        return [found for value in node for found in _inner(value)]
    return []


def _denied(node: Node) -> str:
    path = _path(node)
    if path in _FLAGS:
        return _FLAGS[path][1]
    return _presence(node, denied=True) or f"not ({_words(node, nested=False)})"


def _presence(node: Node, *, denied: bool) -> str:
    if "has" not in node:
        return ""
    attribute = node["has"]["attr"]
    said = _PRESENT.get(attribute, (f"`{attribute}` is known", f"`{attribute}` is not known"))
    return said[denied]


def _compute(node: Node) -> str:
    """``resource.trainingFlopLog10.lessThan(decimal("26.0"))``: the engine has no numbers that large."""
    operands = node.get("lessThan")
    if isinstance(operands, list) and _path(operands[0]) == "resource.trainingFlopLog10" and "decimal" in operands[1]:
        return f"it is known to be trained with less than 10^{_name(operands[1]['decimal'][0])} FLOP"
    return ""


def _compared(node: Node) -> str:
    ((operator, operands),) = node.items()
    if not isinstance(operands, Mapping) or operands.keys() != {"left", "right"}:
        return ""
    left, right = operands["left"], operands["right"]
    path = _path(left)
    if operator in (">=", "<") and path == "context.now":
        return f"it is {_instant(right)} or later" if operator == ">=" else f"it is before {_instant(right)}"
    if operator == "==" and path in _IS:
        return _IS[path].format(_names(right))
    if operator in ("contains", "containsAny", "containsAll") and path in _AMONG:
        return _AMONG[path].format(_names(right, " and " if operator == "containsAll" else " or "))
    if operator == "contains" and "Set" in left and _path(right) in _IS:
        return _IS[str(_path(right))].format(_names(left))
    if operator == "in" and path in _SEAT:
        return _SEAT[path].format(_names(right))
    if operator == "in" and left == {"Var": "resource"}:
        return f"the model is {_names(right)} or was made from it (not known counts as yes)"
    return ""


def _path(node: Any) -> str | None:
    """``variable.attribute`` of an attribute access, the variable's name of a variable, or None."""
    if not isinstance(node, Mapping):
        return None
    if "Var" in node:
        return str(node["Var"])
    operand = node.get(".")
    if isinstance(operand, Mapping) and isinstance(operand.get("left"), Mapping) and "Var" in operand["left"]:
        return f"{operand['left']['Var']}.{operand['attr']}"
    return None


def _names(node: Node, word: str = " or ") -> str:
    """Entities and texts of a value or a set, in backticks."""
    members = node.get("Set", [node])
    names = [f"`{_name(member)}`" for member in members]
    return word.join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "nothing"


def _name(node: Node) -> str:
    value = node.get("Value")
    if isinstance(value, Mapping) and "__entity" in value:
        return str(value["__entity"]["id"])
    return str(value) if value is not None else _cedar(node)


def _instant(node: Node) -> str:
    arguments = node.get("datetime")
    return str(arguments[0].get("Value")) if isinstance(arguments, list) else f"`{_cedar(node)}`"


def _cedar(node: Any) -> str:
    """A condition much as it was written, for what there are no words for."""
    if not isinstance(node, Mapping):
        return str(node)
    path = _path(node)
    if path is not None:
        return path
    if "Value" in node:
        return f'"{_name(node)}"'
    ((operator, operands),) = node.items()
    if isinstance(operands, Mapping):
        operands = list(operands.values())
    return f"{operator}({', '.join(_cedar(each) for each in operands)})"
