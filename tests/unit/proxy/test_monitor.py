"""Places and circuits of deployments: what comes in goes out, whoever is cut while waiting."""

import asyncio
import random
from collections.abc import Mapping

import pytest

from proxy.calls.monitor import Limits, Monitor, Permit
from proxy.core.health import BreakerLimits, Circuit, Ended, Fate

ANSWERED, FAILED = Ended(fate=Fate.ANSWERED, took_us=10), Ended(fate=Fate.FAILED)


def limits(concurrent: int = 1, wait_s: float = 5.0, queue: int = 10, by: Mapping[str, int] | None = None) -> Limits:
    """Limits with a circuit that opens at the second failure for a second."""
    breaker = BreakerLimits(failures=2, open_us=1_000_000, longest_us=4_000_000)
    return Limits(breaker=breaker, concurrent=concurrent, by_deployment=by or {}, wait_s=wait_s, queue=queue)


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


def entered(monitor: Monitor, name: str, found: Limits) -> Permit:
    """A permit, at once."""
    permit = monitor.try_enter(name, found)
    assert isinstance(permit, Permit)
    return permit


async def test_a_full_deployment_is_waited_for_in_turn() -> None:
    monitor, found = Monitor(Time()), limits()
    first = entered(monitor, "n/a", found)
    waiting = [asyncio.create_task(monitor.enter("n/a", found)) for _ in range(3)]
    await asyncio.sleep(0)
    assert monitor.load("n/a") == (1, 3)
    assert monitor.try_enter("n/a", found) == "no-capacity"
    order = []
    permit: Permit = first
    for task in waiting:
        permit.give_back(ANSWERED)
        permit.give_back(ANSWERED)  # once is once
        got = await task
        assert isinstance(got, Permit)
        order.append(task)
        permit = got
    permit.give_back(ANSWERED)
    assert (order, monitor.load("n/a")) == (waiting, (0, 0))


async def test_nobody_waits_for_ever_nor_in_a_queue_without_end() -> None:
    monitor, found = Monitor(Time()), limits(wait_s=0.01, queue=1)
    permit = entered(monitor, "n/a", found)
    waiting = asyncio.create_task(monitor.enter("n/a", found))
    await asyncio.sleep(0)
    assert await monitor.enter("n/a", found) == "no-capacity"
    assert await waiting == "no-capacity"
    permit.give_back(ANSWERED)
    assert monitor.load("n/a") == (0, 0)


async def test_a_limit_of_its_own() -> None:
    monitor, found = Monitor(Time()), limits(concurrent=1, by={"n/b": 2})
    for name, most in (("n/a", 1), ("n/b", 2)):
        for _ in range(most):
            entered(monitor, name, found)
        assert monitor.try_enter(name, found) == "no-capacity"


async def test_one_call_tries_an_open_circuit() -> None:
    time = Time()
    monitor, found = Monitor(time), limits(concurrent=5)
    for _ in range(2):
        entered(monitor, "n/a", found).give_back(FAILED)
    assert monitor.blocked() == {"n/a"}
    assert monitor.try_enter("n/a", found) == "circuit-open"
    time.now_us = 1_000_000
    assert monitor.blocked() == frozenset()
    probe = entered(monitor, "n/a", found)
    assert (probe.probe, monitor.blocked()) == (True, {"n/a"})
    assert monitor.try_enter("n/a", found) == "circuit-open"
    probe.give_back(ANSWERED)
    assert monitor.health("n/a").breaker.circuit is Circuit.CLOSED
    assert entered(monitor, "n/a", found).probe is False


async def test_who_waited_while_the_circuit_opened_does_not_go_through() -> None:
    monitor, found = Monitor(Time()), limits(concurrent=2)
    one, other = entered(monitor, "n/a", found), entered(monitor, "n/a", found)
    waiting = [asyncio.create_task(monitor.enter("n/a", found)) for _ in range(2)]
    await asyncio.sleep(0)
    one.give_back(FAILED)
    other.give_back(FAILED)
    assert await asyncio.gather(*waiting) == ["circuit-open", "circuit-open"]
    assert monitor.load("n/a") == (0, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_no_place_is_lost_whoever_is_cut_and_when(seed: int) -> None:
    dice = random.Random(seed)
    monitor, most = Monitor(Time()), 3
    found = limits(concurrent=most, wait_s=0.004, queue=20)
    running = 0

    async def call() -> None:
        nonlocal running
        permit = await monitor.enter("n/a", found)
        if not isinstance(permit, Permit):
            return
        running += 1
        assert running <= most
        try:
            await asyncio.sleep(dice.random() * 0.003)
        finally:
            running -= 1
            permit.give_back(Ended(fate=Fate.ANSWERED))

    tasks = [asyncio.create_task(call()) for _ in range(120)]
    for task in dice.sample(tasks, 60):
        await asyncio.sleep(dice.random() * 0.0005)
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert not [e for e in ended if isinstance(e, BaseException) and not isinstance(e, asyncio.CancelledError)]
    assert monitor.load("n/a") == (0, 0)
