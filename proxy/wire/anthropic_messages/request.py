"""A request's body to the same ``InferenceRequest`` that a chat completion makes.

Pure. Source: the Anthropic API reference, "Create a Message".
"""

from typing import Any

from proxy.core.request import Family, InferenceRequest
from proxy.errors import ClientError
from proxy.wire import checks, openai_chat
from proxy.wire.anthropic_messages import content, members, tools

MEMBERS = frozenset(
    {
        "model", "messages", "system", "max_tokens", "stream", "apostille",
        "stop_sequences", "temperature", "top_k", "top_p",
        "tools", "tool_choice", "metadata", "service_tier", "thinking", "output_config",
        members.CACHE,
    }
)  # fmt: skip
"""Members of a body. Every other is refused: some choose a region, a container, a tool server or a workspace past the policy."""
_CARRIED = ("temperature", "top_k", "top_p")
_TIERS = {"auto": "auto", "standard_only": "default"}
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def parse(body: bytes, *, max_messages: int) -> InferenceRequest:
    """Checked request. Raises ``ClientError`` (400) or ``TooLarge`` (413)."""
    return _of(checks.document(body), body, max_messages)


def estimate(body: bytes, *, max_messages: int) -> int:
    """Tokens of a prompt, as the proxy itself reckons with them: high on purpose. ``max_tokens`` may be missing.

    Raises ``ClientError`` (400) or ``TooLarge`` (413).
    """
    raw = {"max_tokens": 1, **checks.document(body)}
    return _of(raw, body, max_messages).needs.prompt_tokens_estimate


def _of(raw: dict[str, Any], body: bytes, max_messages: int) -> InferenceRequest:
    for key in raw:
        if key not in MEMBERS:
            name = checks.printable(key)
            raise ClientError(
                f"`{name}`: expected a parameter of messages that this proxy passes on, got another",
                code="unknown-parameter",
                param=name,
            )
    said = content.messages(raw.get("messages"), max_messages)
    neutral: dict[str, Any] = {
        "model": raw.get("model"),
        "messages": [*content.system(raw.get("system")), *said],
        "stream": raw.get("stream"),
        "stream_options": {"include_usage": True},
        "apostille": raw.get("apostille"),
        **_parameters(raw),
    }
    # Their number is checked already; each result of a tool became one of its own, and the system prompt another.
    most = len(neutral["messages"])
    return openai_chat.request_of(neutral, body, max_messages=most, family=Family.ANTHROPIC_MESSAGES)


def _parameters(raw: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"max_tokens": checks.tokens(raw.get("max_tokens"), "max_tokens")}
    found |= {key: raw[key] for key in _CARRIED if raw.get(key) is not None}
    found |= tools.parameters(raw.get("tools"), raw.get("tool_choice"))
    found |= _metadata(raw.get("metadata")) | _output(raw.get("output_config"))
    if raw.get("stop_sequences") is not None and (stops := _stops(raw["stop_sequences"])):
        found["stop"] = stops
    if raw.get("service_tier") is not None:
        found["service_tier"] = _TIERS[members.word(raw["service_tier"], "service_tier", _TIERS)]
    _check_thinking(raw.get("thinking"))
    return found


def _check_thinking(value: object) -> None:
    """Thinking that is off, or as much as the model finds right, needs no words in the neutral form. Raises ``ClientError``."""
    if value is None:
        return
    found = members.of(value, "thinking", frozenset({"type", "display", "budget_tokens"}))
    if found.get("type") not in ("disabled", "adaptive") or "budget_tokens" in found:
        raise members.unsupported(
            "thinking", "`adaptive` or `disabled`, as how much is thought is up to `output_config.effort`"
        )


def _stops(value: object) -> list[str]:
    if not isinstance(value, list):
        raise checks.wrong("stop_sequences", "an array of strings", value)
    checks.few(value, "stop_sequences")
    return [members.text(each, f"stop_sequences[{i}]") for i, each in enumerate(value)]


def _metadata(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    found = members.of(value, "metadata", frozenset({"user_id"}))
    return {"user": members.text(found["user_id"], "metadata.user_id")} if found else {}


def _output(value: object) -> dict[str, Any]:
    """How much effort, and in which form, an answer is to be given."""
    if value is None:
        return {}
    config = members.of(value, "output_config", frozenset({"effort", "format"}))
    found: dict[str, Any] = {}
    if "effort" in config:
        found["reasoning_effort"] = members.word(config["effort"], "output_config.effort", _EFFORTS)
    if "format" in config:
        where = "output_config.format"
        form = members.of(config["format"], where, frozenset({"type", "schema"}))
        members.word(form.get("type"), f"{where}.type", ("json_schema",))
        schema = form.get("schema")
        if not isinstance(schema, dict):
            raise checks.wrong(f"{where}.schema", "an object", schema)
        wanted = {"name": "answer", "schema": schema, "strict": True}
        found["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return found
