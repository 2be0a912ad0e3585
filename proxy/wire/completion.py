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
from proxy.wire import printing, reasoning
from proxy.wire.event_stream import OURS, named, region_of, usage_of
from proxy.wire.openai_chat import text_of

SOURCES = ("citations", "search_results")
"""Members beside the choices in which online models name their sources (Perplexity's API)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What an upstream answered. ``message``, ``text``: without reasoning content; ``received``: the message as it came;
    ``sources``: what it names beside its message. ``usage`` None: it reported none. ``logprob_millionths``: mean of its tokens.
    ``region``: where it says that it computed (``usage.inference_geo``), or "".
    ``claims``: it speaks in our name (``without_claims``).
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
    claims: bool = False


def parse(content: bytes) -> Completion:
    """The completion in a body. Raises ``ValueError`` for anything without a first choice's message, or nested too deeply."""
    try:
        value: Any = orjson.loads(content)
    except orjson.JSONDecodeError as cause:
        raise ValueError("expected a chat completion with a message") from cause
    choice = first_choice(value.get("choices")) if isinstance(value, dict) else None
    message = choice.get("message") if choice is not None else None
    if choice is None or not isinstance(message, dict) or printing.too_deep(value, content):
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
        claims=OURS in value,
    )


def without_claims(body: bytes) -> bytes:
    """A completion's body without the member in which only this proxy speaks: an upstream's would pass for a receipt of ours."""
    value: Any = orjson.loads(body)
    return orjson.dumps({key: each for key, each in value.items() if key != OURS})


def first_choice(choices: object) -> dict[str, Any] | None:
    """The choice that was asked for, in whatever place: others have an index of their own. None without one."""
    listed = choices if isinstance(choices, list) else []
    return next((each for each in listed if isinstance(each, dict) and each.get("index", 0) in (0, None)), None)


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
