"""The answer of more than one model: steps of the aggregation, each one's calls, and what the client is told meanwhile.

A client that asked for a stream gets its head and a comment as soon as the decision is on record, comments while legs run, news of
them if it asked for that, and the author's tokens as they come. The end is ``proxy.run``'s: the end mark waits for wall 2.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from audit.vocabulary import LegStatus, ResultOutcome
from proxy.calls import CUT_DEADLINE, DEFECT, OpenStream
from proxy.core import aggregation, composing, hedging, receipt
from proxy.core.aggregation import examples
from proxy.core.aggregation.steps import AggregatorName, Ask, Composition, Final, Step
from proxy.core.enforcement import AdmittedPlan
from proxy.core.health import Times
from proxy.core.provenance import Ending
from proxy.core.replies import Reply
from proxy.core.request import JsonObject, ReceiptDetail
from proxy.run import Run
from proxy.sandbox import programs
from proxy.transports.base import UpstreamError, UpstreamServerError
from proxy.wire import openai_chat as wire
from proxy.wire import tool_calls
from proxy.wire.retold import Retold

GRACE_S = 10.0
"""How long after the deadline a client may leave unread what was sent to it."""
KEEP_ALIVE = wire.render_comment("keep-alive")
T = TypeVar("T")


async def fused(run: Run, admitted: AdmittedPlan) -> None:
    """Answer with what was admitted, and record it."""
    composition = composing.composition(run.case, admitted, os.urandom(composing.RANDOM_BYTES))
    if not run.case.request.stream:
        step, replies = await Legs(run, admitted, composition).to_the_end()
        await _whole(run, composition, step, replies)
        return
    streamed = Streamed(run, admitted, composition)
    try:
        async with asyncio.timeout(run.flight.remaining_s() + GRACE_S):
            ending = await streamed.told()
    except TimeoutError:
        ending = Ending(outcome=ResultOutcome.ERROR, status=200, error=CUT_DEADLINE)
    if ending is not None:
        run.calls.finish(run.flight)
        await run.end_stream(ending)


async def _whole(run: Run, composition: Composition, step: Final, replies: Sequence[Reply]) -> None:
    found = _chosen(composition, step, replies)
    if found is None:
        await run.unanswered(replies[-1] if replies else None, step.basis)
        return
    ending = _ending(step)
    member = run.member(ending)
    head = {**run.head(), **({"apostille": member} if member else {})}
    body = wire.render_completion(
        _message(run, found),
        head=head,
        finish=found.finish_reason or "stop",
        usage=_usage(run),
        sources=found.sources,
    )
    await run.complete(ending, body)


def _chosen(composition: Composition, step: Final, replies: Sequence[Reply]) -> Reply | None:
    found = composing.final_reply(composition, step, replies)
    return found if found is not None and found.message is not None else None


def _ending(step: Final) -> Ending:
    return Ending(outcome=ResultOutcome.OK, status=200, basis=step.basis, answer=step.leg)


def _message(run: Run, found: Reply) -> JsonObject:
    """The message that is sent: with its reasoning content if the client asked for that."""
    whole = found.received if run.case.request.options.reasoning else found.message
    return whole or found.message or {}


def _usage(run: Run) -> dict[str, int]:
    tokens_in, tokens_out = run.used()
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


class Legs:
    """The steps of one composition, each with its calls."""

    def __init__(self, run: Run, admitted: AdmittedPlan, composition: Composition) -> None:
        self._run = run
        self._admitted = admitted
        self._composition = composition

    async def to_the_end(self) -> tuple[Final, tuple[Reply, ...]]:
        """The final step, with all replies. What was begun early and is not needed is cut by then."""
        replies: tuple[Reply, ...] = ()
        while not isinstance(step := self._next(replies), Final):
            replies += await self._asked(step.asks, replies)
        self._run.calls.finish(self._run.flight)
        return step, replies

    def _next(self, replies: tuple[Reply, ...]) -> Step:
        return aggregation.next_step(self._composition, replies)

    async def _asked(self, asks: Sequence[Ask], before: Sequence[Reply]) -> tuple[Reply, ...]:
        run = self._run
        settled = await run.calls.together(
            run.flight,
            self._admitted.calls,
            asks,
            quorum=min(2, len(asks)),
            straggler_s=run.straggler_s,
            within_s=self._limit_s(asks),
            ahead=() if before else self._ahead(asks),
        )
        return await self._tried(settled)

    def _limit_s(self, asks: Sequence[Ask]) -> float | None:
        """Longest time of the stage that is asked; of stages of several parts, that of the longest."""
        limits_ms = [self._composition.limit_ms(ask.leg) for ask in asks]
        known_ms = [each for each in limits_ms if each is not None]
        return max(known_ms) / 1000 if len(known_ms) == len(limits_ms) else None

    def _ahead(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """What is begun before it is known to be needed, because there would be no time for it afterwards."""
        run = self._run
        timed = bool(self._composition.deadlines_ms)
        following = hedging.second_stage(self._composition) if run.speculate and not timed else ()

        def times(stage: Sequence[Ask]) -> list[Times]:
            firsts = (self._admitted.calls[ask.leg][0].deployment.id for ask in stage)
            return [run.calls.monitor.health(each).answer for each in firsts]

        late = bool(following) and hedging.too_late(run.flight.remaining_us(), times(asks), times(following))
        return following if late else ()

    async def _tried(self, settled: tuple[Reply, ...]) -> tuple[Reply, ...]:
        """Replies with what their programs did, where that decides."""
        run = self._run
        if self._composition.aggregator is not AggregatorName.EXAMPLES or run.sandbox is None:
            return settled
        asked = examples.task(run.case.request.prompt)
        within_s = run.flight.remaining_s()
        return settled if asked is None else await programs.checked(run.sandbox, asked, settled, within_s)


class Streamed(Legs):
    """The same, told to the client as it goes. One writer: what legs have to say is fetched by whoever waits for them."""

    def __init__(self, run: Run, admitted: AdmittedPlan, composition: Composition) -> None:
        super().__init__(run, admitted, composition)
        self._head = run.head()
        self._news: list[Reply] = []
        self._woken: asyncio.Future[None] | None = None
        self._author: Retold | None = None
        if run.case.request.options.progress:
            run.flight.arrived = self._arrived

    async def told(self) -> Ending | None:
        """Tell the answer but for its end; None where the end was told too. The head goes out before any call."""
        run = self._run
        await run.begin_stream()
        await run.sent.send(wire.render_comment(f"apostille {run.case.request_id}"))
        replies: tuple[Reply, ...] = ()
        while not isinstance(step := self._next(replies), Final):
            if self._is_last(step.asks):
                reply = await self._written(step.asks[0])
                if isinstance(reply, Ending):
                    return reply
                replies += (reply,)
            else:
                replies += await self._meanwhile(self._asked(step.asks, replies))
        run.calls.finish(run.flight)
        await self._tell(idle=False)
        found = _chosen(self._composition, step, replies)
        if found is None:
            await run.unanswered(replies[-1] if replies else None, step.basis)
            return None
        try:
            await self._close(_ending(step), found)
        except UpstreamError as error:
            return Ending(outcome=ResultOutcome.ERROR, status=200, error=error.code)
        return _ending(step)

    async def _close(self, ending: Ending, found: Reply) -> None:
        """The chosen message, unless its author told it already, and what closes it."""
        run, request = self._run, self._run.case.request
        if self._author is None or not self._author.begun:
            for event in wire.render_chunks(_message(run, found), head=self._head):
                await run.sent.send(event)
        member = run.member(ending) if request.options.receipt is ReceiptDetail.ID else None
        if member is not None:
            models = dict.fromkeys(each.model for each in receipt.contributed(run.flight.attempts, ending))
            violated = receipt.violated(run.flight.attempts)
            member = {**member, "models": tuple(models), **({"residency": "violated"} if violated else {})}
        more = {**found.sources, **({"apostille": member} if member else {})}
        usage = _usage(run) if request.include_usage else None
        for event in wire.render_closing(self._head, found.finish_reason or "stop", more=more, usage=usage):
            await run.sent.send(event)

    # --- the author's own stream --------------------------------------------------------------------------------------

    def _is_last(self, asks: Sequence[Ask]) -> bool:
        """Whether what comes is the answer whatever it says."""
        return len(asks) == 1 and asks[0].leg in self._composition.authors()

    async def _written(self, ask: Ask) -> Reply | Ending:
        """The author's reply, told as it comes. Until something of it was told, its failure is a leg's like any other."""
        run = self._run
        calls, limit_s = self._admitted.calls[ask.leg], self._limit_s((ask,))
        opened = await self._meanwhile(run.calls.open_stream(run.flight, calls, ask, within_s=limit_s))
        if not isinstance(opened, OpenStream):
            run.flight.arrived(opened)
            return opened
        told = self._author = Retold(self._head, tool_calls.declared(run.case.request.parameters))
        code = ""
        try:
            async with asyncio.timeout(run.flight.remaining_s()):
                await run.sent.send(_retold(told, opened.first))
                async with contextlib.aclosing(opened.rest()) as rest:
                    while (content := await self._meanwhile(_following(rest))) is not None:
                        await run.sent.send(_retold(told, content))
            opened.settle(LegStatus.OK)
        except TimeoutError:
            code = CUT_DEADLINE
            opened.settle(LegStatus.CUT, code)
        except UpstreamError as error:
            code = error.code
            opened.settle(LegStatus.FAILED, code)
        except asyncio.CancelledError as cause:
            opened.settle(LegStatus.CUT, run.flight.why_cut(cause))
            raise
        except Exception:
            opened.settle(LegStatus.FAILED, DEFECT)
            raise
        finally:
            await opened.aclose()
        if code and told.begun:
            return Ending(outcome=ResultOutcome.ERROR, status=200, error=code)
        reply = opened.reply(told.text, told.finish, told.sources, code)
        run.flight.arrived(reply)
        return reply

    # --- while legs run -----------------------------------------------------------------------------------------------

    async def _meanwhile(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of some work, with news and comments to the client until it is there."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                woken = self._woken = asyncio.get_running_loop().create_future()
                done, _ = await asyncio.wait(
                    {task, woken}, timeout=self._run.keep_alive_s, return_when=asyncio.FIRST_COMPLETED
                )
                await self._tell(idle=not done)
            await self._tell(idle=False)
            return task.result()
        except BaseException as cause:
            # whoever left says why, and the calls are on record before anybody goes on
            left = cause if isinstance(cause, asyncio.CancelledError) else None
            task.cancel(*left.args if left else (DEFECT,))
            (found,) = await asyncio.gather(task, return_exceptions=True)
            if isinstance(found, OpenStream):  # it began to answer while it was being cut
                found.settle(LegStatus.CUT, self._run.flight.why_cut(left) if left else DEFECT)
                await found.aclose()
            raise

    def _arrived(self, reply: Reply) -> None:
        self._news.append(reply)
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def _tell(self, *, idle: bool) -> None:
        news, self._news = self._news, []
        for reply in news:
            member = {
                "leg": reply.leg,
                "role": reply.role.value,
                "deployment": reply.deployment,
                "status": reply.status.value,
                **({"error": reply.error} if reply.error else {}),
            }
            await self._run.sent.send(wire.render_progress_event(self._head, member))
        if idle:
            await self._run.sent.send(KEEP_ALIVE)


def _retold(told: Retold, content: bytes) -> bytes:
    try:
        return told.feed(content)
    except ValueError as cause:
        raise UpstreamServerError(f"expected chunks of a completion, got {cause}") from cause


async def _following(rest: AsyncIterator[bytes]) -> bytes | None:
    return await anext(rest, None)
