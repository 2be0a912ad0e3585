"""What this process knows of its deployments: who is calling each of them now, and how it has been doing.

One for all requests, on one event loop, so that nothing here needs a lock. Every way in is a ``Permit``, and every permit is given
back with what became of its call. States change in ``proxy.core.health``; here they are kept.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from proxy.core.health import UNKNOWN, BreakerLimits, Circuit, Ended, Health
from proxy.core.passing_over import CIRCUIT_OPEN

NO_CAPACITY = "no-capacity"
"""No free place within the time to wait for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the operator laid down. ``concurrent``: most calls at once to a deployment, ``by_deployment`` where it differs.
    ``wait_s``: longest wait for a free place; ``queue``: most calls that wait for one deployment."""

    breaker: BreakerLimits = field(default_factory=BreakerLimits)
    concurrent: int = 256
    by_deployment: Mapping[str, int] = field(default_factory=dict)
    wait_s: float = 1.0
    queue: int = 256

    def places(self, deployment: str) -> int:
        """Most calls at once."""
        return self.by_deployment.get(deployment, self.concurrent)


@dataclass(slots=True)
class _Door:
    """One deployment: calls on their way, and those that wait, first come first served."""

    running: int = 0
    waiting: deque["asyncio.Future[None]"] = field(default_factory=deque)


class Permit:
    """One call on its way. Given back once. ``probe``: the one call of a half-open circuit."""

    __slots__ = ("_back", "probe")

    def __init__(self, back: Callable[[Ended], None], *, probe: bool) -> None:
        self._back: Callable[[Ended], None] | None = back
        self.probe = probe

    def give_back(self, ended: Ended) -> None:
        """The call has ended. Further calls do nothing."""
        back, self._back = self._back, None
        if back is not None:
            back(ended)


class Monitor:
    """``clock_us``: monotonic microseconds."""

    def __init__(self, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._health: dict[str, Health] = {}
        self._doors: dict[str, _Door] = {}
        self._broken: set[str] = set()

    def health(self, deployment: str) -> Health:
        """How a deployment has been doing."""
        return self._health.get(deployment, UNKNOWN)

    def load(self, deployment: str) -> tuple[int, int]:
        """Calls on their way, and those that wait."""
        door = self._doors.get(deployment)
        return (door.running, len(door.waiting)) if door else (0, 0)

    def blocked(self) -> frozenset[str]:
        """Deployments whose circuit lets no call through now."""
        if not self._broken:
            return frozenset()
        now_us = self._clock_us()
        return frozenset(each for each in self._broken if self._health[each].breaker.blocks(now_us))

    def try_enter(self, deployment: str, limits: Limits) -> Permit | str:
        """A permit, or why there is none now: ``circuit-open``, ``no-capacity``."""
        if self.health(deployment).breaker.blocks(self._clock_us()):
            return CIRCUIT_OPEN
        door = self._doors.setdefault(deployment, _Door())
        if door.running >= limits.places(deployment) or door.waiting:
            return NO_CAPACITY
        door.running += 1
        return self._permit(deployment, limits)

    async def enter(self, deployment: str, limits: Limits) -> Permit | str:
        """A permit as soon as there is a place, or why there was none in time."""
        found = self.try_enter(deployment, limits)
        door = self._doors.setdefault(deployment, _Door())
        if found != NO_CAPACITY or len(door.waiting) >= limits.queue:
            return found
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        door.waiting.append(turn)
        try:
            async with asyncio.timeout(limits.wait_s):
                await turn
        except BaseException as cause:
            if turn.done() and not turn.cancelled():
                self._leave(deployment, limits)  # the place was handed over while we were being cut
            else:
                with contextlib.suppress(ValueError):  # whoever left a place has passed it over already
                    door.waiting.remove(turn)
            if isinstance(cause, TimeoutError):
                return NO_CAPACITY
            raise
        if self.health(deployment).breaker.blocks(self._clock_us()):
            self._leave(deployment, limits)
            return CIRCUIT_OPEN
        return self._permit(deployment, limits)

    def _permit(self, deployment: str, limits: Limits) -> Permit:
        """For a call that has its place and goes through the circuit."""
        before = self.health(deployment)
        admitted = before.breaker.admit(self._clock_us())
        assert admitted is not None
        probe = admitted.circuit is Circuit.HALF_OPEN
        if probe:
            self._keep(deployment, replace(before, breaker=admitted))

        def back(ended: Ended) -> None:
            found = self.health(deployment).after(ended, limits.breaker, self._clock_us(), probe=probe)
            self._keep(deployment, found)
            self._leave(deployment, limits)

        return Permit(back, probe=probe)

    def _keep(self, deployment: str, health: Health) -> None:
        self._health[deployment] = health
        if health.breaker.circuit is Circuit.CLOSED:
            self._broken.discard(deployment)
        else:
            self._broken.add(deployment)

    def _leave(self, deployment: str, limits: Limits) -> None:
        """Give the place to whoever has waited longest, or free it."""
        door = self._doors[deployment]
        door.running -= 1
        while door.waiting and door.running < limits.places(deployment):
            turn = door.waiting.popleft()
            if not turn.done():
                door.running += 1
                turn.set_result(None)
