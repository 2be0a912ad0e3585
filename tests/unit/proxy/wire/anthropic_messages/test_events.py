"""Streams as events of a message: put together again they are the whole message, in an order that every reader takes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.wire import openai_chat
from proxy.wire.anthropic_messages import answer, events
from proxy.wire.anthropic_messages.events import Told

USAGE = {"input_tokens": 3, "output_tokens": 4}
HEAD = {"id": "up", "model": "m-1"}


def chunk(delta: Any, finish: Any = None, **more: Any) -> bytes:
    return openai_chat.render_delta(HEAD, delta, finish, more)


def piece(index: int, arguments: str = "", **more: Any) -> bytes:
    """Of a call: ``id`` and ``name`` begin it."""
    function = {"arguments": arguments, **{key: more.pop(key) for key in ("name",) if key in more}}
    return chunk({"tool_calls": [{"index": index, "function": function, **more}]})


def read(content: bytes) -> list[Any]:
    """Events as a reader of server-sent events takes them."""
    found = []
    for each in content.split(b"\n\n"):
        if each and not each.startswith(b":"):
            name, data = each.split(b"\n")
            found.append(json.loads(data.removeprefix(b"data: ")))
            assert name == b"event: " + found[-1]["type"].encode()
    return found


def told(*chunks: bytes, member: Any = None, stops: tuple[str, ...] = ()) -> list[Any]:
    stream = Told("msg_1", "asked", stops)
    return read(b"".join(map(stream.feed, chunks)) + stream.end(USAGE, member))


def whole(found: list[Any]) -> Any:
    """The message that a reader puts together, with the order of events held to what it may be."""
    assert (found[0]["type"], [each["type"] for each in found[-2:]]) == (
        "message_start",
        ["message_delta", "message_stop"],
    )
    message = found[0]["message"]
    open_block: Any = None
    for each in found[1:-2]:
        match each["type"]:
            case "content_block_start":
                assert open_block is None
                assert each["index"] == len(message["content"])
                open_block = dict(each["content_block"])
                text = ""
            case "content_block_delta":
                assert each["index"] == len(message["content"])
                kind, value = each["delta"]["type"], list(each["delta"].values())[1]
                if kind == "input_json_delta":
                    text += value
                else:
                    open_block[kind.removesuffix("_delta")] += value
            case "content_block_stop":
                assert each["index"] == len(message["content"])
                if open_block["type"] == "tool_use":
                    open_block["input"] = json.loads(text or "{}")
                message["content"].append(open_block)
                open_block = None
    assert open_block is None
    return {**message, **found[-2]["delta"], "usage": found[-2]["usage"]}


def test_text_is_told_as_it_comes() -> None:
    found = told(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "a "}),
        chunk({"content": "rose"}),
        chunk({}, "stop"),
    )
    assert [each["type"] for each in found] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = whole(found)
    assert (message["id"], message["model"], message["content"]) == (
        "msg_1",
        "m-1",
        [{"type": "text", "text": "a rose"}],
    )
    assert (message["stop_reason"], message["usage"]) == ("end_turn", USAGE)


def test_nothing_is_a_message_too() -> None:
    assert whole(told())["content"] == []
    assert whole(told())["model"] == "asked"


def test_calls_are_blocks_one_after_another() -> None:
    found = told(
        chunk({"content": "see"}),
        piece(0, id="c1", name="f"),
        piece(0, '{"a":'),
        piece(0, " 1}"),
        piece(1, "{}", id="c2", name="g"),
        chunk({}, "tool_calls"),
    )
    message = whole(found)
    assert [each.get("input") for each in message["content"]] == [None, {"a": 1}, {}]
    assert message["stop_reason"] == "tool_use"


def test_calls_that_share_an_index_are_told_apart_by_their_identifiers() -> None:
    message = whole(told(piece(0, "{}", id="c1", name="f"), piece(0, "{}", id="c2", name="g"), chunk({}, "stop")))
    assert [each["id"] for each in message["content"]] == ["c1", "c2"]
    again = whole(told(piece(0, '{"a":', id="c1", name="f"), piece(0, "1}", id="c1", name="f")))
    assert [each["input"] for each in again["content"]] == [{"a": 1}]


@pytest.mark.parametrize(
    "chunks",
    [
        (b"data: [1]\n\n",),
        (b"data: not json\n\n",),
        (piece(0, "{}"),),
        (piece(0, "{}", id="c1"),),
        (chunk({"tool_calls": ["text"]}),),
        (chunk({"tool_calls": {"index": 0}}),),
        (chunk("text"),),
        (chunk({"tool_calls": [{"index": "0", "id": "c", "function": {"name": "f"}}]}),),
        (chunk({"tool_calls": [{"index": 0, "id": "c", "custom": {"name": "f"}}]}),),
        (chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]}),),
        (piece(0, "{", id="c1", name="f"), piece(1, "{}", id="c2", name="g"), piece(0, "}")),
        (piece(0, "{", id="c1", name="f"), chunk({"content": "x"}), piece(0, "}")),
        (piece(0, "x" * (events.MAX_ARGUMENTS + 1), id="c1", name="f"),),
        (piece(0, id="c1", name="f"), piece(0, "{}", name="g")),
        (b"data: " + b'{"a":' * 300 + b"1" + b"}" * 300 + b"\n\n",),
    ],
)
def test_what_has_no_form_is_a_failure(chunks: tuple[bytes, ...]) -> None:
    stream = Told("msg_1", "asked", ())
    for each in chunks[:-1]:
        stream.feed(each)
    with pytest.raises(ValueError):
        stream.feed(chunks[-1])


@pytest.mark.parametrize("arguments", ["not json", "[1]", '{"a": '])
def test_arguments_that_are_no_object_are_a_failure_unless_the_answer_was_cut(arguments: str) -> None:
    for finish in ("tool_calls", None):
        with pytest.raises(ValueError):
            told(piece(0, arguments, id="c1", name="f"), chunk({}, finish))
    cut = told(piece(0, arguments, id="c1", name="f"), chunk({}, "length"))
    assert cut[-2]["delta"]["stop_reason"] == "max_tokens"
    with pytest.raises(ValueError):
        told(piece(0, arguments, id="c1", name="f"), piece(1, "{", id="c2", name="g"), chunk({}, "length"))


def test_a_comment_before_an_event_hides_nothing_of_it() -> None:
    behind = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    stream = Told("msg_1", "asked", ())
    assert b"message_stop" not in stream.feed(b": x\n" + behind + b": x\r" + behind)
    assert b"words" in stream.feed(b": x\n" + chunk({"content": "words"}))


def test_comments_are_pings_once_the_message_has_begun() -> None:
    stream = Told("msg_1", "asked", ())
    assert stream.feed(b": early\n\n") == b": early\n\n"
    assert read(stream.feed(chunk({"content": ""}) + b": late\n\n"))[-1] == {"type": "ping"}


def test_news_of_legs_is_an_event_of_its_own_and_the_receipt_comes_with_the_end() -> None:
    progress = openai_chat.render_progress_event(HEAD, {"leg": "panel-1"})
    found = told(progress, chunk({"content": "x"}), chunk({}, "stop", apostille={"record": "r"}, citations=["c"]))
    assert found[1] == {"type": "apostille.progress", "progress": {"leg": "panel-1"}}
    assert (found[-2]["apostille"], found[-2]["citations"]) == ({"record": "r"}, ["c"])
    assert told(chunk({}, "stop", apostille={"record": "r"}), member={"record": "full"})[-2]["apostille"] == {
        "record": "full"
    }


def test_line_ends_of_either_kind_and_events_that_come_together() -> None:
    both = (chunk({"content": "a"}) + chunk({"content": "b"}, "stop")).replace(b"\n", b"\r\n")
    assert whole(told(both))["content"] == [{"type": "text", "text": "ab"}]


def test_which_stop_sequence_ended_it() -> None:
    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop", "stop_reason": "END"}
    found = told(openai_chat.render_event({**HEAD, "choices": [choice]}), stops=("END",))
    assert found[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


TEXT = st.text(max_size=200)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(min_size=1, max_size=5),
            "type": st.just("function"),
            "function": st.fixed_dictionaries(
                {
                    "name": st.text(min_size=1, max_size=5),
                    "arguments": st.dictionaries(TEXT, st.integers()).map(json.dumps),
                }
            ),
        }
    ),
    max_size=3,
    unique_by=lambda call: call["id"],
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": TEXT}, optional={"tool_calls": CALLS, "reasoning_content": TEXT}
)


@given(MESSAGES, st.sampled_from(["stop", "length", "tool_calls", "content_filter"]))
def test_events_put_together_are_the_whole_message(message: Any, finish: str) -> None:
    chunks = (
        *openai_chat.render_chunks(message, head=HEAD),
        *openai_chat.render_closing(HEAD, finish, more={}, usage=None),
    )
    streamed = whole(told(*chunks))
    completion = openai_chat.render_completion(message, head=HEAD, finish=finish, usage={}, sources={})
    plain = json.loads(answer.message(completion, identifier="msg_1", model="asked", usage=USAGE, stops=()))
    # Reasoning comes last where a chosen message is told at once, and first in a whole one.
    by_kind = [sorted(each["content"], key=lambda block: block["type"]) for each in (streamed, plain)]
    assert by_kind[0] == by_kind[1]
    assert {**streamed, "content": 0} == {**plain, "content": 0}


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_are_events_or_a_value_error(chunks: list[bytes]) -> None:
    stream = Told("msg_1", "asked", ())
    try:
        found = b"".join(stream.feed(b"data: " + each + b"\n\n") for each in chunks) + stream.end(USAGE, None)
    except ValueError:
        return
    assert found.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


DELTAS = st.dictionaries(
    st.sampled_from(["content", "tool_calls", "refusal", "reasoning", "role"]),
    st.recursive(
        st.none() | st.integers(0, 2) | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["index", "id", "function", "name", "arguments", "text"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    ),
)


@given(st.lists(st.tuples(DELTAS, st.sampled_from([None, "stop", "length", 7])), max_size=5))
def test_any_deltas_are_a_well_ordered_message_or_a_value_error(deltas: list[Any]) -> None:
    try:
        found = told(*(chunk(delta, finish) for delta, finish in deltas))
    except ValueError:
        return
    assert [each["type"] for each in found].count("content_block_start") == [each["type"] for each in found].count(
        "content_block_stop"
    )
