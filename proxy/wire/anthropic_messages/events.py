"""A stream of chunks told again as the events of a message (Anthropic docs, "Streaming messages").

Pure. Chunks are turned as they come; ``message_delta`` and ``message_stop`` are left to ``end``, so that they wait until the result
is on record. Comments become pings once the message has begun.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from proxy.core.request import JsonObject
from proxy.wire import printing
from proxy.wire.anthropic_messages import answer
from proxy.wire.completion import first_choice, sources_of
from proxy.wire.event_stream import OURS, is_comment, named
from proxy.wire.openai_chat import text_of
from proxy.wire.retold import chunk_of

PROGRESS = "apostille.progress"
MAX_ARGUMENTS = 4 * 1024 * 1024
"""Characters of the arguments of all calls, which are kept to be checked in the end."""
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class Told:
    """One message's stream. ``identifier``, ``model``: of the message, the latter where its chunks name none; ``stops``: the
    request's stop sequences.
    """

    def __init__(self, identifier: str, model: str, stops: Sequence[str]) -> None:
        self._identifier = identifier
        self._model = model
        self._stops = stops
        self._begun = False
        self._blocks = 0
        self._open: object = None
        self._calls: dict[int, _Call] = {}
        self._all_calls: list[_Call] = []
        self._kept = 0
        self._finish: object = None
        self._refused = False
        self._stop: str | None = None
        self._member: JsonObject = {}
        self._sources: JsonObject = {}

    def feed(self, events: bytes) -> bytes:
        """Our events for some whole ones. Raises ``ValueError`` for what has no form in a message."""
        return b"".join(self._one(event) for event in _BLANK_LINE.split(events) if event.strip())

    def end(self, usage: JsonObject, member: JsonObject | None) -> bytes:
        """The events that complete the message. ``member``: the receipt that takes the place of what the chunks said.

        Raises ``ValueError`` where a call's arguments are no JSON object, unless it is the last one of an answer that was cut.
        """
        cut = self._finish == "length"
        for call in self._all_calls[:-1] if cut else self._all_calls:
            answer.arguments("".join(call.arguments))
        ended = answer.reason(self._finish, calls=bool(self._all_calls), refused=self._refused, stop=self._stop)
        said = member or self._member
        delta = {
            "type": "message_delta",
            "delta": ended,
            "usage": usage,
            **self._sources,
            **({OURS: said} if said else {}),
        }
        return self._start(self._model) + self._close() + event(delta) + event({"type": "message_stop"})

    def _one(self, content: bytes) -> bytes:
        if is_comment(content):
            return event({"type": "ping"}) if self._begun else content + b"\n\n"
        chunk = chunk_of(content)
        self._sources = {**self._sources, **sources_of(chunk)}
        begun = self._start(named(chunk.get("model")) or self._model)
        member = chunk.get(OURS)
        if isinstance(member, Mapping) and "progress" in member:
            return begun + event({"type": PROGRESS, "progress": member["progress"]})
        self._member = member if isinstance(member, Mapping) else self._member
        choice = first_choice(chunk.get("choices"))
        return begun + (self._choice(choice) if choice is not None else b"")

    def _choice(self, choice: JsonObject) -> bytes:
        delta = choice.get("delta") or {}
        if not isinstance(delta, Mapping):
            raise ValueError("a delta that is no object")
        told = self._delta(delta)
        if choice.get("finish_reason") is not None:
            self._finish = choice["finish_reason"]
            self._stop = answer.stopped(choice, self._stops)
        return told

    def _delta(self, delta: JsonObject) -> bytes:
        told = []
        if thought := answer.thought(delta):
            told.append(self._to("thinking", {"type": "thinking", "thinking": "", "signature": answer.UNSIGNED}))
            told.append(self._said({"type": "thinking_delta", "thinking": thought}))
        refusal = delta.get("refusal")
        refused = refusal if isinstance(refusal, str) else ""
        self._refused |= bool(refused)
        if text := text_of(delta.get("content")) or refused:
            told.append(self._to("text", {"type": "text", "text": ""}))
            told.append(self._said({"type": "text_delta", "text": text}))
        calls = delta.get("tool_calls") or []
        if not isinstance(calls, list):
            raise ValueError("calls that are no array")
        told += [self._piece(each) for each in calls]
        return b"".join(told)

    def _piece(self, piece: object) -> bytes:
        """A piece of a call: its first one has identifier and name, those that follow continue its arguments."""
        function = piece.get("function") if isinstance(piece, Mapping) else None
        if not isinstance(piece, Mapping) or not isinstance(function, Mapping):
            raise ValueError("a call of no function")
        index, identifier, name = piece.get("index"), named(piece.get("id")), named(function.get("name"))
        if not isinstance(index, int):
            raise ValueError("a call without its index")
        call, told = self._calls.get(index), b""
        if call is None or (name and identifier not in ("", call.identifier)):
            if not identifier or not name:
                raise ValueError("a call without its identifier or its name")
            call = self._calls[index] = _Call(identifier, name)
            self._all_calls.append(call)
            told = self._to(call, {"type": "tool_use", "id": identifier, "name": name, "input": {}})
        elif self._open is not call:
            raise ValueError("a call that goes on after another block began")
        elif name not in ("", call.name):
            raise ValueError("a call whose name goes on, and was told")
        more = function.get("arguments")
        if more:
            self._keep(call, more)
            told += self._said({"type": "input_json_delta", "partial_json": more})
        return told

    def _keep(self, call: "_Call", more: object) -> None:
        if not isinstance(more, str):
            raise ValueError("arguments of a call that are no text")
        call.arguments.append(more)
        self._kept += len(more)
        if self._kept > MAX_ARGUMENTS:
            raise ValueError("arguments over the limit")

    def _start(self, model: str) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        message: JsonObject = {
            "id": self._identifier,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return event({"type": "message_start", "message": message})

    def _to(self, what: object, block: JsonObject) -> bytes:
        """Events that make ``what`` the open block: nothing if it is, else the end of the one before and its own start."""
        if self._open == what:
            return b""
        closed = self._close()
        self._open = what
        self._blocks += 1
        return closed + event({"type": "content_block_start", "index": self._blocks - 1, "content_block": block})

    def _said(self, delta: JsonObject) -> bytes:
        return event({"type": "content_block_delta", "index": self._blocks - 1, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return event({"type": "content_block_stop", "index": self._blocks - 1})


class _Call:
    """A call whose arguments are being told."""

    __slots__ = ("arguments", "identifier", "name")

    def __init__(self, identifier: str, name: str) -> None:
        self.identifier = identifier
        self.name = name
        self.arguments: list[str] = []


def event(payload: Mapping[str, Any]) -> bytes:
    """One server-sent event, named by its type."""
    name: str = payload["type"]
    return b"event: " + name.encode() + b"\ndata: " + printing.printed(payload) + b"\n\n"
