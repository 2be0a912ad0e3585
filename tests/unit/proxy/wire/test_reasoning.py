"""Reasoning content is told from answers, whole or streamed, whatever way the bytes are cut."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire import completion, reasoning
from proxy.wire.event_stream import REASONING, EventStream
from proxy.wire.retold import Retold

SECRET = "chain-of-thought"


def body(message: dict[str, Any]) -> bytes:
    return json.dumps({"choices": [{"index": 0, "message": message}], "usage": {"prompt_tokens": 1}}).encode()


HIDDEN: dict[str, dict[str, Any]] = {
    "reasoning_content": {"content": "42", "reasoning_content": SECRET},
    "reasoning": {"content": "42", "reasoning": SECRET, "reasoning_details": [{"text": SECRET}]},
    "thinking blocks": {
        "content": "42",
        "thinking_blocks": [{"type": "thinking", "thinking": SECRET, "signature": "s"}],
    },
    "nested": {"content": "42", "provider_specific_fields": {"reasoning_content": SECRET, "citations": None}},
    "parts": {"content": [{"type": "thinking", "thinking": SECRET}, {"type": "text", "text": "42"}]},
    "tags": {"content": f"<think>\n{SECRET}\n</think>\n\n42"},
    "two blocks": {"content": f"<think>{SECRET}</think><think>{SECRET}</think>42"},
    "a lone end tag": {"content": f"{SECRET}\n</think>\n\n42"},
}


@pytest.mark.parametrize("message", HIDDEN.values(), ids=HIDDEN.keys())
def test_reasoning_is_no_part_of_an_answer(message: dict[str, Any]) -> None:
    found = completion.parse(body(message))
    assert found.text == "42"
    assert SECRET not in json.dumps(found.message)
    assert found.received == message
    assert SECRET.encode() not in reasoning.shown(body(message))
    assert json.loads(reasoning.shown(body(message)))["usage"] == {"prompt_tokens": 1}


def test_an_answer_without_reasoning_is_the_same_bytes() -> None:
    for text in ("I think so.", "The tag `<think>` opens it and </think> ends it.", "reasoning", " <thinker>"):
        whole = body({"role": "assistant", "content": text})
        assert reasoning.shown(whole) is whole
        assert completion.parse(whole).text == text


def test_a_part_whose_type_is_no_text_is_no_reasoning() -> None:
    parts = [{"type": [], "text": "42"}, {"type": {}, "text": "43"}]
    assert completion.parse(body({"content": parts})).message["content"] == parts


def test_reasoning_without_an_end_leaves_no_answer() -> None:
    assert reasoning.answer_of(f"<think>{SECRET}") == ""


def test_blocks_are_bounded() -> None:
    assert reasoning.answer_of("<think></think>" * 50_000).count("<think>") == 50_000 - reasoning.MAX_BLOCKS


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    value = {"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def content(out: bytes) -> str:
    told = Retold({"id": "ours"})
    told.feed(out)
    return told.text


DONE = b"data: [DONE]\n\n"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12), st.lists(st.integers(0, 2_000), max_size=8), st.booleans())
def test_a_stream_is_shown_without_reasoning_whatever_way_it_is_cut(
    places: list[int], cuts: list[int], members: bool
) -> None:
    text = f"<think>{SECRET} and more</think>\n\nThe <think> answer"
    pieces = [text[a:b] for a, b in pairwise(sorted({0, *places, len(text)}))]
    first = event({"role": "assistant", "content": ""}) + (event({"reasoning_content": SECRET}) if members else b"")
    whole = first + b"".join(event({"content": piece}) for piece in pieces) + event({}, "stop") + DONE
    stream = EventStream(keep_usage=False)
    out = b"".join(
        stream.feed(whole[a:b]) for a, b in pairwise(sorted({0, *(c for c in cuts if c < len(whole)), len(whole)}))
    )
    assert content(out) == "The <think> answer"
    assert b"chain" not in out
    assert REASONING in out or not members
    assert stream.done
    asked = EventStream(keep_usage=False, reasoning=True)
    assert asked.feed(whole) == whole.removesuffix(DONE)


@pytest.mark.parametrize("ended", [event({}, "stop"), b""])
@pytest.mark.parametrize("text", ["<", "  <thi", "<thinker>", " "])
def test_what_only_looked_like_a_tag_is_sent(text: str, ended: bytes) -> None:
    stream = EventStream(keep_usage=False)
    out = b"".join(stream.feed(event({"content": each})) for each in text) + stream.feed(ended + DONE)
    assert content(out) == text


def test_tool_calls_beside_reasoning_stay() -> None:
    calls = [{"index": 0, "function": {"name": "f"}}]
    stream = EventStream(keep_usage=False)
    out = stream.feed(event({"reasoning": SECRET, "tool_calls": calls}) + DONE)
    assert json.loads(out.removeprefix(b"data: "))["choices"][0]["delta"] == {"tool_calls": calls}


def test_a_retold_stream_is_under_our_head_and_learns_its_end() -> None:
    told = Retold({"id": "ours", "model": "asked-for"})
    line = json.dumps({"citations": ["https://example.org"], "id": "theirs", "choices": [{"delta": {"content": "42"}}]})
    out = told.feed(b"data: " + line.encode() + b"\r\n\r\n: reasoning\n\n" + event({}, "length"))
    assert (told.text, told.finish, told.sources) == ("42", "length", {"citations": ["https://example.org"]})
    assert b"theirs" not in out
    assert out.count(b'"id":"ours"') == 2
    assert b": reasoning\n\n" in out
