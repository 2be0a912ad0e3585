"""One leg: its admitted deployments in their order, through no others, until one answers.

1. What a client may fix (a bad request) is not tried elsewhere, nor what a provider's own rules refuse unless the tenant says so.
2. The last one tried gets a second attempt, for what passes by itself.
3. Every attempt is settled: it is on record and its cost is known, however it ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import orjson

from audit.vocabulary import LegStatus
from proxy.calls.flight import DEFECT, NO_BUDGET, Flight
from proxy.calls.trial import Trial
from proxy.core.aggregation.steps import Ask
from proxy.core.enforcement import AdmittedCall
from proxy.core.hops import Cause
from proxy.core.replies import Reply
from proxy.transports.base import UpstreamError, UpstreamRejected, UpstreamRestricted

RETRY_PAUSE_S = 0.25
"""Before the one retry on a leg's last deployment."""
CONTEXT_OVERFLOW = "context-overflow"
CONTENT_REFUSED = "content-refused"
_RETRIED = frozenset({"upstream-rate-limited", "upstream-unreachable", "upstream-server-error"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Won(Generic[T]):
    """The attempt that answered, not settled yet, and what it gave."""

    trial: Trial
    value: T


class Leg:
    """One leg of a flight. ``share``: how many legs of equal right the budget still has to serve, this one counted."""

    def __init__(self, flight: Flight, calls: tuple[AdmittedCall, ...], ask: Ask, *, share: int, stream: bool) -> None:
        self._flight = flight
        self._calls = calls
        self._ask = ask
        self._share = share
        self._stream = stream
        self._number = 0
        self._cause = Cause.OUTAGE
        self._last = calls[0]
        self._retried = False
        self._waiting = list(calls)
        self._reply = failed(calls[0], LegStatus.FAILED, NO_BUDGET)

    async def run(self, send: Callable[[Trial], Awaitable[T]]) -> Won[T] | Reply:
        """The first attempt that answers, or the last failure."""
        while (trial := await self._next()) is not None:
            found = await self._attempt(trial, send)
            if found is not None:
                return found
        return self._reply

    async def _attempt(self, trial: Trial, send: Callable[[Trial], Awaitable[T]]) -> Won[T] | None:
        try:
            return Won(trial, await send(trial))
        except UpstreamError as error:
            trial.settle(LegStatus.FAILED, error.code)
            self._reply = failed(trial.call, LegStatus.FAILED, error.code)
            self._cause = _cause(error)
        except asyncio.CancelledError as cause:
            trial.settle(LegStatus.CUT, self._flight.why_cut(cause))
            raise
        except Exception:
            trial.settle(LegStatus.FAILED, DEFECT)  # a defect of ours: what was sent is on record all the same
            raise
        return None

    async def _next(self) -> Trial | None:
        while self._waiting:
            call = self._waiting.pop(0)
            if call is self._calls[0] or self._may_go_on(call):
                trial = self._trial(call)
                if trial is not None:
                    return trial
        if self._retried or self._number == 0 or self._reply.error not in _RETRIED:
            return None
        self._retried = True
        await asyncio.sleep(RETRY_PAUSE_S)
        return self._trial(self._last)

    def _may_go_on(self, call: AdmittedCall) -> bool:
        return self._flight.hops.may_go_on(self._cause, self._calls[0].deployment, call.deployment)

    def _trial(self, call: AdmittedCall) -> Trial | None:
        """An attempt that the budget has room for."""
        flight = self._flight
        flight.budget, grant = flight.budget.reserve(
            call.deployment, flight.request.needs, _most_prompt_tokens(flight, self._ask), share=self._share
        )
        if grant is None:
            return None
        self._last = call
        self._number += 1
        return Trial(flight, call, self._ask, self._number - 1, grant, stream=self._stream)


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
