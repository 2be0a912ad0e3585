"""An upstream that keeps to nothing: for each model it answers with the bytes that a test gives, in the pieces it gives them in.

No HTTP library stands between, so that heads, lengths and chunks can be as wrong as an attacker makes them. ``Pieces``: each is sent
alone, and ``PAUSE`` waits.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.loopback import Loopback

PAUSE = b""
"""Instead of a piece: wait long enough that what came before is read by itself."""
PAUSE_S = 0.05
FOREVER = b"\0forever"
"""Instead of a piece: send what came last again and again."""
MESSAGE = {"role": "assistant", "content": "answer: 42"}
DONE = b"data: [DONE]\n\n"

Pieces = Sequence[bytes]


def whole(content: bytes, media: str = "application/json") -> Pieces:
    """A plain answer with its length."""
    return (f"HTTP/1.1 200 OK\r\ncontent-type: {media}\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content,)


def completion(message: Any = None, **members: Any) -> bytes:
    """A completion's body."""
    choice = {"index": 0, "message": message or MESSAGE, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    return json.dumps({"id": "x", "model": "m", "choices": [choice], "usage": usage, **members}).encode()


def stream(*pieces: bytes) -> Pieces:
    """A streamed answer that ends with its connection."""
    return (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n", *pieces)


def event(delta: Any, finish: str | None = None, **members: Any) -> bytes:
    """A chunk of a completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "model": "m", "choices": [choice], **members}).encode() + b"\n\n"


def said(text: str) -> bytes:
    """A chunk of text."""
    return event({"content": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """What a model answers."""

    plain: Pieces = field(default_factory=lambda: whole(completion()))
    streamed: Pieces = field(default_factory=lambda: stream(said("answer: "), said("42"), event({}, "stop"), DONE))


@dataclass
class Upstream(Loopback):
    """The simulator. ``bodies``: requests."""

    models: Mapping[str, Hostile]
    bodies: list[dict[str, Any]] = field(default_factory=list)

    async def served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = next(line.split(":")[1] for line in head.split("\r\n") if line.startswith("content-length:"))
        body = json.loads(await reader.readexactly(int(length)))
        self.bodies.append(body)
        found = self.models[body["model"]]
        await self._send(writer, found.streamed if body.get("stream") else found.plain)

    @staticmethod
    async def _send(writer: asyncio.StreamWriter, pieces: Pieces) -> None:
        last = b""
        for piece in pieces:
            if piece == PAUSE:
                await asyncio.sleep(PAUSE_S)
                continue
            while piece == FOREVER:
                await asyncio.sleep(PAUSE_S / 5)
                writer.write(last)
                await writer.drain()
            writer.write(piece)
            await writer.drain()
            last = piece
