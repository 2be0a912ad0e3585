"""Declared pipelines through a running proxy: deadlines of stages, a check below the threshold, a fallback; all of it planned,
decided and recorded, and refused at load where it makes no sense.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from audit.vocabulary import LegStatus
from proxy import settings, snapshot
from proxy.errors import ConfigurationError
from tests.integration.test_aggregators import results
from tests.integration.test_limits import TENANTS, ask, started
from tests.integration.test_streaming import asking, chunks, text_of
from tests.simulators.provider import Act, Body, Provider
from tests.simulators.server import Server, apostille, catalogue, deployment

NAMES = ("one", "two", "slow", "slower", "checker", "strong")
PIPELINES: dict[str, Any] = {
    "checked": {"aggregator": "single", "first": ["one"], "verifier": "checker", "fallback": "deep"},
    "sure": {"aggregator": "weighted-vote", "first": ["one", "two"], "verifier": "checker", "threshold": 0},
    "deep": {"aggregator": "judge-author", "first": ["two", "strong"], "judge": "strong", "author": "strong"},
    "timed": {"aggregator": "weighted-vote", "first": ["one", "two", "slow"], "deadlines_ms": {"first": 400}},
    "late": {"aggregator": "single", "first": ["slow"], "deadlines_ms": {"first": 300}, "fallback": "timed"},
    "lost": {"aggregator": "majority", "first": ["slow", "slower"], "deadlines_ms": {"first": 300}},
    "authored": {
        "aggregator": "judge-author",
        "first": ["one", "two"],
        "judge": "two",
        "author": "slow",
        "deadlines_ms": {"author": 300},
    },
    "apart": {"aggregator": "single", "first": ["one"], "verifier": "checker", "fallback": "deep", "decompose": True},
}


def behave(body: Body, _: int) -> Act:
    return Act.STALL if body["model"].startswith("slow") else Act.ANSWER


def says(body: Body) -> str:
    if body["model"] == "checker":
        word = "wrong" if "doubt" in str(body["messages"][0]["content"]) else "right"
        return f'{{"verdicts": {{"A": "{word}"}}}}'
    return f"The answer is 42, says {body['model']}."


async def test_pipelines_do_what_they_declare(tmp_path: Path) -> None:
    async with Provider(reply=says, behave=behave) as provider:
        deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in NAMES}
        server = await started(tmp_path, deployments, config={"pipelines": PIPELINES})
        answered = {name: await ask(server, name) for name in PIPELINES}
        async with asking(server, "checked", messages=[{"role": "user", "content": "I doubt it."}]) as response:
            doubted = await response.content.read()
        streamed = {}
        for name in ("authored", "lost"):
            async with asking(server, name) as response:
                streamed[name] = await response.content.read()
        two = [{"role": "user", "content": "1. Who had doubts on Hamlet?\n2. Write a haiku on rain."}]
        async with asking(server, "apart", messages=two) as response:
            apart = await response.content.read()
        status, planned = await ask(server, "checked", dry_run=True)
        assert await asyncio.to_thread(server.stop) == 0
    found = {name: body.get("apostille") for name, (_, body) in answered.items()}
    assert [status for status, _ in answered.values()] == [200, 200, 200, 200, 200, 504, 200, 200]
    assert answered["lost"][1]["error"]["code"] == "stage-deadline"

    def legs(name: str) -> dict[str, tuple[str, str]]:
        return {each["leg"]: (each["status"], each["error"]) for each in found[name]["contributions"]}

    assert legs("checked").keys() == {"panel-1", "verifier"}
    assert "verified" in found["checked"]["flags"]
    assert set(found["checked"]["models"]) == {"one", "checker"}
    assert legs("sure").keys() == {"panel-1", "panel-2"}
    assert legs("timed")["panel-3"] == ("cut", "stage-deadline")
    assert found["timed"]["deployments"] == ["n/one", "n/two"]
    assert legs("late")["fallback-panel-3"] == ("cut", "stage-deadline")
    assert "fallback" in found["late"]["flags"]
    assert legs("authored")["author"] == ("cut", "stage-deadline")
    assert "author-failed" in found["authored"]["flags"]
    assert text_of(doubted) == "The answer is 42, says strong."
    assert text_of(apart) == "1. The answer is 42, says strong.\n\n2. The answer is 42, says one."
    assert text_of(streamed["authored"]).startswith("The answer is 42, says")
    assert chunks(streamed["lost"])[-1]["error"]["code"] == "stage-deadline"
    assert status == 200
    assert {each["leg"] for each in planned["legs"]} >= {"verifier", "fallback-author", "fallback-judge"}
    recorded = results(tmp_path / "data")
    assert any("fallback" in each.aggregation.flags for each in recorded if each.aggregation)
    cut = [c for each in recorded for c in each.contributions if c.status is LegStatus.CUT]
    assert {c.error for c in cut} == {"stage-deadline"}
    assert all(c.cost_micro_usd > 0 for c in cut)
    assert (await asyncio.to_thread(apostille, "verify", str(tmp_path / "data"))).returncode == 0


async def test_a_verifier_that_policy_bars_is_stood_in_for_or_the_answer_is_not_verified(tmp_path: Path) -> None:
    async with Provider(reply=says) as provider:
        deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in ("one", "two")}
        deployments["x/checker"] = deployment(provider.base_url, model="checker", operator="vendor-y", regions=("CN",))
        tenants = {"de": {**TENANTS["de"], "packs": ["corporate", "eu"], "data_classes": ["personal"]}}
        pipelines = {"p": {"aggregator": "single", "first": ["one"], "verifier": "checker"}}
        server = await started(tmp_path, deployments, config={"pipelines": pipelines, "tenants": tenants})
        status, body = await ask(server, "p")
        assert await asyncio.to_thread(server.stop) == 0
    assert status == 200
    assert "checker" not in [each["model"] for each in provider.bodies]
    assert [each["deployment"] for each in body["apostille"]["contributions"]] == ["n/one", "n/two"]
    assert body["apostille"]["substituted"][0]["from"] == "x/checker"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"verifier": "one"}, "`pipelines.p.verifier`"),
        ({"verifier": "nobody"}, "`pipelines.p`"),
        ({"fallback": "nobody"}, "`pipelines.p.fallback`"),
        ({"fallback": "p"}, "`pipelines.p.fallback`"),
        ({"fallback": "q"}, "`pipelines.p.fallback`"),
        ({"deadlines_ms": {"panel": 100}}, "`pipelines.p.deadlines_ms"),
        ({"deadlines_ms": {"first": 0}}, "`pipelines.p.deadlines_ms.first`"),
    ],
)
def test_what_makes_no_sense_is_refused_at_load(tmp_path: Path, change: dict[str, Any], place: str) -> None:
    pipelines = {
        "p": {"aggregator": "single", "first": ["one"], **change},
        "q": {"aggregator": "single", "first": ["two"], "fallback": "r"},
        "r": {"aggregator": "single", "first": ["two"]},
    }
    deployments = {f"n/{m}": deployment("http://127.0.0.1:9/v1", model=m) for m in ("one", "two")}
    path = Server.prepare(tmp_path, {"tenants": TENANTS, "pipelines": pipelines}, catalogue(deployments))
    with pytest.raises(ConfigurationError) as refused:
        snapshot.build(settings.load(path, environ={}), {})
    assert place in str(refused.value)
