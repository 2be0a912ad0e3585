"""The HTTP server's own life: it says where it listens, and it returns on a signal so that its caller can close what is open."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

READY = "APOSTILLE_URL="
"""Begins the line that tells the address, once a server answers."""
UNREAD_MS = 60_000
"""How long a client may read nothing of what was sent to it. Then the kernel drops the connection (tcp(7), ``TCP_USER_TIMEOUT``): a
deadline ends the request, and nothing else would ever end a connection whose other side keeps it open and does not read.
"""
COLLECT_AFTER = (20_000, 50, 100)
"""Allocations before the cycle collector looks at each generation: a request makes hundreds of values and hardly a cycle."""


class Announcing(uvicorn.Server):
    """Says on which port it listens, which matters when that was left to the system.

    What was loaded until then stays, so the cycle collector need not walk it again under load.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._tell = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal and return. The base class raises it again, which would end the process before its files are closed."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: Any = None) -> None:
        """Start listening, then tell."""
        await super().startup(sockets=sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        listening = [each for server in self.servers for each in server.sockets]
        for each in listening:
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # what is accepted inherits it
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        for each in listening:
            await asyncio.to_thread(self._tell, int(each.getsockname()[1]))
            return
