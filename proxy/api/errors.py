"""Errors of the endpoints that are not on the hot path, in the same shape as everywhere (``docs/reference/error-codes.md``)."""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from audit.errors import AuditError, UnreadableError, in_words
from proxy.errors import EvidenceDown, NotFound, ProxyError
from proxy.wire import openai_chat as wire

Endpoint = Callable[[Request], Awaitable[Response]]
_log = logging.getLogger(__name__)


def answered(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its ``ProxyError`` turned into a response; evidence that cannot be read, or is damaged, is a 503."""

    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ProxyError as error:
            return rendered(error)
        except (AuditError, OSError) as error:
            _log.error("evidence that was asked for cannot be read: %s", in_words(error))
            return rendered(EvidenceDown("the evidence cannot be read now", code=UnreadableError.code))

    return wrapped


def rendered(error: ProxyError) -> Response:
    """Response of an error."""
    return Response(wire.render_error(error), status_code=error.status, media_type="application/json")


async def not_found(_: Request, __: Exception) -> Response:
    """Response for a path that is not there."""
    return rendered(NotFound("expected a path of this API; `docs/reference/http-api.md` lists them"))


async def method_not_allowed(_: Request, __: Exception) -> Response:
    """Response for a method that a path does not take."""
    return rendered(ProxyErrorMethod())


class ProxyErrorMethod(ProxyError):
    """A known path, another method."""

    status = 405
    code = "method-not-allowed"
    kind = "invalid_request_error"

    def __init__(self) -> None:
        super().__init__("expected another method on this path; `docs/reference/http-api.md` lists them")
