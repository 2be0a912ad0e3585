"""Calls of tools in answers of a composite: only of tools that the client declared. Anything else was never asked for.

Pure. A single model's answer is passed on as it is; where several models make an answer, a call that one of them invents, or was
talked into, is neither voted on nor sent.
"""

from collections.abc import Mapping

from proxy.core.request import JsonObject

MEMBERS = ("tool_calls", "function_call")
FORMS = ("function", "custom")
"""Members of a call that hold its name."""


def declared(parameters: JsonObject) -> frozenset[str]:
    """Names of the tools that a request's parameters declare."""
    found = set()
    for key in ("tools", "functions"):
        listed = parameters.get(key)
        for each in listed if isinstance(listed, list) else ():
            found.add(_name(each))
    return frozenset(found - {""})


def within(message: JsonObject, names: frozenset[str]) -> JsonObject:
    """A message without calls of other tools; the very same object where it has none."""
    if not any(message.get(key) for key in MEMBERS):
        return message
    found = {key: value for key, value in message.items() if key not in MEMBERS}
    calls, single = message.get("tool_calls"), message.get("function_call")
    kept = [each for each in calls if _name(each) in names] if isinstance(calls, list) else []
    if kept:
        found["tool_calls"] = kept
    if isinstance(single, Mapping) and isinstance(single.get("name"), str) and single["name"] in names:
        found["function_call"] = single
    return found


class Within:
    """The same for a stream's deltas: a call's name comes with its first piece, and its index with all."""

    __slots__ = ("_kept", "_names", "_single")

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._kept: set[object] = set()
        self._single = False

    def delta(self, delta: JsonObject) -> JsonObject:
        """A delta without pieces of calls of other tools."""
        if not any(delta.get(key) for key in MEMBERS):
            return delta
        found = {key: value for key, value in delta.items() if key not in MEMBERS}
        calls, single = delta.get("tool_calls"), delta.get("function_call")
        kept = [each for each in calls if self._keeps(each)] if isinstance(calls, list) else []
        if kept:
            found["tool_calls"] = kept
        if isinstance(single, Mapping):
            self._single = single["name"] in self._names if isinstance(single.get("name"), str) else self._single
            if self._single:
                found["function_call"] = single
        return found

    def _keeps(self, piece: object) -> bool:
        index = piece.get("index") if isinstance(piece, Mapping) else None
        if not isinstance(index, int):
            return False
        if name := _name(piece):
            (self._kept.add if name in self._names else self._kept.discard)(index)
        return index in self._kept


def _name(call: object) -> str:
    """Name of a tool, declared or called; "" where there is none, or two: which of them a client takes is not known."""
    if not isinstance(call, Mapping):
        return ""
    inner = [call[form] for form in FORMS if call.get(form) is not None] or [call]
    name = inner[0].get("name") if len(inner) == 1 and isinstance(inner[0], Mapping) else None
    return name if isinstance(name, str) else ""
