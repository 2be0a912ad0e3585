"""``POST /v1/chat/completions`` (OpenAI API reference, "Create chat completion")."""

from proxy.api.inference import Headers, InferenceEndpoint, text
from proxy.core.request import InferenceRequest
from proxy.errors import ProxyError
from proxy.wire import openai_chat as wire

PATH = "/v1/chat/completions"


class ChatEndpoint(InferenceEndpoint):
    """OpenAI's family."""

    def credential(self, headers: Headers) -> str | None:
        """The bearer credential."""
        return text(headers.get(b"authorization"))

    def parse(self, body: bytes, *, max_messages: int) -> InferenceRequest:
        """The request in a body. Raises ``ClientError``."""
        return wire.parse(body, max_messages=max_messages)

    def error(self, error: ProxyError) -> bytes:
        """The body of an error."""
        return wire.render_error(error)
