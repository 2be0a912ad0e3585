"""One request after wall 1: calls, aggregation, wall 2, answer.

A whole body is sent after its result is durable. A stream's tokens go out as they come; its end mark waits for the result.
However a request ends (answer, refusal, failure, a client that left, a stopping server), its result goes on record.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from audit import scope, statement
from audit.content.keeper import Keeper
from audit.errors import EvidenceUnavailable
from audit.log import Appended, Log, Pending
from audit.recording import Build
from audit.records import Anchor, Position
from audit.vocabulary import Kept, LegStatus, RecordKind, ResultOutcome, Sha256Hex
from proxy.calls import CIRCUIT_OPEN, CUT_DEADLINE, DEFECT, NO_BUDGET, NO_CAPACITY, Calls, Flight, OpenStream
from proxy.clock import Clock, timestamp
from proxy.core import aggregation, composing, hedging, provenance, receipt
from proxy.core.aggregation import examples
from proxy.core.aggregation.steps import AggregatorName, Ask, Basis, Composition, Final
from proxy.core.case import Case
from proxy.core.enforcement import AdmittedPlan
from proxy.core.health import Times
from proxy.core.keeping import Contents
from proxy.core.provenance import Ending
from proxy.core.replies import Reply
from proxy.core.request import ReceiptDetail
from proxy.errors import AnswerUnavailable, BudgetExceeded, EvidenceDown, ProxyError
from proxy.sandbox import programs
from proxy.sandbox.runner import Sandbox
from proxy.transports.base import UpstreamError
from proxy.wire import openai_chat as wire

_log = logging.getLogger(__name__)

MEDIA_JSON = "application/json"
MEDIA_EVENTS = "text/event-stream; charset=utf-8"
SINGLE_BASIS = Basis(aggregator=AggregatorName.SINGLE, method="single", confidence=0)

RETRY_AFTER_S = "1"
"""What a client is told where every permitted deployment is busy or left alone for a while (RFC 9110, 10.2.3)."""
CLIENT_LEFT = 499
"""Status on record where the client did not wait for one (nginx's convention)."""
STATUS_OF = {
    "upstream-rate-limited": 429,
    "upstream-rejected": 400,
    "context-overflow": 400,
    "content-refused": 400,
    "upstream-restricted": 451,
    "upstream-timeout": 504,
    CUT_DEADLINE: 504,
    CIRCUIT_OPEN: 503,
    NO_CAPACITY: 503,
}
"""HTTP status of a request whose every leg failed, by the last leg's error; any other is 502."""


class Exchange(Protocol):
    """The client's side of one request: a head once, then content, then its end."""

    async def begin(self, status: int, media_type: str, headers: Sequence[tuple[str, str]]) -> None:
        """Send the head of the response."""

    async def send(self, content: bytes) -> None:
        """Send some of the body."""

    async def end(self, content: bytes) -> None:
        """Send the last of the body."""


@dataclass(slots=True, kw_only=True)
class Run:
    """One decided request. ``straggler_s``: how long slower legs may take once a quorum has answered;
    ``keep_s``: how long the result waits for content to be kept."""

    case: Case
    key: bytes = field(repr=False)
    flight: Flight
    log: Log
    calls: Calls
    clock: Clock
    exchange: Exchange
    straggler_s: float | None
    speculate: bool
    sandbox: Sandbox | None = None
    keeper: Keeper | None = None
    keep_s: float = 0.0
    concluded: bool = False
    result: Appended | None = None

    async def abandon(self, cause: asyncio.CancelledError) -> None:
        """End a request that nobody waits for any more."""
        why = self.flight.why_cut(cause)
        self.calls.finish(self.flight)
        await self._conclude(Ending(outcome=ResultOutcome.ABORTED, status=CLIENT_LEFT, error=why), _Sent(self))

    async def refuse(self, error: ProxyError) -> None:
        """Send and record a refusal."""
        await self._finish_error(error, ResultOutcome.REFUSED, error.code)

    async def answer(self, admitted: AdmittedPlan) -> None:
        """Answer with what was admitted; whatever happens, the result is recorded before the client can know its end."""
        try:
            if admitted.plan.aggregator is AggregatorName.SINGLE:
                await self._single(admitted)
            else:
                await self._composite(admitted)
        except asyncio.CancelledError as cause:
            # Nobody waits for an answer any more, or we are stopping; the record is written all the same.
            if not self.concluded:
                await self.abandon(cause)
            raise
        except ProxyError:
            raise
        except Exception:
            # A defect of ours: the client gets a 500 from the edge, and the record says that there was no answer.
            if not self.concluded:
                self.calls.finish(self.flight)
                await self._conclude(Ending(outcome=ResultOutcome.ERROR, status=500, error=DEFECT), _Sent(self))
            raise

    # --- one model ----------------------------------------------------------------------------------------------------

    async def _single(self, admitted: AdmittedPlan) -> None:
        leg, calls = next(iter(admitted.calls.items()))
        if self.case.request.stream:
            opened = await self.calls.open_stream(self.flight, calls)
            if isinstance(opened, OpenStream):
                await self._forward(opened)
            else:
                await self._unanswered(opened)
            return
        (reply,) = await self.calls.together(self.flight, admitted.calls, (Ask(leg=leg),), quorum=1, straggler_s=None)
        if not reply.ok:
            await self._unanswered(reply)
            return
        ending = Ending(outcome=ResultOutcome.OK, status=200, basis=SINGLE_BASIS, answer=leg)
        await self._finish(ending, _with_member(self.flight.bodies[leg], self._member(ending)))

    async def _forward(self, stream: OpenStream) -> None:
        """Pass a stream on. Until its end mark the client cannot take it for complete."""
        sent = _Sent(self)
        ending = Ending(outcome=ResultOutcome.OK, status=200, basis=SINGLE_BASIS, answer=stream.leg)
        try:
            await self.exchange.begin(
                200,
                MEDIA_EVENTS,
                receipt.headers(self.case, (stream.deployment,), violated=stream.violated, locally=self._locally()),
            )
            async with asyncio.timeout(self.flight.remaining_s()):
                await sent.send(stream.first)
                async for content in stream.rest():
                    await sent.send(content)
            stream.settle(LegStatus.OK)
        except TimeoutError:
            stream.settle(LegStatus.CUT, CUT_DEADLINE)
            ending = Ending(outcome=ResultOutcome.ERROR, status=200, error=CUT_DEADLINE)
        except UpstreamError as error:
            stream.settle(LegStatus.FAILED, error.code)
            ending = Ending(outcome=ResultOutcome.ERROR, status=200, error=error.code)
        except asyncio.CancelledError as cause:
            stream.settle(LegStatus.CUT, self.flight.why_cut(cause))
            ending = Ending(outcome=ResultOutcome.ABORTED, status=CLIENT_LEFT, error=self.flight.why_cut(cause))
            await self._conclude(ending, sent)
            raise
        finally:
            await stream.aclose()
        await self._end_stream(ending, sent)

    async def _end_stream(self, ending: Ending, sent: "_Sent") -> None:
        if ending.outcome is ResultOutcome.OK:
            detail = self._member(ending) if self.case.request.options.receipt is ReceiptDetail.FULL else None
            last = (wire.render_receipt_event(self._head(), detail) if detail else b"") + wire.DONE
        else:
            last = wire.render_error_event(_failure(ending.error))
        sent.note(last)
        try:
            await self._conclude(ending, sent)
        except EvidenceDown as error:
            await self.exchange.end(wire.render_error_event(error))
            return
        await self.exchange.end(last)

    # --- composites ---------------------------------------------------------------------------------------------------

    async def _composite(self, admitted: AdmittedPlan) -> None:
        composition = composing.composition(self.case, admitted, os.urandom(composing.RANDOM_BYTES))
        replies: tuple[Reply, ...] = ()
        while True:
            step = aggregation.next_step(composition, replies)
            if isinstance(step, Final):
                break
            settled = await self.calls.together(
                self.flight,
                admitted.calls,
                step.asks,
                quorum=min(2, len(step.asks)),
                straggler_s=self.straggler_s,
                ahead=() if replies else self._ahead(composition, admitted, step.asks),
            )
            replies += await self._tried(composition, settled)
        self.calls.finish(self.flight)
        found = next((r for r in replies if r.leg == step.leg), None)
        if found is None or found.message is None:
            await self._unanswered(replies[-1] if replies else None, step.basis)
            return
        ending = Ending(outcome=ResultOutcome.OK, status=200, basis=step.basis, answer=step.leg)
        tokens_in, tokens_out = receipt.settled(self.flight.attempts)
        usage = {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        }
        finish = found.finish_reason or "stop"
        if not self.case.request.stream:
            member = self._member(ending)
            head = {**self._head(), **({"apostille": member} if member else {})}
            await self._finish(ending, wire.render_completion(found.message, head=head, finish=finish, usage=usage))
            return
        events = wire.render_chunks(
            found.message,
            head=self._head(),
            finish=finish,
            usage=usage if self.case.request.include_usage else None,
        )
        sent = _Sent(self)
        answering = receipt.contributed(self.flight.attempts, ending)
        told = receipt.headers(
            self.case, answering, violated=receipt.violated(self.flight.attempts), locally=self._locally()
        )
        await self.exchange.begin(200, MEDIA_EVENTS, told)
        for event in events:
            await sent.send(event)
        await self._end_stream(ending, sent)

    def _ahead(self, composition: Composition, admitted: AdmittedPlan, asks: Sequence[Ask]) -> Sequence[Ask]:
        """What is begun before it is known to be needed, because there would be no time for it afterwards."""
        following = hedging.second_stage(composition) if self.speculate else ()

        def times(stage: Sequence[Ask]) -> list[Times]:
            firsts = (admitted.calls[ask.leg][0].deployment.id for ask in stage)
            return [self.calls.monitor.health(each).answer for each in firsts]

        late = bool(following) and hedging.too_late(self.flight.remaining_us(), times(asks), times(following))
        return following if late else ()

    async def _tried(self, composition: Composition, settled: tuple[Reply, ...]) -> tuple[Reply, ...]:
        """Replies with what their programs did, where that decides."""
        if composition.aggregator is not AggregatorName.EXAMPLES or self.sandbox is None:
            return settled
        asked = examples.task(self.case.request.prompt)
        within_s = self.flight.remaining_s()
        return settled if asked is None else await programs.checked(self.sandbox, asked, settled, within_s)

    def _head(self) -> dict[str, Any]:
        created = self.clock.unix_us() // 1_000_000
        return {"id": f"chatcmpl-{self.case.request_id}", "created": created, "model": self.case.request.model}

    # --- ends ---------------------------------------------------------------------------------------------------------

    async def _unanswered(self, last: Reply | None, basis: Basis | None = None) -> None:
        code = (last.error if last else None) or "upstream-error"
        await self._finish_error(_failure(code), ResultOutcome.ERROR, code, basis)

    async def _finish_error(
        self, error: ProxyError, outcome: ResultOutcome, code: str, basis: Basis | None = None
    ) -> None:
        error.details = {"record": self.case.request_id, **error.details}
        await self._finish(
            Ending(outcome=outcome, status=error.status, error=code, basis=basis), wire.render_error(error)
        )

    async def _finish(self, ending: Ending, body: bytes) -> None:
        """Wall 2 for a whole body: on record first, then sent."""
        sent = _Sent(self)
        sent.note(body)
        await self._conclude(ending, sent)
        answering = receipt.contributed(self.flight.attempts, ending)
        length = ("content-length", str(len(body)))
        later = (("retry-after", RETRY_AFTER_S),) if ending.status == 503 else ()
        told = receipt.headers(
            self.case, answering, violated=receipt.violated(self.flight.attempts), locally=self._locally()
        )
        await self.exchange.begin(ending.status, MEDIA_JSON, (length, *later, *told))
        await self.exchange.end(body)

    async def _conclude(self, ending: Ending, sent: "_Sent") -> None:
        """Make the result durable. Raises ``EvidenceDown``. A request has one result: what comes later finds it concluded."""
        self.concluded = True
        if self.flight.contents is None:
            await self._record(ending, sent, ())
        else:  # a task of its own, because whoever is cancelled between the two still owes the result
            await asyncio.shield(asyncio.ensure_future(self._keep_and_record(self.flight.contents, ending, sent)))

    async def _keep_and_record(self, contents: Contents, ending: Ending, sent: "_Sent") -> None:
        """What is kept is durable before the result that says so; what cannot be kept in time is not, and the answer goes on."""
        assert self.keeper is not None
        kept: tuple[str, ...] = ()
        parcel = contents.parcel(self.flight.attempts, sent.size)
        try:
            kept = await asyncio.wait_for(asyncio.wrap_future(self.keeper.put(parcel)), self.keep_s)
        except (EvidenceUnavailable, TimeoutError):
            _log.warning("the content of `%s` is not kept", self.case.request_id)
        await self._record(ending, sent, kept)

    async def _record(self, ending: Ending, sent: "_Sent", kept: tuple[str, ...]) -> None:
        at = timestamp(self.clock.unix_us())
        digest = Sha256Hex(sent.hash.hexdigest()), sent.size

        def build(position: Position, _: Anchor | None) -> bytes:
            record = provenance.result(
                self.case,
                self.flight.attempts,
                ending,
                at=at,
                position=position,
                decided=self.flight.decided.pae_digest,
                answer=digest,
                passed_over=self.flight.passed_over,
                kept=kept,
            )
            return statement.render_result(record)

        self.result = await durable(self.log, pending(self.case, RecordKind.RESULT, build))

    def _locally(self) -> bool:
        """Whether the shared store lacks a record of this request."""
        records = (self.flight.decided, self.result)
        return any(each is not None and each.kept is Kept.LOCAL for each in records)

    def _member(self, ending: Ending) -> dict[str, Any] | None:
        match self.case.request.options.receipt:
            case ReceiptDetail.NONE:
                return None
            case ReceiptDetail.ID:
                models = tuple(each.model for each in receipt.contributed(self.flight.attempts, ending))
                told = receipt.disclosure(self.case, tuple(dict.fromkeys(models)))
                return {"record": self.case.request_id, **({"disclosure": told} if told else {})}
            case ReceiptDetail.FULL:
                decided = self.flight.decided
                return receipt.full(
                    self.case,
                    self.flight.attempts,
                    ending,
                    decided=decided.pae_digest,
                    kept=decided.kept,
                    key=self.key,
                    passed=self.flight.passed_over,
                )


class _Sent:
    """The commitment to what the client was sent, as it grows."""

    __slots__ = ("_contents", "_exchange", "hash", "size")

    def __init__(self, run: Run) -> None:
        self._contents = run.flight.contents
        self._exchange = run.exchange
        self.hash = run.flight.commitments.stream(statement.ANSWER)
        self.size = 0

    def note(self, content: bytes) -> None:
        """Count bytes that are about to be sent."""
        self.hash.update(content)
        self.size += len(content)
        if self._contents is not None:
            self._contents.note(statement.ANSWER, content)

    async def send(self, content: bytes) -> None:
        """Send bytes and count them."""
        if content:
            self.note(content)
            await self._exchange.send(content)


def pending(case: Case, kind: RecordKind, build: Build) -> Pending:
    """A record of a request, for the logs of all its scopes."""
    return Pending(request_id=case.request_id, kind=kind, build=build, scopes=scope.logs(case.scopes))


async def durable(log: Log, waiting: Pending) -> Appended:
    """Append one record; whoever is cancelled meanwhile does not stop the writing. Raises ``EvidenceDown``."""
    try:
        (appended,) = await asyncio.shield(log.submit(waiting))
    except EvidenceUnavailable as error:
        raise unavailable(error) from error
    return appended


def unavailable(error: EvidenceUnavailable) -> EvidenceDown:
    """The caller's error where no record can be made durable."""
    return EvidenceDown(
        "no record of this request can be made durable now, so nothing more is sent; try again later", code=error.code
    )


def _failure(code: str) -> ProxyError:
    """What the caller is told when no admitted deployment answered."""
    if code == NO_BUDGET:
        return BudgetExceeded(
            "`apostille.max_cost_usd`: the cap of this request does not leave room for a call; expected a higher one",
            param="apostille.max_cost_usd",
        )
    return AnswerUnavailable(
        f"no permitted deployment answered this request; the last one ended with `{code}`",
        code=code,
        status=STATUS_OF.get(code, 502),
    )


def _with_member(body: bytes, member: dict[str, Any] | None) -> bytes:
    """An upstream's JSON object with our member at its end; everything else byte for byte."""
    trimmed = body.rstrip()
    if member is None or not trimmed.endswith(b"}"):
        return body
    return trimmed[:-1] + b',"apostille":' + orjson.dumps(member) + b"}"
