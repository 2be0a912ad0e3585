"""A witness over HTTP (C2SP tlog-witness): ``POST /add-checkpoint``, and ``GET /<hash of origin>/checkpoint`` to look it up.

No credential: a request counts by its log's signature. Bodies are read up to the protocol's limit and no further, and no more
connections are served than ``MAX_CONNECTIONS``. Put TLS in front.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from audit.witness import ADD_CHECKPOINT, MAX_REQUEST_BYTES, TEXT
from audit.witness_store import Witness
from proxy.listening import Announcing, BoundedHead

MAX_CONNECTIONS = 256
BODY_TIMEOUT_S = 10.0
"""Longest wait for a body."""

_log = logging.getLogger(__name__)


def application(witness: Witness) -> Starlette:
    """The routes over one witness."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                content = await _body(request)
        except TimeoutError:
            return PlainTextResponse("the body did not arrive in time\n", status_code=408)
        try:
            answer = await asyncio.to_thread(witness.add, content)
        except OSError as error:
            _log.error("a checkpoint cannot be kept, so it is not cosigned: %s", error)
            return PlainTextResponse("the checkpoint cannot be made durable now\n", status_code=500)
        return Response(answer.body, status_code=answer.status, headers={"content-type": answer.media_type})

    async def latest(request: Request) -> Response:
        found = await asyncio.to_thread(witness.latest, request.path_params["hashed"])
        if found is None:
            return PlainTextResponse("expected the hash of the origin of a log that was cosigned\n", status_code=404)
        return Response(found, headers={"content-type": TEXT, "cache-control": "no-cache"})

    return Starlette(
        routes=[
            Route(ADD_CHECKPOINT, add_checkpoint, methods=["POST"]),
            Route("/{hashed}/checkpoint", latest, methods=["GET"]),
        ]
    )


async def _body(request: Request) -> bytes:
    """The body, or as much of it as shows that it is over the limit."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_REQUEST_BYTES:
            break
    return bytes(content)


def serve(
    folder: Path, clock: Callable[[], float], *, host: str, port: int, ready: Callable[[Witness, int], None]
) -> None:
    """Serve the witness of a folder until SIGTERM or SIGINT. Raises ``HistoryError`` before it answers anything."""
    with closing(Witness(folder, clock)) as witness:
        config = uvicorn.Config(
            application(witness),
            host=host,
            port=port,
            http=BoundedHead,
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_config=None,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )
        Announcing(config, lambda found: ready(witness, found)).run()
