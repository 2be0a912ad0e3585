"""What simulated upstreams share: a listener on loopback over asyncio streams, which counts its connections and ends them."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Self

LONGEST_LINE = 1 << 25


@dataclass(kw_only=True)
class Loopback(ABC):
    """A listener. ``connections``: that were accepted; ``open``: that nobody has closed yet; ``cancelled``: cut by either side."""

    connections: int = 0
    open: int = 0
    cancelled: int = 0
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, limit=LONGEST_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop what is open."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def base_url(self) -> str:
        """What a catalogue names."""
        return f"http://127.0.0.1:{self.port}/v1"

    @abstractmethod
    async def served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Everything on one connection, which is closed after it."""

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.open += 1
        try:
            await self.served(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.cancelled += 1
        finally:
            self.open -= 1
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()
