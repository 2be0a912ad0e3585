"""One leg: its admitted deployments in their order, through no others, until one answers.

1. What a client may fix (a bad request) is not tried elsewhere, nor what a provider's own rules refuse unless the tenant says so.
2. One whose circuit is open, or that has no free place, is passed over; where nobody has a place, the leg waits for one.
3. A slow attempt may get a second one of the same model beside it; the slower of the two is cut.
4. The last one tried gets a second attempt, for what passes by itself.
5. Every attempt is settled: it is on record and its cost is known, however it ended.
"""

import asyncio
from typing import TypeVar

import orjson

from audit.records import PassedOver
from audit.vocabulary import LegStatus
from proxy.calls.flight import CUT_HEDGE, DEFECT, NO_BUDGET, Flight
from proxy.calls.monitor import NO_CAPACITY, Monitor, Permit
from proxy.calls.race import Race, Send, Won
from proxy.calls.trial import Trial
from proxy.core.aggregation.steps import Ask
from proxy.core.enforcement import AdmittedCall
from proxy.core.health import Ended, Fate
from proxy.core.hops import Cause
from proxy.core.passing_over import CIRCUIT_OPEN
from proxy.core.replies import Reply
from proxy.transports.base import (
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamRestricted,
    UpstreamTimeout,
)

RETRY_PAUSE_S = 0.25
"""Before the one retry on a leg's last deployment."""
CONTEXT_OVERFLOW = "context-overflow"
CONTENT_REFUSED = "content-refused"
_RETRIED = frozenset({"upstream-rate-limited", "upstream-unreachable", "upstream-server-error"})

ASKED, FALLBACK, RETRY, HEDGE, SPECULATION = "asked", "fallback", "retry", "hedge", "speculation"
"""Why an attempt was made, as records tell it."""

_TELLING = (NO_BUDGET, NO_CAPACITY, CIRCUIT_OPEN)
"""Why nobody was called, what the client can change first: with a higher cap, or a little later, it would have been answered."""

T = TypeVar("T")


class Leg:
    """One leg of a flight. ``share``: how many legs of equal right the budget still has to serve, this one counted.
    ``trigger``: why its first attempt is made.
    """

    def __init__(
        self,
        flight: Flight,
        monitor: Monitor,
        calls: tuple[AdmittedCall, ...],
        ask: Ask,
        *,
        share: int = 1,
        trigger: str = ASKED,
        stream: bool = False,
    ) -> None:
        self._flight = flight
        self._monitor = monitor
        self._calls = calls
        self._ask = ask
        self._share = share
        self._trigger = trigger
        self._stream = stream
        self._number = 0
        self._cause = Cause.OUTAGE
        self._last = calls[0]
        self._retried = False
        self._waiting = list(calls)
        self._ready: Trial | None = None
        self._trials: list[Trial] = []
        self._why = CIRCUIT_OPEN
        self._reply = failed(calls[0], LegStatus.FAILED, NO_BUDGET)

    @property
    def first(self) -> AdmittedCall:
        """Its first choice."""
        return self._calls[0]

    @property
    def ready(self) -> bool:
        """Whether its first attempt has place and budget."""
        return self._ready is not None

    def reserve(self) -> None:
        """Take a place and the cost of the first attempt now, if there is room; whoever does that runs or drops the leg."""
        self._ready = self._at_once()

    def drop(self) -> None:
        """Give back what was reserved and not used."""
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.drop()

    def cut(self, why: str) -> None:
        """Put what is under way on record as cut; its task is cancelled by whoever calls this."""
        self.drop()
        for trial in self._trials:
            trial.settle(LegStatus.CUT, why)

    async def run(self, send: Send[T]) -> Won[T] | Reply:
        """The first attempt that answers, or the last failure."""
        while (trial := await self._next()) is not None:
            delay_us = self._hedge_delay_us(trial)
            if delay_us is None:
                found = await self._attempt(trial, send)
            else:
                found = await self._race(trial, send, delay_us / 1e6)
            if found is not None:
                return found
        return self._reply

    async def _attempt(self, trial: Trial, send: Send[T]) -> Won[T] | None:
        try:
            return Won(trial, await send(trial))
        except UpstreamError as error:
            self._failed(trial, error)
        except asyncio.CancelledError as cause:
            trial.settle(LegStatus.CUT, self._flight.why_cut(cause))
            raise
        except Exception:
            trial.settle(LegStatus.FAILED, DEFECT)  # a defect of ours: what was sent is on record all the same
            raise
        return None

    async def _race(self, first: Trial, send: Send[T], delay_s: float) -> Won[T] | None:
        """An attempt that gets a second one of the same model beside it if it is slow; the first answer wins."""
        race = Race(send)
        race.start(first)
        try:
            if not await race.wait(delay_s):
                second = self._beside(first)
                if second is not None:
                    race.start(second)
            while race.running:
                trial, task = await race.ended()
                error = task.exception()
                if error is None:
                    race.cut(CUT_HEDGE)
                    return Won(trial, task.result())
                if not isinstance(error, UpstreamError):
                    trial.settle(LegStatus.FAILED, DEFECT)
                    raise error
                self._failed(trial, error)
        except asyncio.CancelledError as cause:
            race.cut(self._flight.why_cut(cause))
            raise
        except Exception:
            race.cut(DEFECT)
            raise
        return None

    def _failed(self, trial: Trial, error: UpstreamError) -> None:
        unanswered = isinstance(error, UpstreamTimeout | UpstreamBroken) and error.status is None
        trial.settle(LegStatus.FAILED, error.code, unanswered=unanswered)
        self._reply = failed(trial.call, LegStatus.FAILED, error.code)
        self._cause = _cause(error)

    # --- who is next --------------------------------------------------------------------------------------------------

    async def _next(self) -> Trial | None:
        ready, self._ready = self._ready, None
        found = ready or self._at_once() or await self._in_turn()
        if found is not None or self._retried or self._number == 0 or self._reply.error not in _RETRIED:
            return found
        self._retried = True
        await asyncio.sleep(RETRY_PAUSE_S)
        return self._admitted(
            self._last, await self._monitor.enter(self._last.deployment.id, self._flight.limits), RETRY
        )

    def _at_once(self) -> Trial | None:
        """The next deployment that can be called now. Those without a free place stay for later, others leave the leg."""
        for call in tuple(self._waiting):
            if call is not self.first and not self._may_go_on(call):
                self._waiting.remove(call)
                continue
            permit = self._monitor.try_enter(call.deployment.id, self._flight.limits)
            if permit == NO_CAPACITY:
                continue
            self._waiting.remove(call)
            trial = self._admitted(call, permit, FALLBACK if self._number else self._trigger)
            if trial is not None:
                self._note_busy(call)
                return trial
        return None

    async def _in_turn(self) -> Trial | None:
        """Wait for a place where there was none."""
        while self._waiting:
            call = self._waiting.pop(0)
            permit = await self._monitor.enter(call.deployment.id, self._flight.limits)
            trial = self._admitted(call, permit, FALLBACK if self._number else self._trigger)
            if trial is not None:
                return trial
            if permit == NO_CAPACITY:  # one wait is enough: the others have no place either, or nobody waits for them
                for each in self._waiting:
                    self._pass_over(each, NO_CAPACITY)
                self._waiting.clear()
        return None

    def _may_go_on(self, call: AdmittedCall) -> bool:
        return self._flight.hops.may_go_on(self._cause, self.first.deployment, call.deployment)

    def _admitted(self, call: AdmittedCall, permit: Permit | str, trigger: str) -> Trial | None:
        """An attempt with its place that the budget has room for."""
        if isinstance(permit, str):
            self._pass_over(call, permit)
            return None
        flight = self._flight
        flight.budget, grant = flight.budget.reserve(
            call.deployment, flight.request.needs, _most_prompt_tokens(flight, self._ask), share=self._share
        )
        if grant is None:
            permit.give_back(Ended(fate=Fate.NOTHING))
            self._pass_over(call, NO_BUDGET)
            return None
        self._last = call
        self._number += 1
        trial = Trial(flight, call, self._ask, self._number - 1, grant, permit, trigger=trigger, stream=self._stream)
        self._trials.append(trial)
        return trial

    def _pass_over(self, call: AdmittedCall, reason: str) -> None:
        passed = PassedOver(leg=call.leg, deployment=call.deployment.id, reason=reason)
        if passed not in self._flight.passed_over:
            self._flight.passed_over.append(passed)
        if self._number == 0 and _TELLING.index(reason) <= _TELLING.index(self._why):
            self._why = reason
            self._reply = failed(call, LegStatus.FAILED, reason)

    def _note_busy(self, taken: AdmittedCall) -> None:
        """Those that would have been called before this one, had they had a place."""
        for call in self._calls[: self._calls.index(taken)]:
            if call in self._waiting:
                self._pass_over(call, NO_CAPACITY)

    # --- hedging ------------------------------------------------------------------------------------------------------

    def _hedge_delay_us(self, trial: Trial) -> int | None:
        if not any(self._may_stand_beside(trial, call) for call in self._waiting):
            return None
        times = self._monitor.health(trial.call.deployment.id).times(stream=self._stream)
        return self._flight.hedging.delay_us(times, (self._flight.request.options.hedge_ms or 0) * 1000)

    def _may_stand_beside(self, trial: Trial, call: AdmittedCall) -> bool:
        same = call.deployment.model == trial.call.deployment.model
        return same and self._flight.hops.may_go_on(Cause.OUTAGE, self.first.deployment, call.deployment)

    def _beside(self, trial: Trial) -> Trial | None:
        """A second attempt of the same model elsewhere, if one can be made at once."""
        for call in tuple(self._waiting):
            if not self._may_stand_beside(trial, call):
                continue
            permit = self._monitor.try_enter(call.deployment.id, self._flight.limits)
            if isinstance(permit, Permit):
                self._waiting.remove(call)
                return self._admitted(call, permit, HEDGE)
        return None


def _cause(failure: UpstreamError) -> Cause:
    if isinstance(failure, UpstreamRestricted) or failure.code == CONTENT_REFUSED:
        return Cause.REFUSAL
    if isinstance(failure, UpstreamRejected) and failure.code != CONTEXT_OVERFLOW:
        return Cause.FAULT
    return Cause.OUTAGE


def _most_prompt_tokens(flight: Flight, ask: Ask) -> int:
    """The most tokens that a leg's prompt can have: one for each byte, and what images count for.

    A judge reads the candidates as well, so its prompt is not the client's. Without a cap nobody asks.
    """
    if flight.budget.left is None:
        return 0
    own = len(flight.request.commitment_input) + flight.request.needs.prompt_tokens_estimate
    return own if ask.messages is None else own + len(orjson.dumps(ask.messages))


def failed(call: AdmittedCall, status: LegStatus, error: str) -> Reply:
    """The reply of a leg that has no answer."""
    return Reply(leg=call.leg, role=call.role, deployment=call.deployment.id, status=status, error=error)
