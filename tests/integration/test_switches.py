"""A legal ban, an outage and a provider's own refusal lead to what the tenant said, each by itself: over real HTTP."""

import asyncio
from pathlib import Path

from tests.integration.test_enforcement import BAN, ask
from tests.simulators.provider import Act, Provider
from tests.simulators.server import Server, catalogue, deployment, tenant

PACKS = ["corporate", "ban"]
TENANTS = {
    "plain": tenant("plain", jurisdictions=["US"], packs=PACKS),
    "hops": tenant("hops", jurisdictions=["US"], packs=PACKS, on_outage="substitute"),
    "stays": tenant("stays", jurisdictions=["US"], packs=PACKS, on_outage="fail"),
    "asks-on": tenant("asks-on", jurisdictions=["US"], packs=PACKS, on_provider_refusal="substitute"),
    "banned": tenant("banned", jurisdictions=["DE"], packs=PACKS, on_outage="fail", on_restricted="substitute"),
}


ROWS = (
    ("plain", Act.FAIL, 502, ["best", "best-elsewhere"]),
    ("hops", Act.FAIL, 200, ["best", "best-elsewhere", "good"]),
    ("stays", Act.FAIL, 502, ["best"]),
    ("asks-on", Act.FAIL, 502, ["best", "best-elsewhere"]),
    ("plain", Act.FILTERED, 400, ["best"]),
    ("hops", Act.FILTERED, 400, ["best"]),
    ("asks-on", Act.FILTERED, 200, ["best", "best-elsewhere", "good"]),
    ("plain", Act.RESTRICTED, 451, ["best"]),
    ("asks-on", Act.RESTRICTED, 200, ["best", "best-elsewhere", "good"]),
    ("asks-on", Act.BAD_REQUEST, 400, ["best"]),
    ("banned", Act.FAIL, 200, ["good"]),
)


async def test_each_failure_goes_as_far_as_the_tenant_says(tmp_path: Path) -> None:
    async with Provider() as far:
        deployments = {
            "x/best": deployment(far.base_url, model="best", operator="vendor-x", alternates=["n/good"]),
            "x/elsewhere": deployment(
                far.base_url, model="best", operator="vendor-x", call={"model": "best-elsewhere"}, alternates=["n/good"]
            ),
            "n/good": deployment(far.base_url, model="good"),
        }
        makers = {"best": "vendor-x", "good": "north"}
        prepared = Server.prepare(tmp_path, {"tenants": TENANTS}, catalogue(deployments, makers), {"ban": BAN})
        server = await asyncio.to_thread(Server.start, prepared)
        try:
            for who, act, status, reached in ROWS:
                far.bodies.clear()
                far.behave = lambda body, _, act=act: Act.ANSWER if body["model"] == "good" else act
                answered, headers, body = await ask(server, who, "best")
                assert (who, act, answered) == (who, act, status), body
                assert list(dict.fromkeys(each["model"] for each in far.bodies)) == reached, (who, act)
                if status == 200:
                    assert headers["apostille-models"] == "good"
                    assert "->n/good" in headers["apostille-substituted"]
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text


async def test_a_cap_that_leaves_no_room_for_the_model_leads_no_further_than_an_outage(tmp_path: Path) -> None:
    """No provider failed and none refused: what may stand in on a refusal may not on a budget."""
    async with Provider() as far:
        dear = {"input_usd_per_million": 10_000, "output_usd_per_million": 10_000}
        cheap = {"input_usd_per_million": 0, "output_usd_per_million": 0}
        deployments = {
            "x/best": deployment(far.base_url, model="best", operator="vendor-x", alternates=["n/good"], price=dear),
            "n/good": deployment(far.base_url, model="good", price=cheap),
        }
        makers = {"best": "vendor-x", "good": "north"}
        prepared = Server.prepare(tmp_path, {"tenants": TENANTS}, catalogue(deployments, makers), {"ban": BAN})
        server = await asyncio.to_thread(Server.start, prepared)
        try:
            for who, status in (("asks-on", 402), ("stays", 402), ("hops", 200)):
                far.bodies.clear()
                answered, _, body = await ask(server, who, "best", apostille={"max_cost_usd": 0.001})
                assert (who, answered) == (who, status), body
                assert bool(far.bodies) is (status == 200), who
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
