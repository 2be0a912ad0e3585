"""``POST /v1/messages`` (Anthropic API reference, "Create a Message"), and what else is Anthropic's about a request's headers."""

from starlette.requests import Request

from proxy import auth
from proxy.api.inference import Headers, InferenceEndpoint, text
from proxy.core.request import InferenceRequest
from proxy.errors import ClientError, ProxyError
from proxy.wire.anthropic_messages import errors, request

PATH = "/v1/messages"
VERSION = "anthropic-version"
VERSIONS = ("2023-06-01", "2026-10-21")
"""Those whose requests and answers have the form that is read and written here; 2023-01-01 had other streams."""


class MessagesEndpoint(InferenceEndpoint):
    """Anthropic's family."""

    def credential(self, headers: Headers) -> str | None:
        """The credential, by either of its names. Raises ``ClientError`` for two, or for another version of the API."""
        check_version(text(headers.get(VERSION.encode())))
        return auth.presented(text(headers.get(b"authorization")), text(headers.get(b"x-api-key")))

    def parse(self, body: bytes, *, max_messages: int) -> InferenceRequest:
        """The request in a body. Raises ``ClientError``."""
        return request.parse(body, max_messages=max_messages)

    def error(self, error: ProxyError) -> bytes:
        """The body of an error."""
        return errors.render(error)


def check_version(named: str | None) -> None:
    """Raise ``ClientError`` for a version of Anthropic's API in which a request could mean something else. None: it names none."""
    if named is not None and named not in VERSIONS:
        raise ClientError(
            f"`{VERSION}`: expected one of {', '.join(VERSIONS)}, got another", code="unsupported-value", param=VERSION
        )


def is_spoken(request: Request) -> bool:
    """Whether whoever asks speaks Anthropic's API: by the path, or because it names a version of it."""
    path = request.url.path
    return VERSION in request.headers or path == PATH or path.startswith(f"{PATH}/")


def credential_of(request: Request) -> str | None:
    """The credential of a request off the hot path, by either of its names. Raises ``ClientError`` for two that differ."""
    return auth.presented(request.headers.get("authorization"), request.headers.get("x-api-key"))
