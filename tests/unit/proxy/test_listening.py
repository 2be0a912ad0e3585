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


async def _told(request: Request) -> PlainTextResponse:
    """What was asked, as far as it was understood: the body first."""
    content = await request.body()
    return PlainTextResponse(f"told {content!r} {request.headers.get('x-forwarded-for')}")


ROUTES = [Route("/", _hello), Route("/told", _told, methods=["POST"])]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    ready, ports = threading.Event(), [0]

    def tell(found: int) -> None:
        ports[0] = found
        ready.set()

    config = uvicorn.Config(Starlette(routes=ROUTES), port=0, http=BoundedHead, lifespan="off", log_config=None)
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
    assert ours == {
        "connection_made", "connection_lost", "data_received", "on_message_begin", "on_header", "on_headers_complete",
        "on_body", "on_message_complete", "on_response_complete",
    }  # fmt: skip
    assert "on_response=self.on_response_complete" in inspect.getsource(HttpToolsProtocol.on_headers_complete)
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


def _all_of(port: int, *parts: bytes) -> bytes:
    """Everything that is answered until the connection is closed."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(ConnectionError):
        for part in parts:
            client.sendall(part)
            time.sleep(0.05)
        while part := client.recv(65_536):
            answer += part
    return answer


CHUNKED = b"POST /told HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"


@pytest.mark.timeout(60)
def test_a_trailer_is_no_field_of_the_head(port: int) -> None:
    answer = _all_of(port, CHUNKED + b"x-forwarded-for: 192.0.2.1\r\n\r\n")
    assert answer.endswith(b"told b'hi' None")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("head", [CHUNKED, CHUNKED.replace(b"POST /told", b"GET /")])
@pytest.mark.parametrize("part", [b"x:\r\n" * 16_384, b"x" * 65_536])
def test_trailers_without_end_are_not_read(port: int, head: bytes, part: bytes) -> None:
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(OSError):
        client.sendall(head)
        while sent < 1 << 26:
            client.sendall(part)
            sent += len(part)
    assert sent < 1 << 26


@pytest.mark.timeout(60)
def test_a_body_that_asks_for_another_protocol_is_not_the_next_request(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade\r\ncontent-length: %d\r\n\r\n"
    answer = _all_of(port, head % len(ANSWERED), ANSWERED)
    assert (answer.count(b"HTTP/1.1 "), b"HTTP/1.1 400" in answer, b"hello" in answer) == (1, True, False)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "twice", [b"host: y", b"authorization: Bearer a\r\nAuthorization: Bearer b", b"x-api-key: a\r\nX-Api-Key: a"]
)
def test_a_field_that_every_reader_takes_differently_is_refused(port: int, twice: bytes) -> None:
    answer = _all_of(port, b"GET / HTTP/1.1\r\nhost: x\r\n" + twice + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.timeout(60)
def test_the_rest_of_a_request_that_was_answered_is_not_waited_for_without_end(port: int) -> None:
    head, sent = b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n", 0
    with socket.create_connection(("127.0.0.1", port)) as client, contextlib.suppress(OSError):
        client.sendall(head)
        for sent in range(100):  # noqa: B007  # how many it took
            client.sendall(b"x")
            time.sleep(0.05)
    assert sent < 90


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


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("first", "then"), [(ANSWERED, b"\r\n"), (ANSWERED[:-2] + b"content-length: 5\r\n\r\n", b"12345")]
)
def test_what_comes_after_an_answer_and_begins_nothing_keeps_no_connection(
    port: int, first: bytes, then: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(first)
        answer = b""
        while not answer.endswith(b"hello"):
            answer += client.recv(4096)
        client.sendall(then)
        client.settimeout(20)
        assert client.recv(1) == b""


@pytest.mark.timeout(60)
def test_an_empty_line_before_a_head_is_passed_over(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as client:
        for part in (b"\r\n", ANSWERED, b"\r\n", b"\r\n" + ANSWERED):
            client.sendall(part)
            time.sleep(0.05)
        answer = b""
        while answer.count(b"hello") < 2:
            answer += client.recv(4096)


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
