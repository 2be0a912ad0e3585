"""One upstream's stream told again as ours: its deltas as they come, under our own head, its end left to us.

Pure. Used where the writer of an answer is a leg among others, so that identifier, model and usage are the composite's. What is fed
are whole events, as ``event_stream`` gives them.
"""

import re
from collections.abc import Mapping
from typing import Any

from proxy.core.request import JsonObject
from proxy.wire import printing
from proxy.wire.completion import first_choice, sources_of
from proxy.wire.event_stream import data_of, is_comment, parsed
from proxy.wire.openai_chat import OPENING, render_delta
from proxy.wire.tool_calls import Within

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class Retold:
    """``text``, ``finish``, ``sources``: what was learned; ``begun``: something of the answer was told."""

    def __init__(self, head: Mapping[str, Any], tools: frozenset[str] = frozenset()) -> None:
        """``head``: id, created, model; ``tools``: names of those that may be called."""
        self._head = head
        self._tools = Within(tools)
        self._text: list[str] = []
        self.begun = False
        self.finish: str | None = None
        self.sources: JsonObject = {}

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def feed(self, events: bytes) -> bytes:
        """Our events for some of the upstream's; comments stay as they are. Raises ``ValueError`` for what cannot be told again."""
        return b"".join(self._one(event) for event in _BLANK_LINE.split(events) if event.strip())

    def _one(self, event: bytes) -> bytes:
        if is_comment(event):
            return event + b"\n\n"
        value = chunk_of(event)
        self.sources = sources_of(value) or self.sources
        choice = first_choice(value.get("choices"))
        if choice is None:
            return b""
        finish, delta = choice.get("finish_reason"), choice.get("delta")
        if isinstance(finish, str):
            self.finish = finish
        said = self._tools.delta(_said(delta))
        if not said:
            return b""
        content = said.get("content")
        if isinstance(content, str):
            self._text.append(content)
        opening = b"" if self.begun else render_delta(self._head, OPENING)
        self.begun = True
        return opening + render_delta(self._head, said)


def chunk_of(event: bytes) -> JsonObject:
    """The chunk in an event, {} for one without data. Raises ``ValueError``: left out, a part of the answer would be missing."""
    data = data_of(event)
    value = parsed(data)
    if (not value and data.strip() not in (b"", b"{}")) or printing.too_deep(value, data):
        raise ValueError("an event that is no chunk of a completion")
    return value


def _said(delta: object) -> JsonObject:
    """What a delta adds to the message."""
    if not isinstance(delta, dict):
        return {}
    return {key: value for key, value in delta.items() if key != "role" and value not in (None, "", [])}
