"""Every API family has a reader, a voice and a route in traces; a chat completion's voice changes nothing."""

import json

import pytest

from audit import traces
from proxy.core.request import Family, InferenceRequest
from proxy.errors import ClientError
from proxy.wire import openai_chat, voice

BODY = (
    b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "apostille": {"receipt": "full"}}'
)
COMPLETION = b'{"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}'
CHUNK = openai_chat.render_delta({"model": "m"}, {"content": "a"})


def of(family: Family) -> tuple[InferenceRequest, voice.Voice]:
    asked = voice.PARSERS[family.value](BODY, max_messages=1)
    return asked, voice.of(asked, "r-1", lambda: (3, 4))


def test_each_family_has_a_reader_and_a_route() -> None:
    families = {family.value for family in Family}
    assert families == set(voice.PARSERS) == set(traces.ROUTES)


@pytest.mark.parametrize("family", Family)
def test_what_each_family_reads_is_of_that_family_and_ends_after_everything_else(family: Family) -> None:
    asked, told = of(family)
    assert asked.family is family
    assert json.loads(told.error(ClientError("words")))["error"]["code"] == "invalid-request"
    assert told.error(ClientError("words")) in told.error_event(ClientError("words"))
    assert b'"a"' in told.whole(COMPLETION)
    end = told.end({"id": "x"}, {"record": "r-1"})
    assert b'{"record":"r-1"}' in end


def test_a_chat_completion_stays_as_it_is() -> None:
    _, told = of(Family.OPENAI_CHAT)
    assert told.whole(COMPLETION) is COMPLETION
    assert told.events(CHUNK) is CHUNK
    assert told.end({}, None) == openai_chat.DONE
    assert told.end({}, {"record": "r"}).endswith(openai_chat.DONE)


def test_a_message_is_turned_and_says_what_was_used() -> None:
    _, told = of(Family.ANTHROPIC_MESSAGES)
    message = json.loads(told.whole(COMPLETION))
    assert (message["id"], message["model"]) == ("msg_r-1", "m")
    assert message["usage"] == {"input_tokens": 3, "output_tokens": 4}
    assert b"text_delta" in told.events(CHUNK)
    assert told.end({}, None).endswith(b'{"type":"message_stop"}\n\n')
