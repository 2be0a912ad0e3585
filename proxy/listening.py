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
"""Longest wait for the head of a request, from its first byte or from the connection on; and for the rest of one that was answered
before it was whole."""
MAX_HEAD_BYTES = 65_536
"""Of a head, and of what comes beside the chunks of a body (extensions, trailers); a chunk may run over, and is not kept."""
_ONCE = (b"host", b"authorization", b"x-api-key")
"""Fields that a head has once: of two, every reader takes another one (RFC 9110, 5.3; RFC 9112, 3.2)."""


class BoundedHead(HttpToolsProtocol):
    """A connection that is closed unless the head of a request comes whole, within a time and a size, and means one thing.

    The base class waits for either without end: whoever opens connections and says nothing, or an empty line after an answer, holds
    as many as there may be. It takes
    trailers for fields of the head, which a gateway before us did not look at, and keeps any number of them. Of a request that
    asks for another protocol it leaves the body unread, and takes it for the next request (RFC 9112, 11.2).

    Of it, this rests on one thing beyond ``asyncio.Protocol``: that it is itself what its httptools parser calls (``on_…``) and
    what a response that is complete calls. A test holds the release of uvicorn to that.
    """

    _client: asyncio.Transport
    _awaited: asyncio.TimerHandle | None = None
    _received = 0
    _in_head = False
    _in_message = False

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
        self._received += len(data)
        super().data_received(data)
        if self._received > MAX_HEAD_BYTES:
            self._give_up()
        elif self._is_idle():  # an empty line, or the rest of what was answered: the base class stopped its own clock
            self._await()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head = self._in_message = True
        self._await()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer, which is left out (RFC 9110, 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is whole. Raises ``ValueError``, which the base class answers with 400 and the end of the connection."""
        self._in_head = False
        self._stop()
        names = [name for name, _ in self.headers]
        if any(names.count(name) > 1 for name in _ONCE):
            raise ValueError("a field that is there once came twice")
        if self.parser.should_upgrade() and (b"content-length" in names or b"transfer-encoding" in names):
            raise ValueError("a body before another protocol")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of its body is there."""
        self._received = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is whole."""
        self._in_message = False
        self._stop()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered, perhaps before it was whole."""
        super().on_response_complete()
        if self.cycle is not None and self.cycle.response_complete and self.cycle.more_body:
            self._await()

    def _is_idle(self) -> bool:
        """Whether everything that was asked is answered, and nothing more is asked yet."""
        return self.cycle is not None and self.cycle.response_complete and not self._in_message

    def _await(self) -> None:
        if self._awaited is None:
            self._awaited = asyncio.get_running_loop().call_later(HEAD_S, self._give_up)

    def _stop(self) -> None:
        self._received = 0
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
