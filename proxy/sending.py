"""The client's side of a request, and the commitment to what it is sent."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from audit import statement
from proxy.core.keeping import Contents
from proxy.transports.base import UpstreamServerError
from proxy.wire.voice import Voice


class Exchange(Protocol):
    """The client's side of one request: a head once, then content, then its end."""

    async def begin(self, status: int, media_type: str, headers: Sequence[tuple[str, str]]) -> None:
        """Send the head of the response."""

    async def send(self, content: bytes) -> None:
        """Send some of the body."""

    async def end(self, content: bytes) -> None:
        """Send the last of the body."""


class Sent:
    """The commitment to what the client was sent, as it grows."""

    __slots__ = ("_contents", "_exchange", "_voice", "hash", "size")

    def __init__(
        self, exchange: Exchange, voice: Voice, commitment: "hashlib._Hash", contents: Contents | None
    ) -> None:
        self._contents = contents
        self._exchange = exchange
        self._voice = voice
        self.hash = commitment
        self.size = 0

    def note(self, content: bytes) -> None:
        """Count bytes that are about to be sent."""
        self.hash.update(content)
        self.size += len(content)
        if self._contents is not None:
            self._contents.note(statement.ANSWER, content)

    async def send(self, events: bytes) -> None:
        """Send events of a stream and count them. Raises an ``UpstreamError`` for what has no form in the client's family."""
        try:
            content = self._voice.events(events)
        except ValueError as cause:
            raise UpstreamServerError(f"expected chunks of a completion, got {cause}") from cause
        if content:
            self.note(content)
            await self._exchange.send(content)
