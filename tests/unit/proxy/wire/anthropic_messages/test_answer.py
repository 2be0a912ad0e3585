"""Completions as messages: every member that has a place in one, and a failure for what has none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import completion
from proxy.wire.anthropic_messages import answer

USAGE = {"input_tokens": 3, "output_tokens": 4}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
BLOCK = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}


def completed(message: Any, finish: Any = "stop", choice: Any = None, **more: Any) -> bytes:
    choices = [{"index": 0, "message": message, "finish_reason": finish, **(choice or {})}]
    return json.dumps({"id": "up", "model": "m-1", "choices": choices, **more}).encode()


def told(body: bytes, stops: tuple[str, ...] = ()) -> Any:
    return json.loads(answer.message(body, identifier="msg_1", model="asked", usage=USAGE, stops=stops))


def test_a_text_is_a_block() -> None:
    assert told(completed({"role": "assistant", "content": "a rose"})) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m-1",
        "content": [{"type": "text", "text": "a rose"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": USAGE,
    }


def test_parts_are_one_text_and_nothing_is_no_block() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert told(completed({"content": parts}))["content"] == [{"type": "text", "text": "a\nb"}]
    assert told(completed({"content": None}))["content"] == []
    assert told(completed({"content": ""}, model=None))["model"] == "asked"


def test_calls_come_after_the_text() -> None:
    found = told(completed({"content": "see", "tool_calls": [CALL]}, "tool_calls"))
    assert (found["content"], found["stop_reason"]) == ([{"type": "text", "text": "see"}, BLOCK], "tool_use")


@pytest.mark.parametrize("arguments", ["", None, "{}", " "])
def test_no_arguments_are_an_empty_object(arguments: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    assert told(completed({"tool_calls": [call]}))["content"] == [BLOCK | {"input": {}}]


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 1 << 64, 10**40])
def test_an_integer_of_any_length_keeps_its_digits(number: int) -> None:
    function = {"name": "f", "arguments": json.dumps({"a": [number, 0.5, "\u00e9"]})}
    assert told(completed({"tool_calls": [{**CALL, "function": function}]}))["content"] == [
        {**BLOCK, "input": {"a": [number, 0.5, "\u00e9"]}}
    ]


@pytest.mark.parametrize("arguments", ['{"a": 1' + "0" * 5000 + "}", '{"a":' * 1020 + "1" * 20 + "}" * 1020])
def test_numbers_and_levels_that_cannot_be_read_are_a_failure(arguments: str) -> None:
    with pytest.raises(ValueError):
        told(completed({"tool_calls": [{**CALL, "function": {"name": "f", "arguments": arguments}}]}))


@pytest.mark.parametrize(
    ("finish", "message", "choice", "reason"),
    [
        ("stop", {"content": "x"}, {}, "end_turn"),
        (None, {"content": "x"}, {}, "end_turn"),
        (["odd"], {"content": "x"}, {}, "end_turn"),
        ("length", {"content": "x"}, {}, "max_tokens"),
        ("length", {"tool_calls": [CALL]}, {}, "max_tokens"),
        ("content_filter", {"content": "x"}, {}, "refusal"),
        ("stop", {"content": None, "refusal": "I will not."}, {}, "refusal"),
        ("stop", {"tool_calls": [CALL]}, {}, "tool_use"),
        ("tool_calls", {"content": "x", "tool_calls": []}, {}, "end_turn"),
        ("stop", {"content": "x"}, {"stop_reason": "END"}, "stop_sequence"),
        ("stop", {"content": "x"}, {"stop_reason": "other"}, "end_turn"),
        ("stop", {"content": "x"}, {"stop_reason": 7}, "end_turn"),
    ],
)
def test_why_an_answer_ends(finish: Any, message: Any, choice: Any, reason: str) -> None:
    found = told(completed(message, finish, choice), stops=("END",))
    assert (found["stop_reason"], found["stop_sequence"]) == (reason, "END" if reason == "stop_sequence" else None)


def test_a_refusals_words_are_text() -> None:
    found = told(completed({"content": None, "refusal": "I will not."}))
    assert found["content"] == [{"type": "text", "text": "I will not."}]


@pytest.mark.parametrize("member", ["reasoning_content", "reasoning"])
def test_reasoning_that_was_left_in_is_thinking(member: str) -> None:
    found = told(completed({"content": "x", member: "hm"}))
    assert found["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}


def test_the_receipt_and_the_sources_stay_beside_it() -> None:
    found = told(completed({"content": "x"}, apostille={"record": "r"}, citations=["https://example.org"]))
    assert (found["apostille"], found["citations"]) == ({"record": "r"}, ["https://example.org"])


@pytest.mark.parametrize(
    "call",
    [
        "text",
        {},
        {"id": "c1", "function": "text"},
        {"id": "c1", "function": {"arguments": "{}"}},
        {"function": {"name": "f", "arguments": "{}"}},
        {"id": "c1", "function": {"name": "f", "arguments": "not json"}},
        {"id": "c1", "function": {"name": "f", "arguments": "[1]"}},
        {"id": "c1", "function": {"name": "f", "arguments": 7}},
        {"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}},
        {"id": "c1", "type": "custom", "custom": {"name": "f", "input": "x"}},
        {"id": "c1", "function": {"name": "f", "arguments": '{"a":' * 1100 + "1" + "}" * 1100}},
    ],
)
def test_a_call_that_has_no_form_is_a_failure(call: Any) -> None:
    with pytest.raises(ValueError):
        told(completed({"tool_calls": [call]}))


def test_calls_that_are_no_list_are_a_failure() -> None:
    with pytest.raises(ValueError):
        told(completed({"tool_calls": {"0": CALL}}))


def test_a_call_that_was_cut_is_none() -> None:
    cut = {"id": "c2", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
    assert told(completed({"tool_calls": [CALL, cut]}, "length"))["content"] == [BLOCK]
    with pytest.raises(ValueError):
        told(completed({"tool_calls": [cut, CALL]}, "length"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON,
        "refusal": JSON,
        "reasoning": JSON,
        "tool_calls": st.lists(
            st.fixed_dictionaries({"id": st.text(max_size=3) | JSON, "function": st.just(CALL["function"]) | JSON})
            | JSON
        )
        | JSON,
    },
)


@given(MESSAGE, JSON)
def test_whatever_an_upstream_says_is_a_message_or_a_value_error(message: Any, finish: Any) -> None:
    body = completed(message, finish)
    completion.parse(body)
    try:
        found = told(body)
    except ValueError:
        return
    assert {each["type"] for each in found["content"]} <= {"text", "thinking", "tool_use"}
    assert all(isinstance(each["input"], dict) for each in found["content"] if each["type"] == "tool_use")
