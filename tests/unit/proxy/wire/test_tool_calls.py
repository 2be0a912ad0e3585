"""A composite sends calls of declared tools and of no others, whole or streamed."""

import json
from typing import Any

from proxy.wire import tool_calls
from proxy.wire.retold import Retold

PARAMETERS: dict[str, Any] = {
    "tools": [{"type": "function", "function": {"name": "look_up"}}, {"type": "custom", "custom": {"name": "grep"}}, 3],
    "functions": [{"name": "old"}, {}],
}


def call(name: str | None, index: int = 0, arguments: str = "{}") -> dict[str, Any]:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"index": index, "function": function}


def test_names_of_every_form_are_read() -> None:
    assert tool_calls.declared(PARAMETERS) == {"look_up", "grep", "old"}
    assert tool_calls.declared({"tools": None}) == frozenset()


def test_calls_of_other_tools_are_left_out() -> None:
    names = tool_calls.declared(PARAMETERS)
    message = {"content": "x", "tool_calls": [call("send_mail"), call("look_up")], "function_call": {"name": "rm"}}
    assert tool_calls.within(message, names) == {"content": "x", "tool_calls": [call("look_up")]}
    assert tool_calls.within(message, frozenset()) == {"content": "x"}
    plain = {"content": "x", "tool_calls": None}
    assert tool_calls.within(plain, frozenset()) is plain


def test_a_call_of_two_names_is_none_of_a_declared_tool() -> None:
    names = tool_calls.declared(PARAMETERS)
    both = {"type": "custom", "function": {"name": "look_up"}, "custom": {"name": "send_mail", "input": "stolen"}}
    assert tool_calls.within({"content": "x", "tool_calls": [both]}, names) == {"content": "x"}
    told = Retold({"id": "1"}, names)
    event = {"choices": [{"delta": {"tool_calls": [{"index": 0, **both}]}}]}
    assert b"stolen" not in told.feed(b"data: " + json.dumps(event).encode() + b"\n\n")


def test_a_name_that_is_no_text_is_none_of_a_declared_tool() -> None:
    message = {"content": "x", "tool_calls": [{"function": {"name": []}}], "function_call": {"name": []}}
    assert tool_calls.within(message, tool_calls.declared(PARAMETERS)) == {"content": "x"}


def test_pieces_of_a_streamed_call_follow_its_name() -> None:
    told = Retold({"id": "1"}, tool_calls.declared(PARAMETERS))
    pieces = [
        call("send_mail", 0, ""),
        call("look_up", 1, ""),
        call(None, 0, "stolen"),
        call(None, 1, "kept"),
        {"index": "x"},
    ]
    events = [{"choices": [{"delta": {"tool_calls": [piece]}}]} for piece in pieces]
    events += [{"choices": [{"delta": {"function_call": each}}]} for each in ({"name": "rm"}, {"arguments": "stolen"})]
    events += [{"choices": [{"delta": {"function_call": each}}]} for each in ({"name": "old"}, {"arguments": "kept"})]
    out = told.feed(b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events))
    assert out.count(b"kept") == 2
    for word in (b"stolen", b"send_mail", b'"rm"'):
        assert word not in out


def test_a_comment_before_an_event_hides_no_call() -> None:
    told = Retold({"id": "1"}, frozenset())
    event = {"choices": [{"delta": {"content": "x", "tool_calls": [call("send_mail")]}}]}
    out = told.feed(b": y\ndata: " + json.dumps(event).encode() + b"\n\n")
    assert b"send_mail" not in out
    assert told.text == "x"
