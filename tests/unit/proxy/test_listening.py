"""A server that waits for no client without end: a head comes whole in its time and size, or the connection is closed."""

import asyncio
import contextlib
import inspect
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from proxy import listening
from proxy.listening import Announcing, BoundedHead

ANSWERED = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


async def _hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    ready, ports = threading.Event(), [0]

    def tell(found: int) -> None:
        ports[0] = found
        ready.set()

    config = uvicorn.Config(
        Starlette(routes=[Route("/", _hello)]), port=0, http=BoundedHead, lifespan="off", log_config=None
    )
    server = Announcing(config, tell)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]  # signals are the main thread's
    thread = threading.Thread(target=server.run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "HEAD_S", 0.5)
        thread.start()
        assert ready.wait(60)
        yield ports[0]
        server.should_exit = True
        thread.join()


def test_uvicorn_is_the_release_whose_protocol_was_read() -> None:
    """``BoundedHead`` is a subclass of what uvicorn does not promise to keep. For another release: read
    ``uvicorn/protocols/http/httptools_impl.py``, see that what is asserted here and in its docstring holds, and put it here.
    """
    assert uvicorn.__version__.startswith("0.54.")
    assert "httptools.HttpRequestParser(self)" in inspect.getsource(HttpToolsProtocol.__init__)
    assert "self.parser.feed_data(data)" in inspect.getsource(HttpToolsProtocol.data_received)
    ours = {name for name in vars(BoundedHead) if callable(getattr(BoundedHead, name)) and not name.startswith("_")}
    assert ours == {"connection_made", "connection_lost", "data_received", "on_message_begin", "on_headers_complete"}
    assert ours <= vars(HttpToolsProtocol).keys()
    private = {name for name in vars(BoundedHead) if name.startswith("_") and not name.startswith("__")}
    theirs = set(re.findall(r"self\.(_\w+)", inspect.getsource(HttpToolsProtocol)))
    assert private.isdisjoint(theirs), "a name of ours is one of uvicorn's now"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("said", [b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nx: " + b"y" * 1000])
def test_a_head_that_does_not_come_whole_in_time_closes_the_connection(port: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(said)
        assert client.recv(1) == b""


@pytest.mark.timeout(60)
def test_a_byte_now_and_then_does_not_keep_a_connection(port: int) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(OSError):
        for sent in range(1000):  # noqa: B007  # how many it took
            client.sendall(b"x")
            time.sleep(0.05)
    assert sent < 900


@pytest.mark.timeout(60)
def test_a_head_without_end_is_not_read(port: int) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(OSError):
        client.sendall(b"GET / HTTP/1.1\r\n")
        while sent < 1 << 26:
            client.sendall(b"x: " + b"y" * 60_000 + b"\r\n")
            sent += 60_005
    assert sent < 1 << 26


@pytest.mark.timeout(60)
def test_a_connection_that_is_kept_alive_is_not_closed_between_requests(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        for _ in range(2):
            client.sendall(ANSWERED)
            answer = b""
            while not answer.endswith(b"hello"):
                answer += client.recv(4096)
            time.sleep(0.8)
        client.sendall(ANSWERED[:10])
        assert client.recv(1) == b"", "expected the second head to have its limit too"


@pytest.mark.skipif(sys.platform != "linux", reason="an option of Linux")
async def test_a_connection_that_is_accepted_ends_by_itself_if_nothing_is_read() -> None:
    told: list[int] = []
    app = Starlette(routes=[Route("/", _hello)])
    server = Announcing(uvicorn.Config(app, port=0, log_config=None, lifespan="off"), told.append)
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
