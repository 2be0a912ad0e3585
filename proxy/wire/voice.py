"""How an answer is told in the API family that its client speaks. What goes in is the neutral form, OpenAI's, whoever answered.

Pure. A chat completion's client gets what goes in as it is; a message's has it turned, chunk by chunk where it is a stream.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from proxy.core.request import Family, InferenceRequest, JsonObject
from proxy.errors import ProxyError
from proxy.wire import openai_chat
from proxy.wire.anthropic_messages import answer, errors, events, request

Parse = Callable[..., InferenceRequest]
"""A body, and the most messages that it may have, to a request."""

PARSERS: Mapping[str, Parse] = {
    Family.OPENAI_CHAT.value: openai_chat.parse,
    Family.ANTHROPIC_MESSAGES.value: request.parse,
}
"""By the family's name on record."""


class Voice(Protocol):
    """One answer's. Raises ``ValueError`` for what an upstream said and what has no form in the family."""

    def whole(self, completion: bytes) -> bytes:
        """The body of a completion."""

    def events(self, events: bytes) -> bytes:
        """Whole events of a stream; its end is left out."""

    def end(self, head: Mapping[str, Any], receipt: JsonObject | None) -> bytes:
        """What completes a stream. ``head``: members of the chunks before; ``receipt``: the whole one, if that was asked for."""

    def error(self, error: ProxyError) -> bytes:
        """The body of an error."""

    def error_event(self, error: ProxyError) -> bytes:
        """The error that a stream ends with in place of its end."""


class _Chat:
    """OpenAI's chat completions: the neutral form itself."""

    def whole(self, completion: bytes) -> bytes:
        return completion

    def events(self, events: bytes) -> bytes:
        return events

    def end(self, head: Mapping[str, Any], receipt: JsonObject | None) -> bytes:
        return (openai_chat.render_receipt_event(head, receipt) if receipt else b"") + openai_chat.DONE

    def error(self, error: ProxyError) -> bytes:
        return openai_chat.render_error(error)

    def error_event(self, error: ProxyError) -> bytes:
        return openai_chat.render_error_event(error)


class _Messages:
    """Anthropic's messages. ``used``: tokens in and out, once they are known."""

    def __init__(self, asked: InferenceRequest, record: str, used: Callable[[], tuple[int, int]]) -> None:
        self._asked = asked
        self._identifier = f"msg_{record}"
        self._stops = asked.parameters.get("stop", ())
        self._used = used
        self._told = events.Told(self._identifier, asked.model, self._stops)

    def whole(self, completion: bytes) -> bytes:
        model, usage = self._asked.model, self._usage()
        return answer.message(completion, identifier=self._identifier, model=model, usage=usage, stops=self._stops)

    def events(self, events: bytes) -> bytes:
        return self._told.feed(events)

    def end(self, head: Mapping[str, Any], receipt: JsonObject | None) -> bytes:
        return self._told.end(self._usage(), receipt)

    def error(self, error: ProxyError) -> bytes:
        return errors.render(error)

    def error_event(self, error: ProxyError) -> bytes:
        return errors.event(error)

    def _usage(self) -> JsonObject:
        tokens_in, tokens_out = self._used()
        return {"input_tokens": tokens_in, "output_tokens": tokens_out}


_CHAT = _Chat()


def of(asked: InferenceRequest, record: str, used: Callable[[], tuple[int, int]]) -> Voice:
    """The voice for the answer to a request. ``used``: gives its tokens in and out, once they are known."""
    return _CHAT if asked.family is Family.OPENAI_CHAT else _Messages(asked, record, used)
