"""The server's own life: what it listens on drops those who never read."""

import asyncio
import socket
import sys
from typing import Any

import pytest
import uvicorn

from proxy import listening


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that never answers."""
    await receive()


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
async def test_a_connection_that_is_accepted_ends_by_itself_if_nothing_is_read() -> None:
    told: list[int] = []
    config = uvicorn.Config(_nothing, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = listening.Announcing(config, told.append)
    running = asyncio.create_task(server.serve())
    while not told:
        await asyncio.sleep(0.01)
    _, writer = await asyncio.open_connection("127.0.0.1", told[0])
    while not server.server_state.connections:
        await asyncio.sleep(0.01)
    (accepted,) = server.server_state.connections
    found = accepted.transport.get_extra_info("socket")  # type: ignore[union-attr]
    assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == listening.UNREAD_MS
    writer.close()
    await writer.wait_closed()
    server.should_exit = True
    await running
