"""Errors of the endpoints that are not on the hot path, in the shape of the caller's API family.

``docs/reference/error-codes.md`` lists them.
"""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from audit.errors import AuditError, UnreadableError, in_words
from proxy.api import messages
from proxy.errors import EvidenceDown, NotFound, ProxyError
from proxy.wire import openai_chat
from proxy.wire.anthropic_messages import errors as anthropic

Endpoint = Callable[[Request], Awaitable[Response]]
_log = logging.getLogger(__name__)

WITHOUT_VERSION = ("/chat/completions", "/models", "/messages")


def answered(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its ``ProxyError`` turned into a response; evidence that cannot be read, or is damaged, is a 503."""

    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ProxyError as error:
            return rendered(error, request)
        except (AuditError, OSError) as error:
            _log.error("evidence that was asked for cannot be read: %s", in_words(error))
            return rendered(EvidenceDown("the evidence cannot be read now", code=UnreadableError.code), request)

    return wrapped


def rendered(error: ProxyError, request: Request) -> Response:
    """Response of an error to a request."""
    body = anthropic.render(error) if messages.is_spoken(request) else openai_chat.render_error(error)
    return Response(body, status_code=error.status, media_type="application/json")


async def not_found(request: Request, __: Exception) -> Response:
    """Response for a path that is not there."""
    return rendered(
        NotFound(f"expected a path of this API{_slip(request.url.path)}; `docs/reference/http-api.md` lists them"),
        request,
    )


def _slip(path: str) -> str:
    """What is wrong with a path that an SDK makes from the other family's base URL; "" for any other. Quotes no path."""
    if path.startswith("/v1/v1/"):
        return ", got `/v1` twice (Anthropic's SDKs add it to `base_url` by themselves)"
    if path in WITHOUT_VERSION:
        return ", got one without `/v1` (OpenAI's SDKs expect it in `base_url`)"
    return ""


async def method_not_allowed(request: Request, __: Exception) -> Response:
    """Response for a method that a path does not take."""
    return rendered(ProxyErrorMethod(), request)


class ProxyErrorMethod(ProxyError):
    """A known path, another method."""

    status = 405
    code = "method-not-allowed"
    kind = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("expected another method on this path; `docs/reference/http-api.md` lists them")
