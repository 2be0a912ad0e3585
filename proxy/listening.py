"""The HTTP server's own life: it says where it listens, it waits for no client without end, and it returns on a signal so that its
caller can close what is open.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

READY = "APOSTILLE_URL="
"""Begins the line that tells the address, once a server answers."""
UNREAD_MS = 60_000
"""How long a client may read nothing of what was sent to it. Then the kernel drops the connection (tcp(7), ``TCP_USER_TIMEOUT``): a
deadline ends the request, and nothing else would ever end a connection whose other side keeps it open and does not read.
"""
COLLECT_AFTER = (20_000, 50, 100)
"""Allocations before the cycle collector looks at each generation: a request makes hundreds of values and hardly a cycle."""

HEAD_S = 15.0
"""Longest wait for the head of a request, from its first byte or from the connection on."""
MAX_HEAD_BYTES = 65_536
"""Of a head; a chunk may run over, and is not kept."""


class BoundedHead(HttpToolsProtocol):
    """A connection that is closed unless the head of a request comes whole, within a time and a size.

    The base class waits for either without end: whoever opens connections and says nothing holds as many as there may be. Of it,
    this rests on one thing beyond ``asyncio.Protocol``: that it is itself what its httptools parser calls (``on_message_begin``,
    ``on_headers_complete``). A test holds the release of uvicorn to that.
    """

    _client: asyncio.Transport
    _awaited: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class
        """A client is there."""
        self._client = transport
        super().connection_made(transport)
        self._await()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """It said something."""
        before = self._awaited
        super().data_received(data)
        if before is not None and self._awaited is before:
            self._received += len(data)
            if self._received > MAX_HEAD_BYTES:
                self._give_up()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._await()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is whole."""
        self._stop()
        super().on_headers_complete()

    def _await(self) -> None:
        if self._awaited is None:
            self._received = 0
            self._awaited = asyncio.get_running_loop().call_later(HEAD_S, self._give_up)

    def _stop(self) -> None:
        if self._awaited is not None:
            self._awaited.cancel()
            self._awaited = None

    def _give_up(self) -> None:
        self._stop()
        if not self._client.is_closing():
            self._client.close()


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
