"""SIGKILL in the middle of the work: nothing that reached an upstream is without its decision, and the log goes on."""

import asyncio
import os
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from audit import datadir, dsse, layout, statement
from audit.vocabulary import RecordKind, ResultOutcome
from tests.simulators.provider import Act, Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

ROUNDS = int(os.environ.get("APOSTILLE_CRASH_ROUNDS", "2"))
CONCURRENT = 200


async def _storm(server: Server, marks: list[str]) -> None:
    """Many requests at once, until the server is gone. What was sent is marked in its prompt."""
    headers = {"authorization": f"Bearer {key_of('de')}"}
    connector = aiohttp.TCPConnector(limit=CONCURRENT)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(mark: str) -> None:
            body = {"model": "good", "messages": [{"role": "user", "content": f"mark {mark}"}]}
            try:
                async with session.post(f"{server.url}/v1/chat/completions", json=body) as response:
                    await response.read()
            except aiohttp.ClientError:
                return

        await asyncio.gather(*(one(mark) for mark in marks))


@pytest.mark.parametrize("round_", range(ROUNDS))
async def test_killed_among_200_requests_every_one_that_left_is_on_record(tmp_path: Path, round_: int) -> None:
    chance = random.Random(round_)
    async with Provider(delay_s=0.15) as provider:
        config = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}}
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, config, documents)
        server = await asyncio.to_thread(Server.start, path)
        marks = [f"{round_}-{i}" for i in range(CONCURRENT)]
        storm = asyncio.create_task(_storm(server, marks))
        while len(provider.bodies) < 20:
            await asyncio.sleep(0.005)
        await asyncio.sleep(chance.random() * 0.2)
        await asyncio.to_thread(server.kill)
        await storm
        earlier = (tmp_path / "data" / layout.LOG / "checkpoint").read_bytes()
        (tmp_path / "earlier").write_bytes(earlier)
        reached = len(provider.bodies)
        assert 20 <= reached <= CONCURRENT

        server = await asyncio.to_thread(Server.start, path)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    decisions, outcomes = _records(tmp_path / "data")
    assert len(decisions) >= reached  # each call has its decision; some decisions had no time for their call
    assert set(outcomes) == set(decisions)
    assert ResultOutcome.ORPHANED in outcomes.values()
    found = apostille("verify", str(tmp_path / "data"), "--earlier", str(tmp_path / "earlier"))
    assert found.returncode == 0, found.stdout


def _records(data: Path) -> tuple[dict[str, Any], dict[str, ResultOutcome]]:
    opened = datadir.open_directory(data)
    decisions: dict[str, Any] = {}
    outcomes: dict[str, ResultOutcome] = {}
    for _, envelope in opened.between(0, 1 << 40):
        found = statement.parse(dsse.parse(envelope).payload)
        if found.kind is RecordKind.DECISION:
            record = statement.decision_of(found)
            decisions[record.request_id] = record
        elif found.kind is RecordKind.RESULT:
            ended = statement.result_of(found)
            outcomes[ended.request_id] = ended.outcome
    opened.close()
    return decisions, outcomes


async def test_sigterm_finishes_what_runs(tmp_path: Path) -> None:
    async with Provider(delay_s=0.6) as provider:
        config = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}}
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, config, documents)
        server = await asyncio.to_thread(Server.start, path)
        storm = asyncio.create_task(_storm(server, ["a", "b", "c"]))
        while len(provider.bodies) < 3:
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
        await storm
    _, outcomes = _records(tmp_path / "data")
    assert sorted(outcomes.values()) == [ResultOutcome.OK] * 3
    assert apostille("verify", str(tmp_path / "data")).returncode == 0


async def test_a_client_that_leaves_is_aborted_and_the_upstream_call_is_cut(tmp_path: Path) -> None:
    async with Provider(behave=lambda body, number: Act.SLOW) as provider:
        provider.reply = lambda body: "word " * 400
        config = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}}
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, config, documents)
        server = await asyncio.to_thread(Server.start, path)
        body = {"model": "good", "stream": True, "messages": [{"role": "user", "content": "go on"}]}
        headers = {"authorization": f"Bearer {key_of('de')}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            response = await session.post(f"{server.url}/v1/chat/completions", json=body)
            await response.content.readany()
            response.close()
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
        assert provider.cancelled == 1
    _, outcomes = _records(tmp_path / "data")
    assert list(outcomes.values()) == [ResultOutcome.ABORTED]
    assert apostille("verify", str(tmp_path / "data")).returncode == 0
