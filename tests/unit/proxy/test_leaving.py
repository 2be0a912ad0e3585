"""A client that leaves at the very moment when something else cancels its request, too."""

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from audit.vocabulary import Sha256Hex
from proxy.api.chat import ChatEndpoint
from proxy.auth import Principal

BODY = orjson.dumps({"model": "one", "messages": [{"role": "user", "content": "hello"}]})
SCOPE = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "client": None}


class Answering:
    """A pipeline whose request is cancelled as by a deadline, with the client leaving in the same turn of the loop or not."""

    def __init__(self, *, leaving: bool) -> None:
        self.gone = asyncio.Event()
        self.leaving = leaving

    async def answer(self, *_: Any) -> None:
        """Wait for the end."""
        task = asyncio.current_task()
        assert task is not None
        await asyncio.sleep(0.01)  # the endpoint listens for the client's end by now
        asyncio.get_running_loop().call_soon(task.cancel)
        if self.leaving:
            self.gone.set()
        await asyncio.sleep(60)


async def answered(pipeline: Answering) -> None:
    """One request over the endpoint."""
    principal = Principal(tenant_id="de", key_id="k", signals=(), trusted=frozenset(), pseudonym=Sha256Hex("0" * 64))
    snapshot = SimpleNamespace(
        authenticator=SimpleNamespace(principal=lambda *_: principal),
        settings=SimpleNamespace(server=SimpleNamespace(max_body_bytes=10_000, max_messages=10)),
        caller=lambda *_: None,
    )
    messages = [{"type": "http.request", "body": BODY, "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await pipeline.gone.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        raise AssertionError("nobody is there to be told")

    await ChatEndpoint(pipeline, lambda: snapshot)(SCOPE, receive, send)  # type: ignore[arg-type]  # what it uses of them


async def test_it_is_no_defect_that_a_deadline_passed_as_the_client_left() -> None:
    await asyncio.create_task(answered(Answering(leaving=True)))


async def test_a_server_that_stops_ends_its_requests() -> None:
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(answered(Answering(leaving=False)))
