"""Legs of one request, sent and collected: only admitted calls, only after the decision is durable, within time and budget.

1. A ``Flight`` cannot be made without the ``Appended`` of its decision: nothing leaves before wall 1.
2. A leg goes through its admitted deployments in order, and through no others; every attempt is kept for the record.
3. A deadline or a client that left cuts a leg; what was cut is on record too.
"""

import asyncio
from collections.abc import Mapping, Sequence

from audit.vocabulary import LegStatus
from proxy.calls.flight import (
    CUT_CLIENT,
    CUT_DEADLINE,
    CUT_STOPPED,
    CUT_STRAGGLER,
    DEFECT,
    NO_BUDGET,
    Flight,
)
from proxy.calls.leg import Leg, Won, failed
from proxy.calls.streams import OpenStream
from proxy.calls.trial import Trial
from proxy.core.aggregation.steps import Ask
from proxy.core.enforcement import AdmittedCall
from proxy.core.replies import Reply
from proxy.transports.base import Transport, UpstreamServerError
from proxy.wire import completion
from proxy.wire.completion import Completion

__all__ = [
    "CUT_CLIENT",
    "CUT_DEADLINE",
    "CUT_STOPPED",
    "CUT_STRAGGLER",
    "DEFECT",
    "NO_BUDGET",
    "Calls",
    "Flight",
    "OpenStream",
]

MAX_ANSWER_BYTES = 16 * 1024 * 1024


class Calls:
    """Sends legs through one transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def together(
        self,
        flight: Flight,
        legs: Mapping[str, tuple[AdmittedCall, ...]],
        asks: Sequence[Ask],
        *,
        quorum: int,
        straggler_s: float | None,
    ) -> tuple[Reply, ...]:
        """Replies of several legs, in the order asked; slow ones are cut after the quorum, all at the deadline."""
        share = len(asks)
        if share == 1 and straggler_s is None:
            return (await self._within_deadline(flight, legs[asks[0].leg], asks[0], share),)
        tasks = [
            asyncio.create_task(self._within_deadline(flight, legs[ask.leg], ask, share - i))
            for i, ask in enumerate(asks)
        ]
        try:
            if straggler_s is not None:
                await _cut_stragglers(tasks, quorum, straggler_s)
            return tuple(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel(CUT_CLIENT)
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _within_deadline(self, flight: Flight, calls: tuple[AdmittedCall, ...], ask: Ask, share: int) -> Reply:
        try:
            async with asyncio.timeout(flight.remaining_s()):
                return await self._whole(Leg(flight, calls, ask, share=share, stream=False), flight)
        except TimeoutError:
            return failed(calls[0], LegStatus.CUT, CUT_DEADLINE)
        except asyncio.CancelledError as cause:
            if CUT_STRAGGLER in cause.args:
                return failed(calls[0], LegStatus.CUT, CUT_STRAGGLER)
            raise

    async def _whole(self, leg: Leg, flight: Flight) -> Reply:
        found = await leg.run(self._collected)
        if not isinstance(found, Won):
            return found
        body, answer = found.value
        found.trial.settle(LegStatus.OK)
        flight.bodies[found.trial.call.leg] = body
        return _answered(found.trial, answer)

    async def open_stream(self, flight: Flight, calls: tuple[AdmittedCall, ...]) -> OpenStream | Reply:
        """The first deployment of a leg that begins to answer, or the leg's failure. Nothing was forwarded before."""
        try:
            async with asyncio.timeout(flight.remaining_s()):
                found = await Leg(flight, calls, Ask(leg=calls[0].leg), share=1, stream=True).run(self._opened)
                return found.value if isinstance(found, Won) else found
        except TimeoutError:
            return failed(calls[0], LegStatus.CUT, CUT_DEADLINE)

    async def _collected(self, trial: Trial) -> tuple[bytes, Completion]:
        response = await self._transport.open(trial.call, trial.request())
        trial.observed = response.observed
        parts, size = [], 0
        try:
            async for chunk in response.chunks():
                trial.hash.update(chunk)
                parts.append(chunk)
                trial.received = size = size + len(chunk)
                if size > MAX_ANSWER_BYTES:
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
                    return OpenStream(trial, response, chunks, first)
            trial.ended()
            return OpenStream(trial, response, chunks, b"")
        except BaseException:
            await response.aclose()
            raise


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
    return Reply(
        leg=trial.call.leg,
        role=trial.call.role,
        deployment=trial.call.deployment.id,
        status=LegStatus.OK,
        text=found.text,
        message=found.message,
        finish_reason=found.finish_reason,
        usage=trial.usage(),
        logprob_millionths=found.logprob_millionths,
    )
