"""Requests in OpenAI's shape: what is taken, and that each wrong one names its place without quoting content."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.request import OnRestricted, ReceiptDetail
from proxy.errors import ClientError, PolicyRefusal, TooLarge
from proxy.wire import openai_chat

SECRET = "a-secret-of-the-client"


def body(**changes: Any) -> bytes:
    content: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": SECRET}]} | changes
    return json.dumps({k: v for k, v in content.items() if v is not ...}).encode()


def parse(content: bytes) -> Any:
    return openai_chat.parse(content, max_messages=10)


def test_a_plain_request_keeps_its_parameters_and_needs() -> None:
    request = parse(body(temperature=0.2, max_tokens=50, tools=[{"type": "function"}], stream=True))
    assert request.parameters == {"temperature": 0.2, "max_tokens": 50, "tools": [{"type": "function"}]}
    assert (request.stream, request.prompt, request.needs.tools, request.needs.max_output_tokens) == (
        True,
        SECRET,
        True,
        50,
    )


def test_options_are_read_as_integers() -> None:
    raw = {"max_cost_usd": 0.25, "confidence_threshold": 0.8, "on_restricted": "refuse", "receipt": "full"}
    found = parse(body(apostille=raw)).options
    assert found.max_cost_micro_usd == 250_000
    assert found.confidence_threshold_millionths == 800_000
    assert (found.on_restricted, found.receipt) == (OnRestricted.REFUSE, ReceiptDetail.FULL)


def test_an_image_is_a_need_for_vision() -> None:
    parts = [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    assert parse(body(messages=[{"role": "user", "content": parts}])).needs.vision


@pytest.mark.parametrize(
    "more",
    [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "MARK"}]}]},
        {"messages": [{"role": "assistant", "content": None, "refusal": "MARK"}]},
        {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "MARK"}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"type": "function", "function": {"arguments": "MARK"}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [7, {"type": "custom", "custom": {"input": "MARK"}}]}]},
        {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": "MARK"}}]},
        {"prediction": {"type": "content", "content": "MARK"}},
        {"prediction": {"type": "content", "content": [{"type": "text", "text": "MARK"}]}},
    ],
)
def test_detectors_see_all_that_is_said(more: Any) -> None:
    assert "MARK" in parse(body(**more)).conversation.split("\n")


@pytest.mark.parametrize("name", ["content", "tool_calls"])
def test_parts_and_calls_are_bounded(name: str) -> None:
    with pytest.raises(TooLarge) as caught:
        parse(body(messages=[{"role": "assistant", name: [{}] * 16_385}]))
    assert caught.value.code == "too-many-messages"


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"not json", "invalid-json", "JSON"),
        (b"\xff\xfe{}", "invalid-json", "UTF-8"),
        (b"[]", "invalid-json", "object"),
        (body(model=...), "invalid-type", "`model`"),
        (body(model="a\r\nb"), "invalid-type", "`model`"),
        (body(messages=[]), "invalid-type", "`messages`"),
        (body(messages=[{"role": "hacker", "content": SECRET}]), "invalid-type", "`messages[0].role`"),
        (body(messages=[{"role": [], "content": SECRET}]), "invalid-type", "`messages[0].role`"),
        (body(messages=[{"role": "user", "content": 7}]), "invalid-type", "`messages[0].content`"),
        (body(messages=[{"role": "user", "content": [SECRET]}]), "invalid-type", "`messages[0].content[0]`"),
        (body(stream="yes"), "invalid-type", "`stream`"),
        (body(max_tokens=-1), "invalid-type", "`max_tokens`"),
        (body(n=3), "unsupported-value", "`n`"),
        (body(tools=[{"type": [SECRET]}]), "unsupported-value", "`tools[0].type`"),
        (body(apostille={"min_pannel": 2}), "unknown-option", "`min_pannel`"),
        (body(apostille={"min_panel": True}), "invalid-option", "`apostille.min_panel`"),
        (body(apostille={"mode": "turbo"}), "invalid-option", "`apostille.mode`"),
    ],
)
def test_a_wrong_request_names_what_was_expected_and_never_the_content(content: bytes, code: str, place: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse(content)
    assert (caught.value.status, caught.value.code) == (400, code)
    assert place in caught.value.message
    assert SECRET not in caught.value.message


def test_too_many_messages_are_refused() -> None:
    with pytest.raises(TooLarge) as caught:
        parse(body(messages=[{"role": "user", "content": SECRET}] * 11))
    assert caught.value.status == 413


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_a_client_error(content: bytes) -> None:
    with suppress(ClientError):  # anything else fails the test
        parse(content)


def test_a_refusal_carries_its_reasons_in_the_familys_shape() -> None:
    refusal = PolicyRefusal("no permitted model", details={"rules": ["it.01"]})
    rendered = json.loads(openai_chat.render_error(refusal))["error"]
    assert rendered["code"] == "restricted-by-policy"
    assert rendered["apostille"]["rules"] == ["it.01"]


def test_chunks_put_together_are_the_message() -> None:
    cited = [{"type": "url_citation", "url_citation": {"url": "https://example.org"}}]
    message = {"role": "assistant", "content": "x" * 200 + "é", "annotations": cited, "refusal": None}
    head = {"id": "1"}
    closing = openai_chat.render_closing(head, "stop", more={"citations": ["a"]}, usage={"total_tokens": 3})
    events = (*openai_chat.render_chunks(message, head=head), *closing)
    parsed = [json.loads(e.removeprefix(b"data: ")) for e in events]
    deltas = [c["delta"] for p in parsed for c in p["choices"]]
    assert "".join(d.get("content", "") for d in deltas) == message["content"]
    assert [d["annotations"] for d in deltas if "annotations" in d] == [cited]
    assert not any("refusal" in d for d in deltas)
    assert parsed[-2]["choices"][0]["finish_reason"] == "stop"
    assert parsed[-2]["citations"] == ["a"]
    assert parsed[-1]["usage"] == {"total_tokens": 3}
