"""One request after wall 1: one model's answer, wall 2, every end. What several models make together: ``proxy.composite``.

A whole body is sent after its result is durable. A stream's tokens go out as they come; its end mark waits for the result.
However a request ends (answer, refusal, failure, a client that left, a stopping server), its result goes on record.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from audit import scope, statement
from audit.content.keeper import Keeper
from audit.errors import EvidenceUnavailable
from audit.log import Appended, Log, Pending
from audit.recent import Recent
from audit.recording import Build
from audit.records import Anchor, Position
from audit.vocabulary import Kept, LegStatus, RecordKind, ResultOutcome, Sha256Hex
from proxy import failures
from proxy.calls import CUT_DEADLINE, DEFECT, Calls, Flight, OpenStream
from proxy.clock import Clock, timestamp
from proxy.core import provenance, receipt, rendering
from proxy.core.aggregation.steps import AggregatorName, Ask, Basis
from proxy.core.case import Case
from proxy.core.catalogue import Deployment
from proxy.core.enforcement import AdmittedPlan
from proxy.core.keeping import Contents
from proxy.core.provenance import Ending
from proxy.core.replies import Reply
from proxy.core.request import ReceiptDetail
from proxy.errors import EvidenceDown, ProxyError
from proxy.sandbox.runner import Sandbox
from proxy.sending import Exchange, Sent
from proxy.transports.base import UpstreamError, UpstreamServerError
from proxy.wire import voice
from proxy.wire.voice import Voice

_log = logging.getLogger(__name__)

MEDIA_JSON = "application/json"
MEDIA_EVENTS = "text/event-stream; charset=utf-8"
SINGLE_BASIS = Basis(aggregator=AggregatorName.SINGLE, method="single", confidence=0)


@dataclass(slots=True, kw_only=True)
class Run:
    """One decided request. ``straggler_s``: how long slower legs may take once a quorum has answered;
    ``keep_s``: how long the result waits for content to be kept."""

    case: Case
    key: bytes = field(repr=False)
    flight: Flight
    log: Log
    recent: Recent
    calls: Calls
    clock: Clock
    exchange: Exchange
    straggler_s: float | None
    speculate: bool
    sandbox: Sandbox | None = None
    keeper: Keeper | None = None
    keep_s: float = 0.0
    keep_alive_s: float = 10.0
    concluded: bool = False
    result: Appended | None = None
    begun: bool = False
    voice: Voice = field(init=False, repr=False)
    sent: Sent = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.voice = voice.of(self.case.request, self.case.request_id, self.used)
        commitment = self.flight.commitments.stream(statement.ANSWER)
        self.sent = Sent(self.exchange, self.voice, commitment, self.flight.contents)

    def used(self) -> tuple[int, int]:
        """Tokens in and out so far."""
        return receipt.settled(self.flight.attempts)

    async def abandon(self, cause: asyncio.CancelledError) -> None:
        """End a request that nobody waits for any more."""
        why = self.flight.why_cut(cause)
        self.calls.finish(self.flight)
        await self._conclude(Ending(outcome=ResultOutcome.ABORTED, status=failures.CLIENT_LEFT, error=why))

    async def refuse(self, error: ProxyError) -> None:
        """Send and record a refusal."""
        await self._finish_error(error, ResultOutcome.REFUSED, error.code)

    async def answer(self, admitted: AdmittedPlan, fused: Callable[["Run", AdmittedPlan], Awaitable[None]]) -> None:
        """Answer with what was admitted; whatever happens, the result is recorded before the client can know its end.

        ``fused``: how the answer of more than one model comes about.
        """
        try:
            if admitted.plan.alone:
                await self._single(admitted)
            else:
                await fused(self, admitted)
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
                await self._conclude(Ending(outcome=ResultOutcome.ERROR, status=500, error=DEFECT))
            raise

    # --- one model ----------------------------------------------------------------------------------------------------

    async def _single(self, admitted: AdmittedPlan) -> None:
        leg, calls = next(iter(admitted.calls.items()))
        if self.case.request.stream:
            opened = await self.calls.open_stream(self.flight, calls)
            if isinstance(opened, OpenStream):
                await self._forward(opened)
            else:
                await self.unanswered(opened)
            return
        (reply,) = await self.calls.together(self.flight, admitted.calls, (Ask(leg=leg),), quorum=1, straggler_s=None)
        if not reply.ok:
            await self.unanswered(reply)
            return
        ending = Ending(outcome=ResultOutcome.OK, status=200, basis=SINGLE_BASIS, answer=leg)
        await self.complete(ending, _with_member(self.flight.bodies[leg], self.member(ending)))

    async def begin_stream(self, answering: Sequence[Deployment] = (), *, violated: bool = False) -> None:
        """Send the head of a stream. ``answering``, ``violated``: as far as that is known (``receipt.headers``)."""
        self.begun = True
        told = receipt.headers(self.case, answering, violated=violated, locally=self._locally())
        await self.exchange.begin(200, MEDIA_EVENTS, told)

    async def _forward(self, stream: OpenStream) -> None:
        """Pass a stream on. Until its end mark the client cannot take it for complete."""
        ending = Ending(outcome=ResultOutcome.OK, status=200, basis=SINGLE_BASIS, answer=stream.leg)
        try:
            await self.begin_stream((stream.deployment,), violated=stream.violated)
            async with asyncio.timeout(self.flight.remaining_s()):
                await self.sent.send(stream.first)
                async for content in stream.rest():
                    await self.sent.send(content)
            stream.settle(LegStatus.OK)
        except TimeoutError:
            stream.settle(LegStatus.CUT, CUT_DEADLINE)
            ending = Ending(outcome=ResultOutcome.ERROR, status=200, error=CUT_DEADLINE)
        except UpstreamError as error:
            stream.settle(LegStatus.FAILED, error.code)
            ending = Ending(outcome=ResultOutcome.ERROR, status=200, error=error.code)
        except asyncio.CancelledError as cause:
            stream.settle(LegStatus.CUT, self.flight.why_cut(cause))
            ending = Ending(
                outcome=ResultOutcome.ABORTED, status=failures.CLIENT_LEFT, error=self.flight.why_cut(cause)
            )
            await self._conclude(ending)
            raise
        finally:
            await stream.aclose()
        await self.end_stream(ending)

    async def end_stream(self, ending: Ending) -> None:
        """Wall 2 for a stream: on record first, then its end mark, or the error that it ends with."""
        ending, last = self._last(ending)
        self.sent.note(last)
        try:
            await self._conclude(ending)
        except EvidenceDown as error:
            await self.exchange.end(self.voice.error_event(error))
            return
        await self.exchange.end(last)

    def _last(self, ending: Ending) -> tuple[Ending, bytes]:
        """How a stream ends, and what it ends with: an answer that turns out to be none in the client's family is an error."""
        if ending.outcome is ResultOutcome.OK:
            detail = self.member(ending) if self.case.request.options.receipt is ReceiptDetail.FULL else None
            try:
                return ending, self.voice.end(self.head(), detail)
            except ValueError:
                ending = Ending(outcome=ResultOutcome.ERROR, status=200, error=UpstreamServerError.code)
        return ending, self.voice.error_event(self._failed(ending.error))

    def head(self) -> dict[str, Any]:
        """Members that every completion and chunk of ours begins with."""
        created = self.clock.unix_us() // 1_000_000
        return {"id": f"chatcmpl-{self.case.request_id}", "created": created, "model": self.case.request.model}

    # --- ends ---------------------------------------------------------------------------------------------------------

    async def unanswered(self, last: Reply | None, basis: Basis | None = None) -> None:
        """Send and record that nobody answered."""
        code = (last.error if last else None) or "upstream-error"
        if self.begun:
            await self.end_stream(Ending(outcome=ResultOutcome.ERROR, status=200, error=code, basis=basis))
            return
        await self._finish_error(failures.of(code), ResultOutcome.ERROR, code, basis)

    async def _finish_error(
        self, error: ProxyError, outcome: ResultOutcome, code: str, basis: Basis | None = None
    ) -> None:
        error.details = {"record": self.case.request_id, **error.details}
        await self.finish(
            Ending(outcome=outcome, status=error.status, error=code, basis=basis), self.voice.error(error)
        )

    def _failed(self, code: str) -> ProxyError:
        """The error of a stream that has begun."""
        error = failures.of(code)
        error.details = {"record": self.case.request_id, **error.details}
        return error

    async def complete(self, ending: Ending, completion: bytes) -> None:
        """Send and record a whole answer; one that has no form in the client's family is an upstream's failure."""
        try:
            body = self.voice.whole(completion)
        except ValueError:
            code = UpstreamServerError.code
            await self._finish_error(failures.of(code), ResultOutcome.ERROR, code)
            return
        await self.finish(ending, body)

    async def finish(self, ending: Ending, body: bytes) -> None:
        """Wall 2 for a whole body: on record first, then sent."""
        self.sent.note(body)
        await self._conclude(ending)
        answering = receipt.contributed(self.flight.attempts, ending)
        length = ("content-length", str(len(body)))
        told = receipt.headers(
            self.case,
            answering,
            violated=receipt.violated(self.flight.attempts),
            locally=self._locally(),
            answered=ending.outcome is ResultOutcome.OK,
        )
        await self.exchange.begin(ending.status, MEDIA_JSON, (length, *failures.again(ending), *told))
        await self.exchange.end(body)

    async def _conclude(self, ending: Ending) -> None:
        """Make the result durable. Raises ``EvidenceDown``. A request has one result: what comes later finds it concluded."""
        self.concluded = True
        if self.flight.contents is None:
            await self._record(ending, ())
        else:  # a task of its own, because whoever is cancelled between the two still owes the result
            await asyncio.shield(asyncio.ensure_future(self._keep_and_record(self.flight.contents, ending)))

    async def _keep_and_record(self, contents: Contents, ending: Ending) -> None:
        """What is kept is durable before the result that says so; what cannot be kept in time is not, and the answer goes on."""
        assert self.keeper is not None
        kept: tuple[str, ...] = ()
        parcel = contents.parcel(self.flight.attempts, self.sent.size)
        try:
            kept = await asyncio.wait_for(asyncio.wrap_future(self.keeper.put(parcel)), self.keep_s)
        except (EvidenceUnavailable, TimeoutError):
            _log.warning("the content of `%s` is not kept", self.case.request_id)
        await self._record(ending, kept)

    async def _record(self, ending: Ending, kept: tuple[str, ...]) -> None:
        at = timestamp(self.clock.unix_us())
        digest = Sha256Hex(self.sent.hash.hexdigest()), self.sent.size

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
            return self.recent.keep(rendering.result(record), record)

        self.result = await durable(self.log, pending(self.case, RecordKind.RESULT, build, ending.outcome.value))

    def _locally(self) -> bool:
        """Whether the shared store lacks a record of this request."""
        records = (self.flight.decided, self.result)
        return any(each is not None and each.kept is Kept.LOCAL for each in records)

    def member(self, ending: Ending) -> dict[str, Any] | None:
        """The receipt, as much of it as the client asked for."""
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


def pending(case: Case, kind: RecordKind, build: Build, outcome: str) -> Pending:
    """A record of a request, for the logs of all its scopes. ``outcome``: the one that it states."""
    return Pending(request_id=case.request_id, kind=kind, build=build, outcome=outcome, scopes=scope.logs(case.scopes))


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


def _with_member(body: bytes, member: dict[str, Any] | None) -> bytes:
    """An upstream's JSON object with our member at its end; everything else byte for byte."""
    trimmed = body.rstrip()
    if member is None or not trimmed.endswith(b"}"):
        return body
    return trimmed[:-1] + b',"apostille":' + orjson.dumps(member) + b"}"
