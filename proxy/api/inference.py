"""Requests for answers as plain ASGI, whatever API family they come in: the hot path (ASGI 3.0).

The body is read up to the limit and no further. While the pipeline works, the client's side is watched: if it leaves, the
work is cancelled and the record says so.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from starlette.types import Message, Receive, Scope, Send

from proxy.calls import CUT_CLIENT
from proxy.core.request import InferenceRequest
from proxy.errors import ClientError, ProxyError, TooLarge
from proxy.pipeline import Pipeline
from proxy.snapshot import Snapshot

READ_S = 60.0
"""Longest time for a request's body to arrive: a slow sender must not hold a connection for ever."""
_log = logging.getLogger(__name__)


Headers = Mapping[bytes, bytes]
"""Of a request, their names in lower case."""


class InferenceEndpoint(ABC):
    """The endpoint of one API family. ``snapshot`` gives what is in force; a request keeps the one it began with."""

    def __init__(self, pipeline: Pipeline, snapshot: Callable[[], Snapshot]) -> None:
        self._pipeline = pipeline
        self._snapshot = snapshot

    @abstractmethod
    def credential(self, headers: Headers) -> str | None:
        """The value of ``authorization``, or what stands for it in this family. Raises ``ClientError``."""

    @abstractmethod
    def parse(self, body: bytes, *, max_messages: int) -> InferenceRequest:
        """The request in a body. Raises ``ClientError``."""

    @abstractmethod
    def error(self, error: ProxyError) -> bytes:
        """The body of an error."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every failure becomes an error in the family's shape."""
        exchange = _Exchange(send)
        try:
            await self._answer(scope, receive, exchange)
        except ProxyError as error:
            await self._send_error(exchange, error)
        except Exception:  # noqa: BLE001  # the edge of the process: the client gets a 500 that says nothing more
            _log.exception("internal error")
            await self._send_error(exchange, ProxyError("an internal error; the operator's log has its trace"))

    async def _answer(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        if scope["method"] != "POST":
            raise ClientError("expected POST", code="method-not-allowed", status=405)
        headers: dict[bytes, bytes] = dict(scope["headers"])
        peer = scope.get("client")
        snapshot = self._snapshot()
        principal = snapshot.authenticator.principal(
            self.credential(headers),
            _list(scope, b"apostille-jurisdiction"),
            peer[0] if peer else None,
            _list(scope, b"x-forwarded-for"),
        )
        limits = snapshot.settings.server
        body = await read_in_time(headers, receive, limits.max_body_bytes)
        request = self.parse(body, max_messages=limits.max_messages)
        caller = snapshot.caller(principal.tenant_id, principal.signals, principal.trusted, principal.key_id)
        task = asyncio.current_task()
        assert task is not None
        watch = asyncio.ensure_future(_cancel_when_gone(receive, task))
        try:
            await self._pipeline.answer(request, caller, snapshot, exchange)
        except asyncio.CancelledError:
            # Not by its words: a deadline that passed at the same moment leaves those of whoever came first.
            if not watch.done():
                raise
            task.uncancel()  # the client left; its record says so, and nobody is there to be told
        finally:
            watch.cancel()

    async def _send_error(self, exchange: "_Exchange", error: ProxyError) -> None:
        if exchange.begun:  # in the middle of an answer: the connection ends without the end mark
            await exchange.end(b"")
            return
        body = self.error(error)
        await exchange.begin(error.status, "application/json", (("content-length", str(len(body))),))
        await exchange.end(body)


class _Exchange:
    """The client's side over ASGI. ``begun``: a head was sent, so no other can be."""

    __slots__ = ("_send", "begun")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def begin(self, status: int, media_type: str, headers: Sequence[tuple[str, str]]) -> None:
        """Send the head."""
        self.begun = True
        raw = [(b"content-type", media_type.encode("latin-1"))]
        raw += [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def send(self, content: bytes) -> None:
        """Send some of the body."""
        await self._send({"type": "http.response.body", "body": content, "more_body": True})

    async def end(self, content: bytes) -> None:
        """Send the last of the body."""
        await self._send({"type": "http.response.body", "body": content, "more_body": False})


async def read_in_time(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The request's body. Raises ``ClientError`` where it is not there in time, ``TooLarge``."""
    try:
        async with asyncio.timeout(READ_S):
            return await read_body(headers, receive, limit)
    except TimeoutError:
        raise ClientError(
            f"expected a whole request within {READ_S:.0f} seconds", code="request-timeout", status=408
        ) from None


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The request's body. Raises ``TooLarge`` as soon as the limit is passed, or announced to be."""
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced) > limit:
        raise TooLarge(f"expected a body of at most {limit} bytes, got {int(announced)}")
    message: Message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise TooLarge(f"expected a body of at most {limit} bytes, got more")
        return body
    parts, size = [], 0
    while message["type"] == "http.request":
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"expected a body of at most {limit} bytes, got more")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise ClientError("the client left before its request was complete", code="incomplete-request")


async def _cancel_when_gone(receive: Receive, task: "asyncio.Task[None]") -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    task.cancel(CUT_CLIENT)


def _list(scope: Scope, name: bytes) -> str | None:
    """A list header, all its lines in order (RFC 9110, 5.3): with one line alone a client's could hide its hop's."""
    lines = [value for key, value in scope["headers"] if key == name]
    return text(b",".join(lines)) if lines else None


def text(value: bytes | None) -> str | None:
    """A header's value; None where there is none."""
    return None if value is None else value.decode("latin-1")
