"""Wall 2, seen from the client's side of a real pipeline: what is on disk at the moment when each piece is sent."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from audit import datadir
from audit.log import Log
from audit.vocabulary import RecordKind
from policies.jurisdiction import Signal, SignalSource
from proxy import settings as configuration
from proxy import snapshot as snapshots
from proxy.calls import Calls, Monitor
from proxy.clock import Clock
from proxy.pipeline import Pipeline
from proxy.transports import Transports
from proxy.wire import openai_chat as wire
from proxy.wire.anthropic_messages import request as messages
from proxy.wire.voice import Parse
from tests.simulators.provider import Provider
from tests.simulators.server import Server, catalogue, deployment, tenant


@dataclass
class Client:
    """A client that looks into the data directory whenever it gets something. ``seen``: event, results then on disk."""

    data: Path
    seen: list[tuple[str, int]] = field(default_factory=list)
    body: bytes = b""
    last: bytes = b""

    def _look(self, event: str) -> None:
        opened = datadir.open_directory(self.data)
        query = "SELECT COUNT(*) FROM rec WHERE kind = ?"
        ((count,),) = opened.rows(query, RecordKind.RESULT.value)
        opened.close()
        assert isinstance(count, int)
        self.seen.append((event, count))

    async def begin(self, status: int, media_type: str, headers: Sequence[tuple[str, str]]) -> None:
        """A head."""
        self._look(f"begin {status}")

    async def send(self, content: bytes) -> None:
        """Some content."""
        self._look("send")
        self.body += content

    async def end(self, content: bytes) -> None:
        """The last content."""
        self._look("end")
        self.body += content
        self.last = content


async def answered(folder: Path, model: str, *, stream: bool, parse: Parse = wire.parse) -> Client:
    """One request through a pipeline that is put together as the server does it."""
    async with Provider() as provider:
        config = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate", "composite"])}}
        documents = catalogue({f"n/{m}": deployment(provider.base_url, model=m) for m in ("one", "two", "three")})
        settings = configuration.load(Server.prepare(folder, config, documents), environ={})
        snapshot = snapshots.build(settings, os.environ)
        caller = snapshot.caller("de", (Signal(SignalSource.TENANT, "DE"),), frozenset({SignalSource.TENANT}))
        transports, clock, log = Transports({}), Clock(), Log.open(folder / "data")
        await transports.start({d.transport for d in snapshot.rulebook.catalogue.deployments.values()})
        client = Client(folder / "data")
        asked = [{"role": "user", "content": "6 times 7?"}]
        body = {"model": model, "stream": stream, "messages": asked, "max_tokens": 50}
        try:
            pipeline = Pipeline(log, Calls(transports, Monitor(clock.monotonic_us)), clock)
            await pipeline.answer(parse(orjson.dumps(body), max_messages=10), caller, snapshot, client)
        finally:
            await transports.aclose()
            log.close()
    return client


@pytest.mark.parametrize("model", ["one", "apostille/fusion"])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_result_is_on_disk_before_the_client_has_the_whole_answer(
    tmp_path: Path, model: str, stream: bool
) -> None:
    client = await answered(tmp_path, model, stream=stream)
    assert client.seen[0][0] == "begin 200"
    assert client.seen[-1] == ("end", 1)
    assert b"says" in client.body
    if stream:
        assert (client.body.endswith(wire.DONE), client.seen[0][1]) == (
            True,
            0,
        )  # tokens do not wait; the end mark does
    else:
        assert client.seen == [("begin 200", 1), ("end", 1)]


@pytest.mark.parametrize("model", ["one", "apostille/fusion"])
async def test_the_same_of_a_message_and_of_why_it_ends(tmp_path: Path, model: str) -> None:
    client = await answered(tmp_path, model, stream=True, parse=messages.parse)
    assert (client.seen[0], client.seen[-1]) == (("begin 200", 0), ("end", 1))
    told, last = client.body.removesuffix(client.last), client.last
    assert b"says" in told
    for name in (b"event: message_delta", b"event: message_stop"):
        assert (told.count(name), last.count(name)) == (0, 1)
    whole = await answered(tmp_path / "whole", model, stream=False, parse=messages.parse)
    assert whole.seen == [("begin 200", 1), ("end", 1)]
