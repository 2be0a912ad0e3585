"""``POST /v1/messages/count_tokens``: an estimate, marked as one, since how many tokens a prompt has depends on who answers.

Nothing is sent to anybody, so nothing is decided or recorded.
"""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from proxy.api import inference, messages, records
from proxy.api.errors import answered
from proxy.snapshot import Snapshot
from proxy.wire.anthropic_messages.request import estimate
from proxy.wire.event_stream import OURS


def routes(snapshot: Callable[[], Snapshot]) -> list[Route]:
    """The route of this module."""

    async def count(request: Request) -> Response:
        current = snapshot()
        messages.check_version(request.headers.get(messages.VERSION))
        records.principal_of(request, current)
        limits, headers = current.settings.server, dict(request.scope["headers"])
        body = await inference.read_in_time(headers, request.receive, limits.max_body_bytes)
        tokens = estimate(body, max_messages=limits.max_messages)
        return JSONResponse({"input_tokens": tokens, OURS: {"estimated": True}})

    return [Route(f"{messages.PATH}/count_tokens", answered(count), methods=["POST"])]
