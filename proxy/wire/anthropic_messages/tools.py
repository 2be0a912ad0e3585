"""Tools of a request, and which of them has to be called, in the neutral form.

Pure. Only tools that the client describes and runs itself: those that Anthropic describes have no form elsewhere, and those that a
provider runs send content to places that nobody decided about.
"""

from typing import Any

from proxy.core.request import JsonObject
from proxy.wire import checks
from proxy.wire.anthropic_messages import members

_TOOL = frozenset({"type", "name", "description", "input_schema", "strict"})
_CHOICE = frozenset({"type", "name", "disable_parallel_tool_use"})
_CHOICES = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}


def parameters(tools: object, choice: object) -> dict[str, Any]:
    """``tools``, ``tool_choice`` and ``parallel_tool_calls`` as chat completions have them. Raises ``ClientError``."""
    found: dict[str, Any] = {}
    if tools is not None:
        if not isinstance(tools, list):
            raise checks.wrong("tools", "an array", tools)
        checks.few(tools, "tools")
        if tools:
            found["tools"] = [_tool(each, f"tools[{i}]") for i, each in enumerate(tools)]
    if choice is not None:
        found |= _choice(choice)
    return found


def _tool(value: object, where: str) -> JsonObject:
    if isinstance(value, dict) and value.get("type") not in (None, "custom"):
        raise members.unsupported(f"{where}.type", "a tool that the client describes and runs (`custom`)")
    tool = members.of(value, where, _TOOL)
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise checks.wrong(f"{where}.input_schema", "an object", schema)
    function: dict[str, Any] = {"name": members.name(tool.get("name"), f"{where}.name"), "parameters": schema}
    if "description" in tool:
        function["description"] = members.text(tool["description"], f"{where}.description")
    if checks.boolean(tool.get("strict"), f"{where}.strict"):
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(value: object) -> dict[str, Any]:
    choice = members.of(value, "tool_choice", _CHOICE)
    kind = _CHOICES[members.word(choice.get("type"), "tool_choice.type", _CHOICES)]
    found: dict[str, Any] = {"tool_choice": kind}
    if kind == "tool":
        name = members.name(choice.get("name"), "tool_choice.name")
        found["tool_choice"] = {"type": "function", "function": {"name": name}}
    if checks.boolean(choice.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    return found
