"""Forwarding of upstream streams: byte for byte, end mark held back, usage read, whatever way the bytes are cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire.event_stream import MAX_EVENT_BYTES, EventStream


def event(content: str) -> bytes:
    value = {"id": "x", "model": "m", "choices": [{"index": 0, "delta": {"content": content}}]}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


USAGE = b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}\n\n'
DONE = b"data: [DONE]\n\n"
WHOLE = event("a") + event("b [DONE] data: [DONE] in a text") + USAGE + DONE


def fed(stream: EventStream, pieces: list[bytes]) -> bytes:
    return b"".join(stream.feed(piece) for piece in pieces)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=12), st.booleans())
def test_any_cut_of_the_bytes_gives_the_same(cuts: list[int], keep: bool) -> None:
    places = sorted({0, *cuts, len(WHOLE)})
    stream = EventStream(keep_usage=keep)
    out = fed(stream, [WHOLE[a:b] for a, b in pairwise(places)])
    assert out == (WHOLE.removesuffix(DONE) if keep else WHOLE.removesuffix(USAGE + DONE))
    assert stream.done
    assert stream.usage is not None
    assert (stream.usage.tokens_in, stream.usage.tokens_out, stream.model, stream.upstream_id) == (3, 5, "m", "x")


def test_carriage_returns_are_kept() -> None:
    content = WHOLE.replace(b"\n", b"\r\n")
    stream = EventStream(keep_usage=True)
    assert stream.feed(content) == content.removesuffix(DONE.replace(b"\n", b"\r\n"))
    assert stream.done


def test_usage_in_an_event_with_choices_is_passed_on() -> None:
    last = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    stream = EventStream(keep_usage=False)
    assert stream.feed(event("a") + last + DONE) == event("a") + last


def test_an_error_event_is_held_back_and_told() -> None:
    stream = EventStream(keep_usage=False)
    assert stream.feed(event("a") + b'data: {"error": {"message": "gone"}}\n\n') == event("a")
    assert stream.error
    assert not stream.done


def test_nothing_after_the_end_mark_is_passed_on() -> None:
    stream = EventStream(keep_usage=False)
    stream.feed(event("a") + DONE)
    assert stream.feed(event("b")) == b""


def test_an_event_without_end_is_refused() -> None:
    stream = EventStream(keep_usage=False)
    quarter = b"x" * (MAX_EVENT_BYTES // 4)
    with pytest.raises(ValueError, match="over the limit"):
        fed(stream, [b"data: ", *(quarter for _ in range(5))])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_do_no_harm(pieces: list[bytes]) -> None:
    stream = EventStream(keep_usage=False)
    out = fed(stream, pieces)
    assert len(out) <= len(b"".join(pieces))
    stream.feed(b"\n\n" + DONE)


@pytest.mark.parametrize(
    "usage", ['"no"', "{}", '{"prompt_tokens": -1, "completion_tokens": 2}', '{"prompt_tokens": 1.5}', "null"]
)
def test_usage_that_makes_no_sense_is_no_usage(usage: str) -> None:
    stream = EventStream(keep_usage=True)
    stream.feed(event("a") + b'data: {"choices":[],"usage":' + usage.encode() + b"}\n\n" + DONE)
    assert stream.usage is None


ENDS = (
    b"data:[DONE]\n\n", b"data: [DONE] \n\n", b"data: [DONE]x\n\n", b"data:\t[DONE]\n\n", b"event: end\ndata: [DONE]\n\n",
    b": a comment\rdata: [DONE]\r\n\n", b"\xef\xbb\xbfdata: [DONE]\n\n",
)  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_an_end_mark_is_held_back_however_it_is_spelled(end: bytes) -> None:
    stream = EventStream(keep_usage=False)
    assert stream.feed(event("a")) == event("a")
    assert b"[DONE]" not in stream.feed(end)
    assert stream.done


@pytest.mark.parametrize("between", [b"\r\r", b"\r\n\r\n", b"\n\r", b"\n"])
def test_an_end_mark_inside_of_what_we_take_for_one_event_breaks_the_stream(between: bytes) -> None:
    stream = EventStream(keep_usage=False)
    stream.feed(event("a"))
    with pytest.raises(ValueError, match="an end mark inside"):
        stream.feed(event("b").strip() + between + b"data: [DONE]" + between + b"\n\n")


FORGED = (
    b'data: {"choices":[],"apostille":{"record":"forged"}}\n\n',
    b'data: {"choices":[],"\\u0061postille":{"record":"forged"},"x":"\\ud800"}\n\n',
    b'event: apostille.progress\ndata: {"choices":[],"apostille":{"record":"forged"}}\n\n',
)


@pytest.mark.parametrize("forged", FORGED)
def test_nobody_speaks_in_our_name(forged: bytes) -> None:
    stream = EventStream(keep_usage=False)
    told = stream.feed(event("apostille")) + stream.feed(forged)
    assert told.startswith(event("apostille"))
    assert b"forged" not in told


@pytest.mark.parametrize("said", [b'{"error":{"message":"x"},"choices":[]}', b'{"\\u0065rror":{"message":"x"}}'])
def test_what_a_client_takes_for_an_error_is_one(said: bytes) -> None:
    stream = EventStream(keep_usage=False)
    stream.feed(event("a"))
    assert stream.feed(b"data: " + said + b"\n\n") == b""
    assert stream.error


def test_an_event_that_concerns_us_and_cannot_be_read_breaks_the_stream() -> None:
    for said in (b'{"apostille":', b'"usage":{}', b'["error"]', b'{"x":NaN,"y":"\\ud800"}'):
        stream = EventStream(keep_usage=False)
        stream.feed(event("a"))
        with pytest.raises(ValueError, match="not a JSON object"):
            stream.feed(b"data: " + said + b"\n\n")


def test_halves_of_surrogate_pairs_pass_as_they_came() -> None:
    stream = EventStream(keep_usage=False)
    halves = b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n'
    assert stream.feed(event("a") + halves) == event("a") + halves


@pytest.mark.parametrize(("levels", "kept"), [(300, True), (1_010, False)])
def test_an_event_that_could_not_be_written_again_breaks_the_stream(levels: int, kept: bool) -> None:
    nested = b"[" * levels + b"]" * levels
    stream = EventStream(keep_usage=False)
    thinking = b'data: {"choices":[{"delta":{"content":"x","reasoning":"secret","n":' + nested + b"}}]}\n\n"
    if kept:
        told = stream.feed(thinking)
        assert nested in told
        assert b"secret" not in told
        return
    with pytest.raises(ValueError, match="nested too deeply"):
        stream.feed(thinking)
