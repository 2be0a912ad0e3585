"""A whole completion as a message: content blocks, the reason why it ends, usage.

Pure. Source: the Anthropic API reference, "Create a Message" (the response).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from proxy.core.request import JsonObject
from proxy.wire import printing
from proxy.wire.completion import first_choice, sources_of
from proxy.wire.event_stream import OURS, named
from proxy.wire.openai_chat import text_of

REASONS = {"length": "max_tokens", "content_filter": "refusal"}
THOUGHTS = ("reasoning_content", "reasoning")
"""Members in which an answer's reasoning comes as text."""
_LONG = re.compile(r"\d{19}")
"""Digits of which an integer may have more than 64 bits."""
UNSIGNED = ""
"""Signature of thinking that no provider of Anthropic's signed."""


def message(body: bytes, *, identifier: str, model: str, usage: JsonObject, stops: Sequence[str]) -> bytes:
    """The message of a completion. ``model``: where the completion names none; ``stops``: the request's stop sequences.

    Raises ``ValueError`` for a completion that has no form as a message, such as arguments of a call that are no JSON object.
    """
    value: Any = orjson.loads(body)
    choice = first_choice(value["choices"]) or {}
    said = choice.get("message") or {}
    finish = choice.get("finish_reason")
    calls = called(said, cut=finish == "length")
    ended = reason(finish, calls=bool(calls), refused=bool(said.get("refusal")), stop=stopped(choice, stops))
    return printing.printed(
        {
            "id": identifier,
            "type": "message",
            "role": "assistant",
            "model": named(value.get("model")) or model,
            "content": [*_thoughts(said), *_text(said), *calls],
            **ended,
            "usage": usage,
            **sources_of(value),
            **({OURS: value[OURS]} if OURS in value else {}),
        }
    )


def reason(finish: object, *, calls: bool, refused: bool, stop: str | None) -> JsonObject:
    """``stop_reason`` and ``stop_sequence`` of an answer that ended with ``finish``."""
    found = "refusal" if refused else REASONS.get(finish) if isinstance(finish, str) else None
    if found is None:
        found = "tool_use" if calls else "end_turn" if stop is None else "stop_sequence"
    return {"stop_reason": found, "stop_sequence": stop if found == "stop_sequence" else None}


def stopped(choice: JsonObject, stops: Sequence[str]) -> str | None:
    """Which of the stop sequences ended an answer, where its server says so (vLLM's ``stop_reason``)."""
    found = choice.get("stop_reason")
    return found if isinstance(found, str) and found in stops else None


def _thoughts(said: JsonObject) -> list[JsonObject]:
    """Reasoning, where the client asked for it: else it was taken out before."""
    found = thought(said)
    return [{"type": "thinking", "thinking": found, "signature": UNSIGNED}] if found else []


def thought(said: JsonObject) -> str:
    """Reasoning in a message or a delta."""
    return next((said[key] for key in THOUGHTS if isinstance(said.get(key), str) and said[key]), "")


def _text(said: JsonObject) -> list[JsonObject]:
    refusal = said.get("refusal")
    found = text_of(said.get("content")) or (refusal if isinstance(refusal, str) else "")
    return [{"type": "text", "text": found}] if found else []


def called(said: JsonObject, *, cut: bool) -> list[JsonObject]:
    """Blocks of a message's calls. ``cut``: its last one may be incomplete, and then it is none. Raises ``ValueError``."""
    calls = said.get("tool_calls") or []
    if not isinstance(calls, list):
        raise ValueError("calls that are no array")
    found: list[JsonObject] = []
    for i, call in enumerate(calls):
        try:
            found.append(_block(call))
        except ValueError:
            if not cut or i + 1 < len(calls):
                raise
    return found


def _block(call: object) -> JsonObject:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(call, Mapping) or not isinstance(function, Mapping):
        raise ValueError("a call of no function")
    identifier, name = call.get("id"), function.get("name")
    if not isinstance(identifier, str) or not isinstance(name, str):
        raise ValueError("a call without its identifier or its name")
    return {"type": "tool_use", "id": identifier, "name": name, "input": arguments(function.get("arguments"))}


def arguments(text: object) -> JsonObject:
    """Arguments of a call; no text is no argument. Raises ``ValueError`` for anything but the text of a JSON object."""
    if text is not None and not isinstance(text, str):
        raise ValueError("arguments of a call that are no text")
    found: Any = orjson.loads(text) if text and text.strip() else {}
    if not isinstance(found, dict):
        raise ValueError("arguments of a call that are no JSON object")
    return _exact(text) if text and _LONG.search(text) else found


def _exact(text: str) -> JsonObject:
    """What orjson has read, with every digit of its integers: those beyond 64 bits it takes for real numbers."""
    try:
        again: JsonObject = json.loads(text)
    except RecursionError:
        raise ValueError("arguments of a call that are nested too deeply") from None
    return again
