"""Legs of one request, sent and collected: only admitted calls, only after the decision is durable, within time and budget.

1. A ``Flight`` cannot be made without the ``Appended`` of its decision: nothing leaves before wall 1.
2. A leg goes through its admitted deployments in order, and through no others; every attempt is kept for the record.
3. A deadline or a client that left cuts a leg; what was cut is billed and on record too.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from audit.vocabulary import LegStatus
from proxy.calls.flight import (
    CUT_CLIENT,
    CUT_DEADLINE,
    CUT_HEDGE,
    CUT_STAGE,
    CUT_STOPPED,
    CUT_STRAGGLER,
    CUT_UNNEEDED,
    DEFECT,
    NO_BUDGET,
    Flight,
    Underway,
)
from proxy.calls.leg import ASKED, SPECULATION, Leg, failed
from proxy.calls.monitor import NO_CAPACITY, Limits, Monitor
from proxy.calls.race import Won
from proxy.calls.streams import OpenStream
from proxy.calls.trial import Trial
from proxy.core.aggregation.steps import Ask
from proxy.core.enforcement import AdmittedCall
from proxy.core.passing_over import CIRCUIT_OPEN
from proxy.core.replies import Reply
from proxy.transports.base import Transport, UpstreamServerError
from proxy.wire import completion, reasoning, tool_calls
from proxy.wire.completion import Completion

__all__ = [
    "CIRCUIT_OPEN",
    "CUT_CLIENT",
    "CUT_DEADLINE",
    "CUT_HEDGE",
    "CUT_STAGE",
    "CUT_STOPPED",
    "CUT_STRAGGLER",
    "CUT_UNNEEDED",
    "DEFECT",
    "NO_BUDGET",
    "NO_CAPACITY",
    "Calls",
    "Flight",
    "Limits",
    "Monitor",
    "OpenStream",
]

MAX_ANSWER_BYTES = 16 * 1024 * 1024


Legs = Mapping[str, tuple[AdmittedCall, ...]]
"""Every leg of a plan with the deployments that it may reach."""


class Calls:
    """Sends legs through one transport. ``monitor`` knows who is being called, and how each has been doing."""

    def __init__(self, transport: Transport, monitor: Monitor) -> None:
        self._transport = transport
        self.monitor = monitor

    async def together(
        self,
        flight: Flight,
        legs: Legs,
        asks: Sequence[Ask],
        *,
        quorum: int,
        straggler_s: float | None,
        ahead: Sequence[Ask] = (),
        within_s: float | None = None,
    ) -> tuple[Reply, ...]:
        """Replies of several legs, in the order asked; slow ones are cut after the quorum, all ``within_s`` or at the deadline.

        Their cost is reserved before any of them is sent. ``ahead`` begin with them if budget and places are left, and run on:
        a later call that asks for one of them gets its reply, ``finish`` cuts those that nobody asked for.
        """
        started = {ask.leg: flight.ahead.pop(ask.leg) for ask in asks if ask.leg in flight.ahead}
        fresh = [ask for ask in asks if ask.leg not in started]
        found: list[Leg] = []
        early: list[Leg] = []
        try:
            self._reserve(found, flight, legs, fresh, ASKED)
            self._reserve(early, flight, legs, ahead, SPECULATION)
            if len(asks) == 1 and found and straggler_s is None and within_s is None and not early:
                return (await self._within_deadline(flight, found[0]),)
            started |= {leg.first.leg: self._started(flight, leg) for leg in found}
            flight.ahead |= {leg.first.leg: self._started(flight, leg) for leg in early if leg.ready}
            tasks = [started[ask.leg].task for ask in asks]
            with _limited(tasks, within_s):
                if straggler_s is not None:
                    await _cut_stragglers(tasks, quorum, straggler_s)
                return tuple(await asyncio.gather(*tasks))
        except BaseException as cause:
            for leg in (*found, *early):
                leg.drop()
            for each in started.values():
                each.stop(flight.why_cut(cause) if isinstance(cause, asyncio.CancelledError) else DEFECT)
            raise

    def _started(self, flight: Flight, leg: Leg) -> Underway:
        task = asyncio.create_task(self._within_deadline(flight, leg))
        task.add_done_callback(lambda _: leg.drop())  # a task that is cancelled before it began runs none of its own
        return Underway(task, leg.cut)

    def _reserve(self, made: list[Leg], flight: Flight, legs: Legs, asks: Sequence[Ask], trigger: str) -> None:
        for i, ask in enumerate(asks):
            made.append(Leg(flight, self.monitor, legs[ask.leg], ask, share=len(asks) - i, trigger=trigger))
            made[-1].reserve()

    def finish(self, flight: Flight) -> None:
        """Cut what was begun before its turn and is not needed; it is on record when this returns."""
        for each in flight.ahead.values():
            each.stop(CUT_UNNEEDED)
        flight.ahead.clear()

    async def _within_deadline(self, flight: Flight, leg: Leg) -> Reply:
        found = await self._in_time(flight, leg)
        flight.arrived(found)
        return found

    async def _in_time(self, flight: Flight, leg: Leg) -> Reply:
        try:
            async with asyncio.timeout(flight.remaining_s()):
                return await self._whole(flight, leg)
        except TimeoutError:
            return failed(leg.first, LegStatus.CUT, CUT_DEADLINE)
        except asyncio.CancelledError as cause:
            said = next((why for why in (CUT_STRAGGLER, CUT_STAGE) if why in cause.args), None)
            if said is None:
                raise
            return failed(leg.first, LegStatus.CUT, said)

    async def _whole(self, flight: Flight, leg: Leg) -> Reply:
        found = await leg.run(self._collected)
        if not isinstance(found, Won):
            return found
        body, answer = found.value
        found.trial.settle(LegStatus.OK)
        body = completion.without_claims(body) if answer.claims else body
        flight.bodies[found.trial.call.leg] = body if flight.request.options.reasoning else reasoning.shown(body)
        return _answered(found.trial, answer)

    async def open_stream(
        self,
        flight: Flight,
        calls: tuple[AdmittedCall, ...],
        ask: Ask | None = None,
        *,
        within_s: float | None = None,
    ) -> OpenStream | Reply:
        """The first deployment of a leg that begins to answer, or the leg's failure. Nothing was forwarded before.

        ``within_s``: how long it may take to begin; whoever sets it runs this in a task of its own.
        """
        leg = Leg(flight, self.monitor, calls, ask or Ask(leg=calls[0].leg), stream=True)
        try:
            async with asyncio.timeout(flight.remaining_s()):
                with _limited((asyncio.current_task(),), within_s):
                    found = await leg.run(self._opened)
                return found.value if isinstance(found, Won) else found
        except TimeoutError:
            return failed(calls[0], LegStatus.CUT, CUT_DEADLINE)
        except asyncio.CancelledError as cause:
            if CUT_STAGE not in cause.args:
                raise
            return failed(calls[0], LegStatus.CUT, CUT_STAGE)

    async def _collected(self, trial: Trial) -> tuple[bytes, Completion]:
        response = await self._transport.open(trial.call, trial.request())
        trial.observed = response.observed
        parts = []
        try:
            async for chunk in response.chunks():
                trial.note(chunk)
                parts.append(chunk)
                if trial.received > MAX_ANSWER_BYTES:
                    raise UpstreamServerError(f"expected an answer of at most {MAX_ANSWER_BYTES} bytes, got more")
        finally:
            await response.aclose()
        body = b"".join(parts)
        try:
            found = completion.parse(body)
        except ValueError as cause:
            raise UpstreamServerError(str(cause)) from cause
        trial.learned(found)
        trial.check_place()
        trial.begun()
        return body, found

    async def _opened(self, trial: Trial) -> OpenStream:
        response = await self._transport.open(trial.call, trial.request())
        trial.observed = response.observed
        chunks = response.chunks()
        try:
            trial.check_place()
            async for chunk in chunks:
                first = trial.feed(chunk)
                trial.check_place()
                if first or trial.events.done:
                    trial.begun()
                    return OpenStream(trial, response, chunks, first)
            trial.ended()
            return OpenStream(trial, response, chunks, b"")
        except BaseException:
            await response.aclose()
            raise


@contextmanager
def _limited(tasks: Sequence["asyncio.Task[Any] | None"], within_s: float | None) -> Iterator[None]:
    """Cut tasks that run longer than a stage may."""

    def cut() -> None:
        for task in tasks:
            if task is not None and not task.done():
                task.cancel(CUT_STAGE)

    timer = None if within_s is None else asyncio.get_running_loop().call_later(within_s, cut)
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


async def _cut_stragglers(tasks: Sequence["asyncio.Task[Reply]"], quorum: int, after_s: float) -> None:
    waiting = set(tasks)
    while waiting:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        good = sum(1 for t in tasks if t.done() and not t.cancelled() and t.exception() is None and t.result().ok)
        if good >= quorum and waiting:
            await asyncio.wait(waiting, timeout=after_s)
            for task in waiting:
                task.cancel(CUT_STRAGGLER)
            return


def _answered(trial: Trial, found: Completion) -> Reply:
    names = tool_calls.declared(trial.flight.request.parameters)
    return Reply(
        leg=trial.call.leg,
        role=trial.call.role,
        deployment=trial.call.deployment.id,
        status=LegStatus.OK,
        text=found.text,
        message=tool_calls.within(found.message, names),
        received=tool_calls.within(found.received, names),
        sources=found.sources,
        finish_reason=found.finish_reason,
        usage=trial.usage(),
        logprob_millionths=found.logprob_millionths,
    )
