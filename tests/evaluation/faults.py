"""Every promise about a call, while everything around it fails: ``python -m tests.evaluation.faults --data DIR --requests 10000``.

Recorded answers are served at two places for each vendor, and each place answers 429, 500, nothing, half or late to a share of
requests; one vendor goes down at one of them for good, another is banned by a rule. Clients ask for single models and composites,
plain and streamed, with deadlines and caps, and some leave. Then the log is read: exit code 1, with what was found, if a request
passed its cap or its deadline (plus the stated slack), if anybody connected to the banned vendor, if a call that was cut is not
billed, if a request lacks its decision or its result, or if a place at a deployment is still held when nobody waits.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from audit import datadir, dsse, statement
from audit.records import Contribution, DecisionRecord, ResultRecord
from audit.vocabulary import LegStatus, RecordKind
from policies import ban, shipped
from proxy.evaluation import harness, pool, recorded
from proxy.evaluation.recorded import Recording
from proxy.evaluation.shelf import Shelf
from proxy.training import shares, unseen
from tests.simulators import replay
from tests.simulators.server import Config, Server, apostille, key_of, tenant

SHARE = 0.05
DEADLINES_MS = {"hurried": 400, "usual": 1500, "patient": 4000}
"""Tenants by the deadline of their requests, so that a record tells it."""
CAPS_USD = (None, 0.02, 0.002, 0.0003)
LEAVING = 0.05
"""Share of clients that do not wait for their answer."""
CALLS = {"hedge_ms": 300, "max_concurrent": 12, "queue_ms": 500, "breaker_failures": 5}
AFTER = 10
"""Requests that the vendor which goes down still takes."""
WORKERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A campaign. ``slack_ms``: what a request may take beyond its deadline, on the server's own clock."""

    data: Path
    benchmarks: tuple[str, ...]
    banned: str
    requests: int
    seed: int
    slack_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request and what its client saw. ``status`` None: it left. ``record``: of the header."""

    status: int | None
    record: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a campaign left behind. ``arrived``: requests that reached a vendor; ``held``: deployments with a call under way at the
    end, long after the last client had gone."""

    asked: tuple[Asked, ...]
    decisions: dict[str, DecisionRecord]
    results: dict[str, ResultRecord]
    records: int
    arrived: int
    held: tuple[str, ...]
    banned_connections: int
    verified: str
    seconds: float

    def contributions(self) -> Iterator[Contribution]:
        """Every attempt of every request."""
        return (each for result in self.results.values() for each in result.contributions)

    def over_ms(self) -> list[float]:
        """How far each request was past its deadline when it ended, milliseconds; negative: before it."""
        return [
            _ms(self.decisions[name].at, result.at) - DEADLINES_MS[self.decisions[name].tenant]
            for name, result in self.results.items()
        ]


def _ms(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds() * 1000


async def campaign(plan: Plan, folder: Path) -> Found:
    """Run it all."""
    recording = recorded.load(plan.data, plan.benchmarks)
    shelf, vendor = Shelf(recording), recording.models[plan.banned].vendor
    falls = next(each for each in shelf.vendors() if each != vendor)
    places = [
        await replay.serve(shelf, _faults(plan.seed, {falls: (AFTER, sys.maxsize)})),
        await replay.serve(shelf, _faults(plan.seed + 1, {})),
    ]
    forbidden = ban.text(pool.banned(recording, vendor=vendor, model=None))
    ports = [{name: each.port for name, each in place.items()} for place in places]
    documents = _documents(recording, ports, plan.banned)
    config = {
        "tenants": {name: tenant(name, jurisdictions=["DE"], packs=["corporate", "ban"]) for name in DEADLINES_MS},
        "traces": {"file": False},
        "fusion": {"straggler_ms": 200},
        "calls": CALLS,
    }
    path = await asyncio.to_thread(Server.prepare, folder, config, documents, {"ban": forbidden})
    server = await asyncio.to_thread(Server.start, path)
    began = time.monotonic()
    try:
        asked = await _clients(plan, recording, server.url)
        held = await _held(server.url)
    finally:
        code = await asyncio.to_thread(server.stop)
    assert code == 0, server.log_text
    assert "Traceback" not in server.log_text, server.log_text
    seconds = time.monotonic() - began
    everyone = [each for place in places for each in place.values()]
    found = _read(
        folder / "data",
        asked=asked,
        held=held,
        arrived=sum(len(each.bodies) for each in everyone),
        banned_connections=sum(each.connections for each in everyone if each.name == vendor),
        seconds=seconds,
    )
    for each in everyone:
        await each.stop()
    return found


async def _held(url: str) -> tuple[str, ...]:
    """Deployments that have a call under way or one that waits, once the longest deadline is over."""
    headers = {"authorization": f"Bearer {key_of('patient')}"}
    end = time.monotonic() + 2 * max(DEADLINES_MS.values()) / 1000
    async with aiohttp.ClientSession(headers=headers) as session:
        while True:
            async with session.get(f"{url}/healthz") as response:
                told = (await response.json())["upstreams"]
            busy = tuple(name for name, each in told.items() if each["running"] or each["waiting"])
            if not busy or time.monotonic() > end:
                return busy
            await asyncio.sleep(0.1)


def _faults(seed: int, down: dict[str, tuple[int, int]]) -> replay.Faults:
    return replay.Faults(
        p429=SHARE,
        p500=SHARE,
        pstall=SHARE,
        pcut=SHARE,
        pslow=SHARE,
        slow_s=0.8,
        afresh=True,
        seed=seed,
        down=down,
    )


def _documents(recording: Recording, ports: list[dict[str, int]], beside: str) -> Config:
    """The catalogue of an evaluation, with every deployment at two places."""
    least = min(shares.LEAST, len(recording.items) // 2)
    known = shares.fit(recording, recording.items, unseen.task_by({}), least=least)
    today = datetime.now(UTC).date()
    made, twin = (pool.catalogue(recording, known, each, shipped.homes(), today, beside) for each in ports)
    made["deployments"] |= {f"{name}@b": each for name, each in twin["deployments"].items()}
    for each in made["deployments"].values():
        each["call"] = {**each["call"], "timeout_ms": 1200}
    return made


async def _clients(plan: Plan, recording: Recording, url: str) -> tuple[Asked, ...]:
    dice = random.Random(plan.seed)
    models = [m for m in recording.complete if not m.startswith(pool.HIDDEN_COST)]
    numbers = iter(range(plan.requests))
    found: list[Asked] = []

    async def work(session: aiohttp.ClientSession) -> None:
        found.extend([await _one(session, url, dice, dice.choice(recording.items).prompt, models) for _ in numbers])

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2 * WORKERS)) as session:
        await asyncio.gather(*(work(session) for _ in range(WORKERS)))
    return tuple(found)


async def _one(session: aiohttp.ClientSession, url: str, dice: random.Random, prompt: str, models: list[str]) -> Asked:
    name = dice.choice(tuple(DEADLINES_MS))
    options: dict[str, Any] = {"deadline_ms": DEADLINES_MS[name], "receipt": "id"}
    cap = dice.choice(CAPS_USD)
    if cap is not None:
        options["max_cost_usd"] = cap
    body = {
        "model": dice.choice(("apostille/auto", "apostille/fusion", "apostille/fusion-high", dice.choice(models))),
        "stream": dice.random() < 0.5,
        "messages": [{"role": "user", "content": prompt}],
        "apostille": options,
    }
    patience = dice.uniform(0.01, 0.5) if dice.random() < LEAVING else None
    headers = {"authorization": f"Bearer {key_of(name)}"}
    try:
        async with (
            asyncio.timeout(patience),
            session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response,
        ):
            await response.read()
            return Asked(status=response.status, record=response.headers.get("apostille-record"))
    except TimeoutError:
        return Asked(status=None, record=None)


def _read(data: Path, **seen: Any) -> Found:
    decisions: dict[str, DecisionRecord] = {}
    results: dict[str, ResultRecord] = {}
    count = 0
    opened = datadir.open_directory(data)
    for _, envelope in opened.between(0, 1 << 40):
        each = statement.parse(dsse.parse(envelope).payload)
        if each.kind is RecordKind.DECISION:
            decision = statement.decision_of(each)
            decisions[decision.request_id] = decision
            count += 1
        elif each.kind is RecordKind.RESULT:
            result = statement.result_of(each)
            results[result.request_id] = result
            count += 1
    opened.close()
    verified = apostille("verify", str(data))
    return Found(
        decisions=decisions,
        results=results,
        records=count,
        verified="" if verified.returncode == 0 else verified.stdout[-2000:],
        **seen,
    )


def breaches(plan: Plan, found: Found) -> dict[str, list[str]]:
    """What was promised, and who did not keep it."""
    spent = {name: sum(c.cost_micro_usd for c in each.contributions) for name, each in found.results.items()}
    caps = {name: each.max_cost_micro_usd for name, each in found.decisions.items()}
    sent = [each for each in found.contributions() if each.request_commitment]
    answered = {each.record for each in found.asked if each.record is not None}
    return {
        "no request costs more than its cap": [
            f"{name}: {cost} of {caps[name]} micro-dollars"
            for name, cost in spent.items()
            if (cap := caps[name]) is not None and cost > cap
        ],
        f"no request ends more than {plan.slack_ms} ms after its deadline": [
            f"{over:.0f} ms" for over in found.over_ms() if over > plan.slack_ms
        ],
        "nobody connects to the banned vendor": [f"{found.banned_connections}"] * bool(found.banned_connections),
        "every call that was cut is billed": [
            f"{each.deployment}: {each.error}"
            for each in sent
            if each.status is LegStatus.CUT and not (each.cost_micro_usd and each.tokens_in)
        ],
        "every request has one decision and one result": [
            *sorted(found.decisions.keys() ^ found.results.keys()),
            *sorted(answered - found.results.keys()),
            *(["a second record"] if found.records != len(found.decisions) + len(found.results) else []),
        ],
        "every request that reached a vendor is on record": [f"{found.arrived} arrived, {len(sent)} on record"]
        * (found.arrived > len(sent)),
        "no place is held when nobody waits": list(found.held),
        "the log verifies": [found.verified] * bool(found.verified),
    }


def figures(found: Found) -> dict[str, Any]:
    """What happened, counted."""
    every = tuple(found.contributions())
    over = found.over_ms()
    capped = [
        sum(c.cost_micro_usd for c in result.contributions) / cap
        for name, result in found.results.items()
        if (cap := found.decisions[name].max_cost_micro_usd)
    ]
    return {
        "requests": len(found.asked),
        "records": found.records,
        "seconds": round(found.seconds, 1),
        "status": dict(Counter(str(each.status or "left") for each in found.asked)),
        "outcome": dict(Counter(each.outcome.value for each in found.results.values())),
        "calls": len(every),
        "trigger": dict(Counter(each.trigger for each in every)),
        "failed": dict(Counter(each.error for each in every if each.status is LegStatus.FAILED)),
        "cut": dict(Counter(each.error for each in every if each.status is LegStatus.CUT)),
        "passed_over": dict(
            Counter(
                each.reason
                for record in (*found.decisions.values(), *found.results.values())
                for each in record.passed_over
            )
        ),
        "past_deadline_ms": {"max": round(max(over), 1), "p99": round(harness.quantile(over, 0.99), 1)},
        "share_of_cap": {"max": round(max(capped), 4), "p50": round(harness.quantile(capped, 0.5), 4)},
        "connections_to_the_banned_vendor": found.banned_connections,
    }


def main() -> int:
    """Run it, print it; 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recorded answers")
    parser.add_argument("--benchmarks", default="gsm8k,math_l5,cruxeval_o")
    parser.add_argument("--banned", default="gpt-4o-2024-08-06", help="a model of the vendor that is banned")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slack-ms", type=int, default=500)
    asked = parser.parse_args()
    plan = Plan(
        data=asked.data,
        benchmarks=tuple(asked.benchmarks.split(",")),
        banned=asked.banned,
        requests=asked.requests,
        seed=asked.seed,
        slack_ms=asked.slack_ms,
    )
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(campaign(plan, Path(folder)))
    print(json.dumps(figures(found), indent=2))
    wrong = breaches(plan, found)
    for promise, who in wrong.items():
        print(f"{'BROKEN' if who else 'kept'}  {promise}", *who[:5], sep="\n        " if who else "")
    return int(any(wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
