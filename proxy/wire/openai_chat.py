"""OpenAI chat completions: request bytes to ``InferenceRequest``; answers, stream events and errors back to bytes.

Source: the OpenAI API reference, "Chat" (create, streaming, errors). What the pipeline does not use is passed through.
A body is checked for what the pipeline relies on, and refused with the path of the first wrong value; content is never
quoted.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from proxy.core.request import Family, InferenceRequest, JsonObject, Needs
from proxy.errors import ClientError, ProxyError
from proxy.wire import checks, options

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
"""Compared one by one, here as below: what stands in a role's place may be a list, which no set can look up."""
CHARACTERS_PER_TOKEN = 3
"""Low on purpose: an estimate that errs high keeps requests away from a context that is too small."""
IMAGE_TOKENS = 1_500
DONE = b"data: [DONE]\n\n"
OPENING: JsonObject = {"role": "assistant", "content": ""}
"""Delta of a stream's first chunk."""
_STREAMED = frozenset({"role", "content", "tool_calls"})
"""Members of a message that its chunks have forms of their own for."""
_OURS = frozenset({"model", "messages", "stream", "stream_options", "apostille"})
PARAMETERS = frozenset(
    {
        # OpenAI API reference, "Create chat completion"
        "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
        "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty",
        "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop",
        "store", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
        # sampling that other providers know
        "min_p", "repetition_penalty", "top_a", "top_k", "typical_p",
    }
)  # fmt: skip
"""Parameters that are passed on. Every other is refused: some providers and libraries take further ones that choose another
model, host, credential, region or tool server, and would carry the request past the policy."""
LIMITS = ("max_completion_tokens", "max_tokens")
"""Two names of one limit. A provider heeds the one that it knows, so where both are given the higher counts."""
_GIVEN = (("function", "arguments"), ("custom", "input"), ("function_call", "arguments"))
"""Forms of a call, and the member with what it was given."""
TOOL_TYPES = ("function", "custom")
"""Tools that the client itself runs. Tools that a provider runs send content to places that nobody decided about."""


def parse(body: bytes, *, max_messages: int) -> InferenceRequest:
    """Checked request. Raises ``ClientError`` (400) or ``TooLarge`` (413)."""
    return request_of(checks.document(body), body, max_messages=max_messages)


def request_of(
    raw: Mapping[str, Any], body: bytes, *, max_messages: int, family: Family = Family.OPENAI_CHAT
) -> InferenceRequest:
    """The request of a document in this shape, the neutral one. ``body``: what the client sent, in its own ``family``'s shape.

    Raises ``ClientError`` (400) or ``TooLarge`` (413).
    """
    model = raw.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= 256 or not model.isprintable():
        raise checks.wrong("model", "a printable string of 1 to 256 characters", model)
    messages = _messages(raw.get("messages"), max_messages)
    stream = checks.boolean(raw.get("stream"), "stream")
    chosen = options.parse(raw.get("apostille"))
    parameters = _parameters(raw)
    if parameters.get("n") not in (None, 1):
        raise ClientError("`n`: expected 1, got another number", code="unsupported-value", param="n")
    return InferenceRequest(
        family=family,
        model=model,
        messages=messages,
        parameters=parameters,
        stream=stream,
        include_usage=_include_usage(raw.get("stream_options")),
        options=chosen,
        needs=_needs(messages, parameters, len(body)),
        prompt=_last_user_text(messages),
        conversation=_conversation(messages, parameters),
        commitment_input=body,
    )


def _parameters(raw: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in raw.items() if key not in _OURS}
    unknown = sorted(found.keys() - PARAMETERS)
    if unknown:
        name = checks.printable(unknown[0])
        raise ClientError(
            f"`{name}`: expected a parameter of chat completions that this proxy passes on, got another",
            code="unknown-parameter",
            param=name,
        )
    tools = found.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise checks.wrong("tools", "an array", tools)
    checks.few(tools or [], "tools")
    for i, tool in enumerate(tools or ()):
        if not isinstance(tool, Mapping) or tool.get("type") not in TOOL_TYPES:
            raise ClientError(
                f"`tools[{i}].type`: expected a tool that the client runs ({', '.join(sorted(TOOL_TYPES))})",
                code="unsupported-value",
                param=f"tools[{i}].type",
            )
    return found


def _include_usage(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, Mapping):
        raise checks.wrong("stream_options", "an object", value)
    return checks.boolean(value.get("include_usage"), "stream_options.include_usage")


def _messages(value: object, most: int) -> tuple[JsonObject, ...]:
    found, parts = checks.listed(value, most), 0
    for i, message in enumerate(found):
        parts += _parts(message, i)
        if parts > checks.MAX_PARTS:
            raise checks.too_many_parts(f"messages[{i}].content")
    return tuple(found)


def _parts(message: object, i: int) -> int:
    """How many parts the content of a message has, once it is checked, and calls of tools."""
    if not isinstance(message, dict):
        raise checks.wrong(f"messages[{i}]", "an object", message)
    if message.get("role") not in ROLES:
        raise ClientError(
            f"`messages[{i}].role`: expected one of {', '.join(sorted(ROLES))}, got something else",
            code="invalid-type",
            param=f"messages[{i}].role",
        )
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        raise checks.wrong(f"messages[{i}].content", "a string or an array of parts", content)
    parts = content if isinstance(content, list) else []
    for j, part in enumerate(parts[: checks.MAX_PARTS + 1]):
        if not isinstance(part, dict):
            raise checks.wrong(f"messages[{i}].content[{j}]", "an object", part)
    calls = message.get("tool_calls")
    return len(parts) + (len(calls) if isinstance(calls, list) else 0)


def _last_user_text(messages: tuple[JsonObject, ...]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message.get("content"))
    return ""


def _conversation(messages: tuple[JsonObject, ...], parameters: JsonObject) -> str:
    """All that is said in a request: text, refusals, what calls of tools were given, and what an answer is predicted to be."""
    parts = []
    for message in messages:
        parts += [text_of(message.get("content")), *_refusals(message)]
        calls = message.get("tool_calls")
        for call in (message, *(calls if isinstance(calls, list) else ())):
            parts += [_member(call, form, said) for form, said in _GIVEN]
    prediction = parameters.get("prediction")
    parts.append(text_of(prediction.get("content")) if isinstance(prediction, Mapping) else "")
    return "\n".join(filter(None, parts))


def _refusals(message: JsonObject) -> list[str]:
    content = message.get("content")
    said = [message, *(content if isinstance(content, list) else ())]
    return [each["refusal"] for each in said if isinstance(each.get("refusal"), str)]


def _member(call: object, form: str, said: str) -> str:
    """What a call of some form was given; "" where it is none."""
    found = call.get(form) if isinstance(call, Mapping) else None
    given = found.get(said) if isinstance(found, Mapping) else None
    return given if isinstance(given, str) else ""


def text_of(content: object) -> str:
    """Text of a message's content: the string, or its text parts joined by newlines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (p.get("text") for p in content if isinstance(p, Mapping))
    return "\n".join(p for p in parts if isinstance(p, str))


def _needs(messages: tuple[JsonObject, ...], parameters: JsonObject, body_bytes: int) -> Needs:
    images = sum(
        1
        for m in messages
        if isinstance(m.get("content"), list)
        for p in m["content"]
        if p.get("type") in ("image_url", "input_image")
    )
    form = parameters.get("response_format")
    kind = form.get("type") if isinstance(form, Mapping) else None
    limits = [checks.tokens(parameters[key], key) for key in LIMITS if parameters.get(key) is not None]
    prompt_bytes = body_bytes if not images else sum(len(text_of(m.get("content"))) for m in messages)
    return Needs(
        tools=bool(parameters.get("tools") or parameters.get("functions")),
        vision=images > 0,
        json_mode=kind in ("json_object", "json_schema"),
        prompt_tokens_estimate=prompt_bytes // CHARACTERS_PER_TOKEN + images * IMAGE_TOKENS,
        max_output_tokens=max(limits, default=None),
    )


def render_error(error: ProxyError) -> bytes:
    """Error body in OpenAI's shape, with our permanent code and the policy's reasons."""
    content: dict[str, Any] = {
        "message": error.message,
        "type": error.kind,
        "param": error.param,
        "code": error.code,
    }
    if error.details:
        content["apostille"] = dict(error.details)
    return orjson.dumps({"error": content})


def render_event(payload: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def render_completion(
    message: JsonObject, *, head: Mapping[str, Any], finish: str, usage: Mapping[str, int], sources: JsonObject
) -> bytes:
    """A whole completion around a message we chose. ``head``: id, created, model and our extension; ``sources``: what the one who
    wrote it names beside it.
    """
    return orjson.dumps(
        {
            **head,
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": usage,
            **sources,
        }
    )


def render_chunks(message: JsonObject, *, head: Mapping[str, Any]) -> tuple[bytes, ...]:
    """The message as stream events, every member of it; what closes a stream is ``render_closing``."""
    events = [render_delta(head, OPENING)]
    events += [render_delta(head, {"content": piece}) for piece in _pieces(text_of(message.get("content")))]
    calls = message.get("tool_calls")
    if calls:
        events.append(render_delta(head, {"tool_calls": [{"index": i, **c} for i, c in enumerate(calls)]}))
    more = {key: value for key, value in message.items() if key not in _STREAMED and value is not None}
    if more:
        events.append(render_delta(head, more))
    return tuple(events)


def render_delta(
    head: Mapping[str, Any], delta: JsonObject, finish: str | None = None, more: Mapping[str, Any] | None = None
) -> bytes:
    """One chunk with one choice. ``more``: members beside it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return render_event({**head, "object": "chat.completion.chunk", "choices": [choice], **(more or {})})


def render_closing(
    head: Mapping[str, Any], finish: str, *, more: Mapping[str, Any], usage: Mapping[str, int] | None
) -> tuple[bytes, ...]:
    """The last chunks but the end mark: why it ends, and the usage; None: the client did not ask for it."""
    events = (render_delta(head, {}, finish, more),)
    if usage is None:
        return events
    return (*events, render_event({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage}))


def _pieces(text: str, size: int = 80) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def render_comment(text: str) -> bytes:
    """A line that no reader of events sees (WHATWG HTML, 9.2.6)."""
    return b": " + text.encode() + b"\n\n"


def render_progress_event(head: Mapping[str, Any], member: Mapping[str, Any]) -> bytes:
    """News of a leg: an event of its own name, and in the shape of the usage event for readers who take every name alike."""
    found = {**head, "object": "chat.completion.chunk", "choices": [], "apostille": {"progress": member}}
    return b"event: apostille.progress\n" + render_event(found)


def render_receipt_event(head: Mapping[str, Any], member: Mapping[str, Any]) -> bytes:
    """The receipt as a last stream event, in the shape of the usage event: a chunk without choices."""
    return render_event({**head, "object": "chat.completion.chunk", "choices": [], "apostille": member})


def render_error_event(error: ProxyError) -> bytes:
    """An error in the middle of a stream; no end mark follows it."""
    return b"data: " + render_error(error) + b"\n\n"
