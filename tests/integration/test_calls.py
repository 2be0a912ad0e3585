"""Calls under faults, over real HTTP: circuits, places, hedges, early starts; what they cost, and what the record says of them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from audit import datadir, dsse, statement
from audit.statement import DecisionRecord, ResultRecord
from audit.vocabulary import LegStatus, RecordKind, ResultOutcome
from tests.integration.test_enforcement import BAN
from tests.simulators.provider import Act, Body, Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

PACKS = ["corporate", "composite"]
MODEL = "one"
Asked = tuple[int, dict[str, str], Any]


async def ask(server: Server, model: str = MODEL, *, stream: bool = False, **options: Any) -> Asked:
    body = {
        "model": model,
        "stream": stream,
        "messages": [{"role": "user", "content": "What is 6 times 7?"}],
        "apostille": {"receipt": "full", **options},
    }
    headers = {"authorization": f"Bearer {key_of('de')}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        answer = await response.text() if stream else await response.json()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, answer


async def health(server: Server, *, key: bool = True) -> Any:
    headers = {"authorization": f"Bearer {key_of('de')}"} if key else {}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{server.url}/healthz") as response:
        return await response.json()


@contextlib.asynccontextmanager
async def running(folder: Path, deployments: dict[str, Any], packs: tuple[str, ...] = (), **config: Any) -> Any:
    """A server over these deployments; its log verifies in the end."""
    ban = {"ban": BAN} if "ban" in packs else None
    whole = {
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=[*PACKS, *packs])},
        "traces": {"file": False},
        **config,
    }
    makers = {d["model"]: "vendor-x" for d in deployments.values() if d["operator"] == "vendor-x"}
    path = await asyncio.to_thread(Server.prepare, folder, whole, catalogue(deployments, makers), ban)
    server = await asyncio.to_thread(Server.start, path)
    try:
        yield server
    finally:
        code = await asyncio.to_thread(server.stop)
    assert code == 0, server.log_text
    assert "Traceback" not in server.log_text
    assert "never retrieved" not in server.log_text
    found = await asyncio.to_thread(apostille, "verify", str(folder / "data"))
    assert found.returncode == 0, found.stdout


def records(folder: Path) -> tuple[list[DecisionRecord], list[ResultRecord]]:
    """Everything on record."""
    opened = datadir.open_directory(folder / "data")
    found = [statement.parse(dsse.parse(envelope).payload) for _, envelope in opened.between(0, 1 << 40)]
    opened.close()
    decisions = [statement.decision_of(each) for each in found if each.kind is RecordKind.DECISION]
    return decisions, [statement.result_of(each) for each in found if each.kind is RecordKind.RESULT]


@contextlib.asynccontextmanager
async def pair(first: Provider, second: Provider) -> AsyncIterator[dict[str, Any]]:
    """One model at two places."""
    async with first, second:
        yield {"n/first": deployment(first.base_url, model=MODEL), "n/second": deployment(second.base_url, model=MODEL)}


# --- circuits ---------------------------------------------------------------------------------------------------------


async def test_an_open_circuit_is_passed_over_for_a_permitted_sibling_until_a_try_answers(tmp_path: Path) -> None:
    broken = True
    first = Provider(behave=lambda body, number: Act.FAIL if broken else Act.ANSWER)
    second, banned = Provider(), Provider()
    calls = {"breaker_failures": 3, "breaker_open_ms": 700}
    async with pair(first, second) as deployments, banned:
        deployments["x/banned"] = deployment(banned.base_url, model=MODEL, operator="vendor-x")
        # A model's deployments may have several operators; the rule bars the last one.
        async with running(tmp_path, deployments, calls=calls) as server:
            for _ in range(3):
                assert (await ask(server))[0] == 200
            assert (len(first.bodies), len(second.bodies)) == (3, 3)
            assert (await health(server, key=False))["circuits"] == {"closed": 2, "open": 1, "half-open": 0}
            for _ in range(2):
                assert (await ask(server))[2]["apostille"]["passed_over"] == [
                    {"leg": "author", "deployment": "n/first", "reason": "circuit-open"}
                ]
            assert (len(first.bodies), len(second.bodies)) == (3, 5)
            broken = False
            await asyncio.sleep(0.8)
            assert (await ask(server))[2]["apostille"]["deployments"] == ["n/first"]
            assert (await health(server, key=False))["circuits"]["closed"] == 3
        assert len(second.bodies) == 5
    decisions, _ = records(tmp_path)
    skipped = [d for d in decisions if d.passed_over]
    assert len(skipped) == 2
    for each in skipped:
        assert each.inputs is not None
        assert each.inputs.circuits_open == ("n/first",)
        assert each.legs[0].deployments[0] == "n/second"


async def test_an_open_circuit_never_leads_to_a_barred_deployment(tmp_path: Path) -> None:
    first, barred = Provider(behave=lambda body, number: Act.FAIL), Provider()
    async with first, barred:
        deployments = {
            "n/first": deployment(first.base_url, model=MODEL),
            "x/best": deployment(barred.base_url, model="best", operator="vendor-x"),
        }
        async with running(tmp_path, deployments, ("ban",), calls={"breaker_failures": 2}) as server:
            assert (await ask(server))[0] == 502  # the attempt and its retry
            sent = len(first.bodies)
            for model in (MODEL, "apostille/auto"):
                status, headers, body = await ask(server, model)
                assert (status, body["error"]["code"]) == (503, "circuit-open")
                assert headers["retry-after"] == "1"
            assert len(first.bodies) == sent
        assert barred.connections == 0
    _, results = records(tmp_path)
    assert [(r.error, len(r.contributions)) for r in results[1:]] == [("circuit-open", 0)] * 2
    assert [each.reason for r in results[1:] for each in r.passed_over] == ["circuit-open"] * 2


async def test_a_cap_that_bars_the_sibling_of_an_open_circuit_is_what_is_told(tmp_path: Path) -> None:
    first, second = Provider(behave=lambda body, number: Act.FAIL), Provider()
    async with pair(first, second) as deployments:
        deployments["n/second"]["price"] = {"input_usd_per_million": 1000, "output_usd_per_million": 1000}
        async with running(tmp_path, deployments, calls={"breaker_failures": 1}) as server:
            assert (await ask(server))[0] == 200
            status, _, body = await ask(server, max_cost_usd=0.001)
            assert (status, body["error"]["code"]) == (402, "budget-exceeded")
        assert len(second.bodies) == 1


async def test_the_health_of_deployments_is_told_to_who_has_a_key(tmp_path: Path) -> None:
    async with Provider(delay_s=0.02) as provider:
        deployments = {"n/a": deployment(provider.base_url, model=MODEL)}
        async with running(tmp_path, deployments) as server:
            for _ in range(9):
                assert (await ask(server))[0] == 200
            assert "answer" not in str(await health(server, key=False))
            told = (await health(server))["upstreams"]["n/a"]
            assert (told["circuit"], told["calls"], told["error_rate"], told["running"]) == ("closed", 9, 0, 0)
            assert told["answer"]["p95_us"] >= 20_000
            async with (
                aiohttp.ClientSession(headers={"authorization": "Bearer ap-nobody"}) as session,
                session.get(f"{server.url}/healthz") as refused,
            ):
                assert refused.status == 401


async def test_a_client_in_a_hurry_opens_no_circuit_for_others(tmp_path: Path) -> None:
    async with Provider(delay_s=0.2) as provider:
        deployments = {"n/a": deployment(provider.base_url, model=MODEL)}
        async with running(tmp_path, deployments, calls={"breaker_failures": 1}) as server:
            for _ in range(3):
                assert (await ask(server, deadline_ms=100))[0] == 504
            assert (await ask(server))[0] == 200


# --- places -----------------------------------------------------------------------------------------------------------


async def test_calls_beyond_the_places_wait_and_then_are_told_so(tmp_path: Path) -> None:
    async with Provider(delay_s=0.4) as provider:
        deployments = {"n/a": deployment(provider.base_url, model=MODEL)}
        calls = {"max_concurrent": 8, "limits": {"n/a": 1}, "queue_ms": 600, "queue_limit": 2}
        async with running(tmp_path, deployments, calls=calls) as server:
            found = await asyncio.gather(*(ask(server) for _ in range(5)))
    codes = sorted(status for status, _, _ in found)
    assert codes.count(200) in (1, 2)  # the first, and whoever waited less than it took
    assert set(codes) == {200, 503}
    refused = [body["error"] for status, _, body in found if status == 503]
    assert {each["code"] for each in refused} == {"no-capacity"}
    assert len(provider.bodies) == codes.count(200)
    _, results = records(tmp_path)
    assert {r.error for r in results if r.outcome is ResultOutcome.ERROR} == {"no-capacity"}


async def test_who_has_no_place_is_passed_over_for_who_has(tmp_path: Path) -> None:
    first, second = Provider(delay_s=0.5), Provider()
    async with (
        pair(first, second) as deployments,
        running(tmp_path, deployments, calls={"max_concurrent": 1}) as server,
    ):
        busy = asyncio.create_task(ask(server))
        while not first.bodies:
            await asyncio.sleep(0.01)
        assert (await ask(server))[2]["apostille"]["deployments"] == ["n/second"]
        assert (await busy)[2]["apostille"]["deployments"] == ["n/first"]
    _, results = records(tmp_path)
    assert [each.reason for r in results for each in r.passed_over] == ["no-capacity"]


# --- hedges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
async def test_a_slow_call_gets_a_second_one_of_its_model_and_the_loser_is_billed(tmp_path: Path, stream: bool) -> None:
    first, second, other = Provider(behave=lambda body, number: Act.STALL), Provider(), Provider()
    async with pair(first, second) as deployments, other:
        deployments["n/other"] = deployment(other.base_url, model="other")
        async with running(tmp_path, deployments, calls={"hedge_ms": 150}) as server:
            status, _, answer = await ask(server, stream=stream)
            assert status == 200
            assert ("[DONE]" in answer) if stream else (answer["apostille"]["deployments"] == ["n/second"])
            assert (len(first.bodies), len(second.bodies), other.connections) == (1, 1, 0)
            assert (await health(server))["upstreams"]["n/first"]["running"] == 0
    _, (result,) = records(tmp_path)
    lost, won = sorted(result.contributions, key=lambda each: each.attempt)
    assert (lost.deployment, lost.status, lost.error, lost.trigger) == ("n/first", LegStatus.CUT, "hedge-lost", "asked")
    assert (won.deployment, won.status, won.trigger) == ("n/second", LegStatus.OK, "hedge")
    assert (lost.used, won.used) == (False, True)
    assert lost.cost_micro_usd > 0
    assert lost.tokens_estimated
    assert won.started_us - lost.started_us >= 140_000


async def test_without_the_operator_nothing_is_hedged_and_a_request_can_only_wait_longer(tmp_path: Path) -> None:
    first, second = Provider(delay_s=0.4), Provider()
    async with pair(first, second) as deployments:
        async with running(tmp_path / "off", deployments) as server:
            assert (await ask(server, hedge_ms=10))[2]["apostille"]["deployments"] == ["n/first"]
        async with running(tmp_path / "on", deployments, calls={"hedge_ms": 50}) as server:
            assert (await ask(server, hedge_ms=5000))[2]["apostille"]["deployments"] == ["n/first"]
            assert not second.bodies
            assert (await ask(server, hedge_ms=1))[2]["apostille"]["deployments"] == ["n/second"]


async def test_a_hedge_that_the_cap_has_no_room_for_is_not_made(tmp_path: Path) -> None:
    first, second = Provider(delay_s=0.4), Provider()
    async with pair(first, second) as deployments, running(tmp_path, deployments, calls={"hedge_ms": 50}) as server:
        # Room for one prompt and its answer: the first call takes it whole.
        status, _, body = await ask(server, max_cost_usd=0.0004)
        assert (status, body["apostille"]["deployments"]) == (200, ["n/first"])
        assert not second.bodies
    _, (result,) = records(tmp_path)
    assert [each.reason for each in result.passed_over] == ["budget-exceeded"]


async def test_a_hedge_of_a_failing_call_lets_the_other_answer(tmp_path: Path) -> None:
    first = Provider(behave=lambda body, number: Act.FAIL, delay_s=0.3)
    second = Provider(delay_s=0.4)
    async with pair(first, second) as deployments, running(tmp_path, deployments, calls={"hedge_ms": 50}) as server:
        assert (await ask(server))[2]["apostille"]["deployments"] == ["n/second"]
    _, (result,) = records(tmp_path)
    assert [(c.status, c.trigger) for c in result.contributions] == [
        (LegStatus.FAILED, "asked"),
        (LegStatus.OK, "hedge"),
    ]


async def test_hedging_follows_the_measured_percentile(tmp_path: Path) -> None:
    slow = False
    first = Provider(behave=lambda body, number: Act.STALL if slow else Act.ANSWER)
    second = Provider()
    async with pair(first, second) as deployments, running(tmp_path, deployments, calls={"hedge_p95": True}) as server:
        for _ in range(8):
            await ask(server)
        slow = True
        began = time.monotonic()
        assert (await ask(server))[2]["apostille"]["deployments"] == ["n/second"]
        assert time.monotonic() - began < 4  # the deployment's own limit is five seconds


# --- before its turn --------------------------------------------------------------------------------------------------

CASCADE = {"steps": {"aggregator": "agreement-gate", "first": ["one", "two"], "rest": ["three"], "threshold": 0}}


def answers(body: Body) -> str:
    """Everybody agrees."""
    return '"answer": "42"'


async def test_a_stage_starts_early_where_the_deadline_leaves_no_time_for_it_later(tmp_path: Path) -> None:
    agree = True

    def reply(body: Body) -> str:
        return answers(body) if agree or body["model"] != "two" else '"answer": "7"'

    async with Provider(reply=reply, delay_s=0.4) as provider:
        deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in ("one", "two", "three")}
        async with running(tmp_path, deployments, pipelines=CASCADE) as server:
            await asyncio.gather(*(ask(server, m) for m in ("one", "two", "three") for _ in range(8)))
            relaxed = (await ask(server, "steps"))[2]["apostille"]
            assert [c["trigger"] for c in relaxed["contributions"]] == ["asked", "asked"]
            hurried = (await ask(server, "steps", deadline_ms=750))[2]["apostille"]
            assert (hurried["method"], len(hurried["contributions"])) == ("agreement", 3)
            spare = hurried["contributions"][-1]
            assert (spare["leg"], spare["trigger"], spare["used"]) == ("panel-3", "speculation", False)
            assert spare["cost_micro_usd"] > 0
            agree = False
            status, _, needed = await ask(server, "steps", deadline_ms=750)
            assert (status, needed["apostille"]["gate"]) == (200, "disagreement")
            assert {c["leg"]: c["trigger"] for c in needed["apostille"]["contributions"]} == {
                "panel-1": "asked",
                "panel-2": "asked",
                "panel-3": "speculation",
            }


# --- leaving ----------------------------------------------------------------------------------------------------------


async def test_legs_of_a_client_that_left_are_cut_billed_and_recorded(tmp_path: Path) -> None:
    async with Provider(behave=lambda body, number: Act.STALL) as provider:
        deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in ("one", "two", "three")}
        async with running(tmp_path, deployments, pipelines=CASCADE) as server:
            leaving = asyncio.create_task(ask(server, "steps"))
            while len(provider.bodies) < 2:
                await asyncio.sleep(0.01)
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving
            until = time.monotonic() + 10
            while any(u["running"] for u in (await health(server))["upstreams"].values()):
                assert time.monotonic() < until
                await asyncio.sleep(0.02)
    _, (result,) = records(tmp_path)
    assert (result.outcome, result.error) == (ResultOutcome.ABORTED, "client-left")
    assert [(c.status, c.error) for c in result.contributions] == [(LegStatus.CUT, "client-left")] * 2
    assert all(c.cost_micro_usd > 0 and c.tokens_estimated for c in result.contributions)


# --- beforehand -------------------------------------------------------------------------------------------------------


async def test_a_dry_run_says_what_it_can_cost_at_most(tmp_path: Path) -> None:
    async with Provider(behave=lambda body, number: Act.STALL if number % 2 else Act.ANSWER) as provider:
        deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in ("one", "two", "three")}
        board = {"board": {"aggregator": "judge-author", "first": ["one", "two"], "judge": "three", "author": "one"}}
        async with running(tmp_path, deployments, pipelines=board) as server:
            status, _, told = await ask(server, "board", dry_run=True)
            assert (status, provider.connections) == (200, 0)
            assert {(d["deployment"], d["verdict"]) for d in told["decisions"]} == {(d, "permit") for d in deployments}
            capped = (await ask(server, "board", dry_run=True, max_cost_usd=0.001))[2]
            assert capped["max_cost_micro_usd"] == 1000
            await ask(server, "board", deadline_ms=1500)
    _, (result,) = records(tmp_path)
    assert 0 < sum(c.cost_micro_usd for c in result.contributions) <= told["max_cost_micro_usd"]


async def test_a_dry_run_and_the_receipt_say_that_poor_models_degrade(tmp_path: Path) -> None:
    """Nothing good keeps within the mode's cost."""
    found = {"one": (0.45, "0.1"), "two": (0.4, "0.12"), "three": (0.42, "0.15"), "good": (0.95, "500")}
    async with Provider() as provider:
        deployments = {
            f"n/{model}": deployment(
                provider.base_url,
                model=model,
                measured=dict.fromkeys(("math", "math-hard", "general"), share),
                price={"input_usd_per_million": price, "output_usd_per_million": price},
            )
            for model, (share, price) in found.items()
        }
        async with running(tmp_path, deployments) as server:
            _, _, told = await ask(server, "apostille/fusion", dry_run=True)
            status, _, answered = await ask(server, "apostille/fusion")
    assert status == 200
    expected = told["expected"]
    assert answered["apostille"]["expected"] == expected
    assert (expected["best_permitted"], expected["best_barred"]) == ({"model": "good", "accuracy": 950_000}, None)
    assert expected["shortfall"] == 950_000 - expected["accuracy"] > 100_000
    assert expected["summary"].startswith("degrades by about ")
