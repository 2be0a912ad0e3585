"""Recorded models over HTTP on loopback: one port for each vendor, which counts who connects. Answers at once and whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httptools
import orjson

from proxy.evaluation.shelf import Shelf, completion

MAX_BODY = 4 * 1024 * 1024


@dataclass(slots=True)
class Vendor:
    """A vendor's port. ``connections``: how many were opened to it."""

    shelf: Shelf
    port: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until its client ends it."""
        self.connections += 1
        with contextlib.suppress(ConnectionError, httptools.HttpParserError, asyncio.IncompleteReadError):
            while (body := await _request(reader)) is not None:
                status, answer = self._answer(body)
                content = orjson.dumps(answer)
                head = (
                    f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
                )
                writer.write(head.encode() + content)
                await writer.drain()
        writer.close()

    def _answer(self, body: bytes) -> tuple[int, object]:
        try:
            asked = orjson.loads(body)
            model, prompt = self.shelf.asked(asked)
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
            return 400, {"error": {"message": "expected a chat completion request", "code": "invalid_request"}}
        found = self.shelf.answers.get((model, prompt))
        if found is None:
            status, error = self.shelf.missing(prompt)
            return status, {"error": error}
        return 200, completion(model, prompt, found, asked.get("max_completion_tokens") or asked.get("max_tokens"))


class _Message:
    """What the parser tells of one request."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.whole = False

    def on_body(self, content: bytes) -> None:
        """More of the body."""
        self.body += content
        if len(self.body) > MAX_BODY:
            raise httptools.HttpParserError

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.whole = True


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """The body of the next request; None at the end of the connection. A client waits for its answer before it asks again."""
    message = _Message()
    parser = httptools.HttpRequestParser(message)
    while not message.whole:
        content = await reader.read(65_536)
        if not content:
            return None
        parser.feed_data(content)
    return bytes(message.body)


@asynccontextmanager
async def serving(shelf: Shelf) -> AsyncIterator[Mapping[str, Vendor]]:
    """A port of its own for every vendor that has an answer."""
    async with contextlib.AsyncExitStack() as stack:
        vendors = {name: Vendor(shelf) for name in shelf.vendors()}
        for vendor in vendors.values():
            server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, backlog=512)
            vendor.port = server.sockets[0].getsockname()[1]
            stack.callback(server.close)
        yield vendors
