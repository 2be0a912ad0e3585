"""An upstream's whole chat completion: bytes to what the pipeline needs of it (OpenAI API reference, chat completion object).

Bounded and forgiving about what we do not use; an answer without a message is nonsense and is refused.
"""

import math
from dataclasses import dataclass
from typing import Any

import orjson

from audit.vocabulary import MILLIONTHS
from proxy.core.replies import Usage
from proxy.core.request import JsonObject
from proxy.wire import reasoning
from proxy.wire.event_stream import named, region_of, usage_of
from proxy.wire.openai_chat import text_of

SOURCES = ("citations", "search_results")
"""Members beside the choices in which online models name their sources (Perplexity's API)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What an upstream answered. ``message``, ``text``: without reasoning content; ``received``: the message as it came;
    ``sources``: what it names beside its message. ``usage`` None: it reported none. ``logprob_millionths``: mean of its tokens.
    ``region``: where it says that it computed (``usage.inference_geo``), or "".
    """

    message: JsonObject
    received: JsonObject
    sources: JsonObject
    text: str
    finish_reason: str | None
    usage: Usage | None
    model: str
    upstream_id: str
    region: str
    logprob_millionths: int | None


def parse(content: bytes) -> Completion:
    """The completion in a body. Raises ``ValueError`` for anything without a first choice's message."""
    try:
        value: Any = orjson.loads(content)
        choice = value["choices"][0]
        message = choice["message"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError) as cause:
        raise ValueError("expected a chat completion with a message") from cause
    if not isinstance(message, dict):
        raise ValueError("expected a chat completion with a message")
    finish = choice.get("finish_reason")
    visible = reasoning.visible(message)
    return Completion(
        message=visible,
        received=message,
        sources=sources_of(value),
        text=text_of(visible.get("content")),
        finish_reason=finish if isinstance(finish, str) else None,
        usage=usage_of(value.get("usage")),
        model=named(value.get("model")),
        upstream_id=named(value.get("id")),
        region=region_of(value.get("usage")),
        logprob_millionths=_mean_logprob(choice.get("logprobs")),
    )


def sources_of(value: JsonObject) -> JsonObject:
    """Sources named beside the choices of a completion or a chunk."""
    return {key: value[key] for key in SOURCES if isinstance(value.get(key), list) and value[key]}


def _mean_logprob(value: object) -> int | None:
    tokens = value.get("content") if isinstance(value, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None
    found = [t["logprob"] for t in tokens if isinstance(t, dict) and isinstance(t.get("logprob"), int | float)]
    mean = sum(found) / len(found) * MILLIONTHS if found else math.inf
    return round(mean) if math.isfinite(mean) else None
