"""A provider that speaks OpenAI chat completions over real HTTP/1.1, does what a test tells it, and counts what reaches it.

Written on asyncio streams so that connections are counted where they are accepted. ``behave`` gets each request's body and its
number, and says what to do; ``on_request`` is called before anything is answered, for tests that look at the database then.
``pause`` is awaited before an answer (``head``) and in the middle of a stream (``midway``); ``members`` gives further members of a
message, and those beside its choices under ``beside``.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.simulators.loopback import Loopback


class Act(StrEnum):
    """What the provider does with a request."""

    ANSWER = "answer"
    RATE_LIMIT = "429"
    FAIL = "500"
    RESTRICTED = "451"
    UNAUTHORIZED = "401"
    OVERFLOW = "overflow"
    FILTERED = "filtered"
    BAD_REQUEST = "400"
    STALL = "stall"
    STALL_MIDWAY = "stall-midway"
    CUT = "cut"
    NONSENSE = "nonsense"
    REDIRECT = "redirect"
    SLOW = "slow"


Body = dict[str, Any]


async def at_once(_: Body, __: str) -> None:
    """No pause."""


ERRORS: dict[Act, tuple[int, Body]] = {
    Act.RATE_LIMIT: (429, {"message": "slow down", "code": "rate_limit_exceeded"}),
    Act.FAIL: (500, {"message": "it broke", "code": "server_error"}),
    Act.RESTRICTED: (451, {"message": "not in your country", "code": "unavailable"}),
    Act.UNAUTHORIZED: (401, {"message": "who are you", "code": "invalid_api_key"}),
    Act.OVERFLOW: (400, {"message": "maximum context length is 4", "code": "context_length_exceeded"}),
    Act.FILTERED: (400, {"message": "filtered", "code": "content_filter"}),
    Act.BAD_REQUEST: (400, {"message": "`temperature` is wrong", "code": "invalid_value"}),
}


def echo(body: Body) -> str:
    """The default answer: who answers, and the end of what was asked."""
    last = body["messages"][-1].get("content")
    text = last if isinstance(last, str) else "parts"
    return f"{body['model']} says: {text[-60:]}"


def by_model(body: Body, _: int) -> Act:
    """The default behaviour: a model called ``act-<word>`` does that, every other answers."""
    name = str(body["model"])
    return Act(name.removeprefix("act-")) if name.startswith("act-") else Act.ANSWER


@dataclass
class Provider(Loopback):
    """The simulator. ``bodies``: requests, parsed; ``arrivals``: monotonic seconds."""

    reply: Callable[[Body], str] = echo
    behave: Callable[[Body, int], Act] = by_model
    on_request: Callable[[Body], None] = lambda body: None
    pause: Callable[[Body, str], Awaitable[None]] = at_once
    members: Callable[[Body], Body] = lambda body: {}
    delay_s: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    tool_call: Body | None = None
    bodies: list[Body] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)

    async def served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request after another."""
        while await self._one(reader, writer):
            pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        if lines[0].startswith("GET"):
            await self._whole(writer, 200, {"connections": self.connections, "requests": len(self.bodies)})
            return True
        body = json.loads(content)
        self.bodies.append(body)
        self.authorizations.append(headers.get("authorization", ""))
        self.arrivals.append(time.monotonic())
        self.on_request(body)
        return await self._act(self.behave(body, len(self.bodies) - 1), body, writer)

    async def _act(self, act: Act, body: Body, writer: asyncio.StreamWriter) -> bool:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        await self.pause(body, "head")
        if act in ERRORS:
            status, error = ERRORS[act]
            await self._whole(writer, status, {"error": error})
            return True
        if act is Act.STALL:
            await asyncio.sleep(3600)
        if act is Act.NONSENSE:
            await self._raw(writer, 200, b"<html>not what you asked for</html>", "text/html")
            return True
        if act is Act.REDIRECT:
            await self._raw(writer, 302, b"", "text/plain", {"location": "http://127.0.0.1:1/elsewhere"})
            return True
        if body.get("stream"):
            return await self._stream(act, body, writer)
        if act is Act.CUT:
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"id":')
            await writer.drain()
            return False
        await self._whole(writer, 200, self.completion(body))
        return True

    def completion(self, body: Body) -> Body:
        """A whole answer."""
        text = self.reply(body)
        message: Body = {"role": "assistant", "content": text}
        finish = "stop"
        if self.tool_call is not None and body.get("tools"):
            message, finish = {"role": "assistant", "content": None, "tool_calls": [self.tool_call]}, "tool_calls"
        more = self.members(body)
        message |= {key: value for key, value in more.items() if key != "beside"}
        return {
            **more.get("beside", {}),
            "id": f"up-{len(self.bodies)}",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": self.usage(body, text),
        }

    @staticmethod
    def usage(body: Body, text: str) -> Body:
        """Tokens, one for each four characters."""
        tokens_in = sum(len(str(m.get("content"))) for m in body["messages"]) // 4 + 1
        tokens_out = len(text) // 4 + 1
        return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}

    async def _stream(self, act: Act, body: Body, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        whole = self.completion(body)
        message = whole["choices"][0]["message"]
        text = message.get("content") or ""
        beside = self.members(body).get("beside", {})
        head = {**beside, "id": whole["id"], "object": "chat.completion.chunk", "created": 1, "model": body["model"]}

        def event(delta: Body, finish: str | None = None) -> Body:
            return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        more = {key: value for key, value in message.items() if key not in ("role", "content", "tool_calls")}
        events = [event({"role": "assistant", "content": ""}), *(event({key: value}) for key, value in more.items())]
        events += [event({"content": text[i : i + 8]}) for i in range(0, len(text), 8)]
        if message.get("tool_calls"):
            events.append(event({"tool_calls": [{"index": 0, **message["tool_calls"][0]}]}))
        events.append(event({}, whole["choices"][0]["finish_reason"]))
        if (body.get("stream_options") or {}).get("include_usage"):
            events.append({**head, "choices": [], "usage": whole["usage"]})
        for number, each in enumerate(events):
            if number == 3 and act is Act.CUT:
                writer.write(b"5\r\nda")
                await writer.drain()
                return False
            if number == 3:
                await self.pause(body, "midway")
            if number == 3 and act is Act.STALL_MIDWAY:
                await asyncio.sleep(3600)
            if act is Act.SLOW:
                await asyncio.sleep(0.05)
            self._chunk(writer, b"data: " + json.dumps(each).encode() + b"\n\n")
            await writer.drain()
        self._chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    @staticmethod
    def _chunk(writer: asyncio.StreamWriter, content: bytes) -> None:
        writer.write(b"%x\r\n%b\r\n" % (len(content), content))

    async def _whole(self, writer: asyncio.StreamWriter, status: int, value: Body) -> None:
        await self._raw(writer, status, json.dumps(value).encode(), "application/json", self.headers)

    @staticmethod
    async def _raw(
        writer: asyncio.StreamWriter, status: int, content: bytes, media: str, headers: dict[str, str] | None = None
    ) -> None:
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: {media}\r\ncontent-length: {len(content)}\r\n{extra}\r\n".encode()
            + content
        )
        await writer.drain()


async def _main(port: int) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Bern"}'}}
    provider = Provider(tool_call=call)
    await provider.start(port)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(provider.stop)
        print(json.dumps({"port": provider.port}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args().port))
    sys.exit(0)
