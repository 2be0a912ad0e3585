"""Messages of a request: content blocks to messages of the neutral form.

Pure. Text and images become parts; a call of a tool and its result become what chat completions have for them; thinking is left
out, as it is no part of an answer and holds with the provider that signed it only.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from proxy.core.request import JsonObject
from proxy.wire import checks
from proxy.wire.anthropic_messages import members

ROLES = ("user", "assistant", "system")
TEXT, IMAGE, CALL, RESULT = "text", "image", "tool_use", "tool_result"
THINKING = ("thinking", "redacted_thinking")
BLOCKS: dict[str, tuple[str, ...]] = {
    "user": (TEXT, IMAGE, RESULT),
    "assistant": (TEXT, CALL, *THINKING),
    "system": (TEXT,),
    RESULT: (TEXT, IMAGE),
}
"""Types of blocks by where they stand: in a message of a role, or in a tool's result."""
FAILED = "Error: "
"""Begins the result of a tool that failed: the neutral form has no member for that."""
_MESSAGE = frozenset({"role", "content"})
_KNOWN = {
    TEXT: frozenset({"type", "text"}),
    IMAGE: frozenset({"type", "source"}),
    CALL: frozenset({"type", "id", "name", "input", "caller"}),
    RESULT: frozenset({"type", "tool_use_id", "content", "is_error"}),
}
_SOURCES = {"base64": frozenset({"type", "media_type", "data"}), "url": frozenset({"type", "url"})}


def messages(value: object, most: int) -> list[JsonObject]:
    """The messages in the neutral form. Raises ``ClientError``, ``TooLarge``."""
    given = checks.listed(value, most)
    found: list[JsonObject] = []
    counted, role = _Counted(), ""
    for i, each in enumerate(given):
        where = f"messages[{i}]"
        message = members.of(each, where, _MESSAGE)
        role = members.word(message.get("role"), f"{where}.role", ROLES)
        blocks = counted.blocks(message.get("content"), f"{where}.content", role)
        if role == "user":
            found += _user(blocks, counted)
        else:
            found.append(_assistant(blocks) if role == "assistant" else {"role": role, "content": joined(blocks)})
    if role == "assistant":
        # Its last words would be the beginning of the answer, which models behind us do not take up.
        raise members.unsupported(f"messages[{len(given) - 1}].role", "a last message that is no assistant's")
    return found


def system(value: object) -> list[JsonObject]:
    """The system prompt as the first message; nothing where there is none."""
    if value in (None, "", []):
        return []
    return [{"role": "system", "content": joined(_Counted().blocks(value, "system", "system"))}]


Block = tuple[str, str, dict[str, Any]]
"""Its type, its path and its members."""


class _Counted:
    """Reads blocks and counts them over the whole request."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def blocks(self, value: object, where: str, place: str) -> list[Block]:
        """The checked blocks of a content. Raises ``ClientError``, ``TooLarge``."""
        if isinstance(value, str):
            return [(TEXT, where, {"text": value})]
        if not isinstance(value, list):
            raise checks.wrong(where, "a string or an array of blocks", value)
        self._count += len(value)
        if self._count > checks.MAX_PARTS:
            raise checks.too_many_parts(where)
        return [_block(each, f"{where}[{j}]", place) for j, each in enumerate(value)]


def _block(value: object, where: str, place: str) -> Block:
    if not isinstance(value, dict):
        raise checks.wrong(where, "an object", value)
    kind = members.word(value.get("type"), f"{where}.type", BLOCKS[place])
    if kind in THINKING:
        return kind, where, {}
    if kind == TEXT and value.get("citations") == []:
        value = {**value, "citations": None}
    found = members.of(value, where, _KNOWN[kind])
    if kind == TEXT:
        members.text(found.get("text"), f"{where}.text")
    return kind, where, found


def joined(blocks: list[Block]) -> str:
    """The text of blocks, one below another, as models' own templates join it."""
    return "\n".join(block["text"] for kind, _, block in blocks if kind == TEXT)


def _user(blocks: list[Block], counted: _Counted) -> Iterator[JsonObject]:
    """Results of tools first, as each belongs to a call before it; then everything else, with the images of the results."""
    rest: list[Block] = []
    for kind, where, block in blocks:
        if kind != RESULT:
            rest.append((kind, where, block))
            continue
        content = block.get("content", "")
        inner = counted.blocks(content, f"{where}.content", RESULT)
        rest += [each for each in inner if each[0] == IMAGE]
        failed = FAILED if checks.boolean(block.get("is_error"), f"{where}.is_error") else ""
        identifier = members.name(block.get("tool_use_id"), f"{where}.tool_use_id")
        yield {"role": "tool", "tool_call_id": identifier, "content": failed + joined(inner)}
    if rest or not blocks:
        images = any(kind == IMAGE for kind, _, _ in rest)
        yield {"role": "user", "content": [_part(each) for each in rest] if images else joined(rest)}


def _part(block: Block) -> JsonObject:
    kind, where, found = block
    return {"type": "text", "text": found["text"]} if kind == TEXT else _image(found.get("source"), f"{where}.source")


def _image(value: object, where: str) -> JsonObject:
    kind = members.word(value.get("type") if isinstance(value, dict) else None, f"{where}.type", _SOURCES)
    source = members.of(value, where, _SOURCES[kind])
    if kind == "url":
        url = members.name(source.get("url"), f"{where}.url")
    else:
        media = members.name(source.get("media_type"), f"{where}.media_type")
        url = f"data:{media};base64,{members.name(source.get('data'), f'{where}.data')}"
    return {"type": "image_url", "image_url": {"url": url}}


def _assistant(blocks: list[Block]) -> JsonObject:
    calls = [_call(block, where) for kind, where, block in blocks if kind == CALL]
    text = joined(blocks)
    if not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": text or None, "tool_calls": calls}


def _call(block: dict[str, Any], where: str) -> JsonObject:
    if block.get("caller") not in (None, {"type": "direct"}):
        raise members.unsupported(f"{where}.caller", "a call that the model made itself")
    arguments = block.get("input")
    if not isinstance(arguments, dict):
        raise checks.wrong(f"{where}.input", "an object", arguments)
    function = {"name": members.name(block.get("name"), f"{where}.name"), "arguments": orjson.dumps(arguments).decode()}
    return {"id": members.name(block.get("id"), f"{where}.id"), "type": "function", "function": function}
