"""Everything goes wrong at once: failing providers, clients that leave at any moment, deadlines; and the evidence still adds up."""

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp

from audit import datadir
from tests.simulators.provider import Act, Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

ACTS = [Act.ANSWER] * 6
ACTS += [Act.SLOW, Act.FAIL, Act.RATE_LIMIT, Act.CUT, Act.STALL, Act.STALL_MIDWAY, Act.NONSENSE, Act.OVERFLOW]
MODELS = ("one", "apostille/auto", "apostille/fusion", "apostille/fusion-high", "trio", "board")
PIPELINES = {
    "trio": {"aggregator": "weighted-vote", "first": ["one", "two", "three"]},
    "board": {"aggregator": "judge-author", "first": ["one", "two"], "judge": "three", "author": "four"},
}
PATIENCE = (0.01, 0.03, 0.1, 0.5, 10)
"""Seconds after which a client leaves."""


async def _client(session: aiohttp.ClientSession, url: str, chance: random.Random) -> None:
    body: dict[str, Any] = {
        "model": chance.choice(MODELS),
        "stream": chance.random() < 0.5,
        "messages": [{"role": "user", "content": "How many is 6 times 7?"}],
        "apostille": {"deadline_ms": chance.randint(20, 1500)},
    }
    try:
        async with asyncio.timeout(chance.choice(PATIENCE)):
            async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                await response.read()
    except (TimeoutError, aiohttp.ClientError):
        return


async def test_every_decision_has_one_result_whatever_happens(tmp_path: Path) -> None:
    chance = random.Random(5)
    async with Provider(
        behave=lambda body, number: chance.choice(ACTS),
        reply=lambda body: f'"answer": "{chance.choice([42, 42, 7])}"',
        delay_s=0.02,
    ) as provider:
        deployments = {
            f"n/{m}": deployment(provider.base_url, model=m, call={"timeout_ms": 1000})
            for m in ("one", "two", "three", "four")
        }
        config = {
            "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate", "composite"])},
            "pipelines": PIPELINES,
        }
        path = await asyncio.to_thread(Server.prepare, tmp_path, config, catalogue(deployments))
        server = await asyncio.to_thread(Server.start, path)
        headers = {"authorization": f"Bearer {key_of('de')}"}
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=80)) as session:
            for _ in range(3):
                await asyncio.gather(*(_client(session, server.url, chance) for _ in range(80)))
        assert await asyncio.to_thread(server.stop) == 0
        assert "Traceback" not in server.log_text
    opened = datadir.open_directory(tmp_path / "data")
    counts = dict(opened.rows("SELECT kind, COUNT(*) FROM rec GROUP BY kind"))
    opened.close()
    assert counts["decision"] == counts["result"] > 50
    found = apostille("verify", str(tmp_path / "data"))
    assert found.returncode == 0, found.stdout
