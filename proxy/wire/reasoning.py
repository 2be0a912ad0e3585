"""Reasoning content, told from the answer: members of messages in which providers put it, and text between ``<think>`` tags.

Pure. What a model thought on its way is no answer: it is not voted on, not shown to other models, and not sent to a client that
did not ask for it. Members as DeepSeek and vLLM (``reasoning_content``), OpenRouter (``reasoning``, ``reasoning_details``) and
litellm (``thinking_blocks``) name them; content parts as Anthropic's Messages API does. A start tag counts at the beginning of a
text only, so that an answer may speak of the tag.
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

import orjson

from proxy.core.request import JsonObject

MEMBERS = frozenset(
    {"reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking", "thinking_blocks"}
)
PARTS = ("thinking", "redacted_thinking", "reasoning")
"""Types of content parts."""
NESTED = "provider_specific_fields"
"""Where litellm repeats them."""
HINTS = (b"reasoning", b"think")
"""A message without these bytes has none."""
MEMBER_HINTS = (b'"reasoning', b"thinking")
"""Nor one without these, once its text has begun."""
START, END = "<think>", "</think>"
TAG = "think>"
"""What both have in them."""
MAX_BLOCKS = 8
"""Blocks of reasoning before an answer; what follows them is text."""
_LONE_END = re.compile(r"\n[ \t]*</think>[ \t]*(?:\n|\Z)")
"""An end tag on a line of its own: some templates put the start tag into the prompt."""


def visible(message: JsonObject) -> JsonObject:
    """A message without reasoning content; the very same object where there is none."""
    found: dict[str, Any] = {key: value for key, value in message.items() if key not in MEMBERS}
    changed = len(found) != len(message)
    content, nested = found.get("content"), found.get(NESTED)
    if isinstance(content, str):
        found["content"] = answer_of(content)
        changed |= found["content"] != content
    elif isinstance(content, list):
        found["content"] = [_part(each) for each in content if not _is_reasoning(each)]
        changed |= found["content"] != content
    if isinstance(nested, Mapping) and not MEMBERS.isdisjoint(nested):
        found[NESTED] = {key: value for key, value in nested.items() if key not in MEMBERS}
        changed = True
    return found if changed else message


def _is_reasoning(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") in PARTS


def _part(part: Any) -> Any:
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return {**part, "text": answer_of(part["text"])}
    return part


def answer_of(text: str) -> str:
    """A text without the reasoning in tags before it; "" where the reasoning has no end."""
    if TAG not in text:
        return text
    for block in range(MAX_BLOCKS):
        begun = text.lstrip()
        if not begun.startswith(START):
            break
        end = begun.find(END)
        text = "" if end < 0 else begun[end + len(END) :].lstrip()
        if block + 1 == MAX_BLOCKS or not text:
            return text
    if END in text and START not in text:
        ends = list(_LONE_END.finditer(text))
        if ends:
            return text[ends[-1].end() :].lstrip()
    return text


def shown(body: bytes) -> bytes:
    """A completion's body without reasoning content; the same bytes where there is none, or where it is no completion."""
    if not any(hint in body for hint in HINTS):
        return body
    try:
        value: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    choices = value.get("choices") if isinstance(value, dict) else None
    changed = False
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict):
            choice["message"] = visible(message)
            changed |= choice["message"] is not message
    return orjson.dumps(value) if changed else body


class _State(Enum):
    START = 0
    THINKING = 1
    AFTER = 2
    TEXT = 3


class Thoughts:
    """Takes reasoning content out of a stream's deltas. ``settled``: its text has begun, so tags no longer count."""

    __slots__ = ("_blocks", "_held", "_state")

    def __init__(self) -> None:
        self._state = _State.START
        self._blocks = 0
        self._held = ""

    @property
    def settled(self) -> bool:
        """Whether only members can still hold reasoning."""
        return self._state is _State.TEXT

    def visible(self, delta: JsonObject) -> JsonObject:
        """A delta without reasoning; the very same object where there is none."""
        content = delta.get("content")
        found = visible({key: value for key, value in delta.items() if key != "content"})
        kept = self._text(content) if isinstance(content, str) else content
        if isinstance(content, list):
            kept = [each for each in content if not _is_reasoning(each)]
        if (
            kept == content
            and len(found) + ("content" in delta) == len(delta)
            and found.get(NESTED) == delta.get(NESTED)
        ):
            return delta
        return {**found, "content": kept} if "content" in delta else found

    def rest(self) -> str:
        """Text that was held back for what it could have become, at the end of the stream."""
        held, self._held = self._held, ""
        return held if self._state is _State.START else ""

    def _text(self, text: str) -> str:
        while True:
            match self._state:
                case _State.TEXT:
                    return text
                case _State.START:
                    whole, self._held = self._held + text, ""
                    begun = whole.lstrip()
                    if begun.startswith(START):
                        self._state, text = _State.THINKING, begun[len(START) :]
                    elif START.startswith(begun):
                        self._held = whole
                        return ""
                    else:
                        self._state = _State.TEXT
                        return whole
                case _State.THINKING:
                    whole = self._held + text
                    end = whole.find(END)
                    if end < 0:
                        self._held = whole[1 - len(END) :]
                        return ""
                    self._held, self._state, text = "", _State.AFTER, whole[end + len(END) :]
                case _State.AFTER:
                    text = text.lstrip()
                    if not text:
                        return ""
                    self._blocks += 1
                    self._state = _State.START if self._blocks < MAX_BLOCKS else _State.TEXT
