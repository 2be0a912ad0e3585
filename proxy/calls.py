"""Legs of one request, sent and collected: only admitted calls, only after the decision is durable, within time and budget.

1. A ``Flight`` cannot be made without the ``Appended`` of its decision: nothing leaves before wall 1.
2. A leg goes through its admitted deployments in order, and through no others; every attempt is kept for the record.
3. What a client may fix (a bad request) is not tried elsewhere, nor what a provider's own rules refuse unless the tenant says so.
4. A deadline or a client that left cuts a leg; what was cut is on record too.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from audit import openings
from audit.log import Appended
from audit.vocabulary import LegStatus, Role
from policies.residency import Residency
from proxy.core.aggregation.steps import Ask
from proxy.core.budget import Budget, Grant
from proxy.core.catalogue import Deployment
from proxy.core.enforcement import AdmittedCall
from proxy.core.keeping import Contents
from proxy.core.provenance import Attempt, Commitments
from proxy.core.replies import Reply, Usage
from proxy.core.request import InferenceRequest, JsonObject, OnOutage, OnRefusal
from proxy.transports.base import (
    Transport,
    UpstreamBroken,
    UpstreamError,
    UpstreamRejected,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamRestricted,
    UpstreamServerError,
    bounded,
)
from proxy.wire import completion
from proxy.wire.completion import Completion
from proxy.wire.event_stream import EventStream

MAX_ANSWER_BYTES = 16 * 1024 * 1024
RETRY_PAUSE_S = 0.25
"""Before the one retry on a leg's last deployment."""
TIMER_S = 0.05
"""An event loop's timer fires a little before or after its time."""
CHARACTERS_PER_TOKEN = 4
CUT_DEADLINE = "deadline"
CUT_STRAGGLER = "straggler"
CUT_CLIENT = "client-left"
CUT_STOPPED = "server-stopped"
CONTEXT_OVERFLOW = "context-overflow"
CONTENT_REFUSED = "content-refused"
NO_BUDGET = "budget-exceeded"
DEFECT = "internal-error"
RESIDENCY_VIOLATED = "residency-violated"
_CLIENT_ONLY = (
    "tools", "tool_choice", "functions", "function_call", "response_format", "parallel_tool_calls", "stop", "logit_bias",
)  # fmt: skip
"""Parameters that concern the client's own answer, and would bend a judge's."""
_REPORTING = frozenset({Role.JUDGE, Role.VERIFIER})
"""Roles whose answer is a report for us, and never the client's."""
_RETRIED = frozenset({"upstream-rate-limited", "upstream-unreachable", "upstream-server-error"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hops:
    """How far a leg may go on past a deployment that fails, as its tenant says; always within what was admitted."""

    outage: OnOutage = OnOutage.SUBSTITUTE
    refusal: OnRefusal = OnRefusal.REFUSE


@dataclass(slots=True, kw_only=True)
class Flight:
    """What the calls of one request share. ``residency``: what a reported region says about a deployment; ``withhold``: an answer
    from elsewhere than declared is not used. ``origin_us``, ``deadline_us`` on the monotonic clock, microseconds.
    ``contents``: where content is collected that the tenant keeps."""

    decided: Appended
    request: InferenceRequest
    commitments: Commitments
    origin_us: int
    deadline_us: int
    budget: Budget
    residency: Callable[[Deployment, str], Residency]
    withhold: bool = False
    hops: Hops = Hops()
    contents: Contents | None = field(default=None, repr=False)
    attempts: list[Attempt] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Whole answers by leg, as they came: a single model's is passed on unchanged."""


class OpenStream:
    """An upstream's answer that has begun. ``first``: bytes to forward that came with the opening."""

    def __init__(self, trial: "_Trial", response: UpstreamResponse, chunks: AsyncIterator[bytes], first: bytes) -> None:
        self._trial = trial
        self._response = response
        self._chunks = chunks
        self.first = first

    @property
    def deployment(self) -> Deployment:
        """Who answers."""
        return self._trial.call.deployment

    @property
    def violated(self) -> bool:
        """Whether it said already that it computes elsewhere than declared."""
        return self._trial.residency() is Residency.VIOLATED

    @property
    def leg(self) -> str:
        """Its leg."""
        return self._trial.call.leg

    async def rest(self) -> AsyncIterator[bytes]:
        """What is still to be forwarded, without the end mark. Raises an ``UpstreamError`` if the stream breaks."""
        async for chunk in self._chunks:
            content = self._trial.feed(chunk)
            if content:
                yield content
        self._trial.ended()
        self._trial.check_place()  # what was sent is sent, but it never counts as a whole answer

    def settle(self, status: LegStatus, error: str = "") -> None:
        """Put the attempt on record; once."""
        self._trial.settle(status, error)

    async def aclose(self) -> None:
        """Let the upstream go."""
        await self._response.aclose()


class Calls:
    """Sends legs through one transport. ``clock_us``: monotonic microseconds."""

    def __init__(self, transport: Transport, clock_us: Callable[[], int]) -> None:
        self._transport = transport
        self._clock_us = clock_us

    def remaining_s(self, flight: Flight) -> float:
        """Seconds until the deadline; not negative."""
        return max(0.0, (flight.deadline_us - self._clock_us()) / 1e6)

    def why_cut(self, flight: Flight, cause: asyncio.CancelledError) -> str:
        """Whoever cancels says why; the deadline's timer and a stopping server do not."""
        said = next((each for each in (CUT_STRAGGLER, CUT_CLIENT) if each in cause.args), None)
        return said or (CUT_STOPPED if self.remaining_s(flight) > TIMER_S else CUT_DEADLINE)

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
                await self._cut_stragglers(tasks, quorum, straggler_s)
            return tuple(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel(CUT_CLIENT)
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _cut_stragglers(self, tasks: Sequence["asyncio.Task[Reply]"], quorum: int, after_s: float) -> None:
        waiting = set(tasks)
        while waiting:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            good = sum(1 for t in tasks if t.done() and not t.cancelled() and t.exception() is None and t.result().ok)
            if good >= quorum and waiting:
                await asyncio.wait(waiting, timeout=after_s)
                for task in waiting:
                    task.cancel(CUT_STRAGGLER)
                return

    async def _within_deadline(self, flight: Flight, calls: tuple[AdmittedCall, ...], ask: Ask, share: int) -> Reply:
        try:
            async with asyncio.timeout(self.remaining_s(flight)):
                return await self._leg(flight, calls, ask, share)
        except TimeoutError:
            return _failed(calls[0], LegStatus.CUT, CUT_DEADLINE)
        except asyncio.CancelledError as cause:
            if CUT_STRAGGLER in cause.args:
                return _failed(calls[0], LegStatus.CUT, CUT_STRAGGLER)
            raise

    async def _leg(self, flight: Flight, calls: tuple[AdmittedCall, ...], ask: Ask, share: int) -> Reply:
        return await self._first_success(flight, calls, ask, share, self._collected)

    async def open_stream(self, flight: Flight, calls: tuple[AdmittedCall, ...]) -> OpenStream | Reply:
        """The first deployment of a leg that begins to answer, or the leg's failure. Nothing was forwarded before."""
        try:
            async with asyncio.timeout(self.remaining_s(flight)):
                return await self._first_success(flight, calls, Ask(leg=calls[0].leg), 1, self._opened, stream=True)
        except TimeoutError:
            return _failed(calls[0], LegStatus.CUT, CUT_DEADLINE)

    async def _first_success(
        self,
        flight: Flight,
        calls: tuple[AdmittedCall, ...],
        ask: Ask,
        share: int,
        send: Callable[["_Trial"], Awaitable[T]],
        *,
        stream: bool = False,
    ) -> T | Reply:
        """Try a leg's deployments in order, as far as the tenant lets it go on; the last one tried a second time, for what
        passes by itself."""
        reply = _failed(calls[0], LegStatus.FAILED, NO_BUDGET)
        failure: UpstreamError | None = None
        last = calls[0]
        number = 0
        for call in (*calls, None):
            if call is None:
                if number == 0 or reply.error not in _RETRIED:
                    break
                await asyncio.sleep(RETRY_PAUSE_S)
                call = last  # once more, the one that was tried last
            elif call is not calls[0] and not _may_go_on(flight.hops, failure, calls[0], call):
                continue
            flight.budget, grant = flight.budget.reserve(
                call.deployment, flight.request.needs, _most_prompt_tokens(flight, ask), share=share
            )
            if grant is None:
                continue
            last = call
            trial = _Trial(flight, call, ask, number, grant, self._clock_us, stream=stream)
            number += 1
            try:
                return await send(trial)
            except UpstreamError as error:
                trial.settle(LegStatus.FAILED, error.code)
                reply, failure = _failed(call, LegStatus.FAILED, error.code), error
            except asyncio.CancelledError as cause:
                trial.settle(LegStatus.CUT, self.why_cut(flight, cause))
                raise
            except Exception:
                trial.settle(LegStatus.FAILED, DEFECT)  # a defect of ours: what was sent is on record all the same
                raise
        return reply

    async def _collected(self, trial: "_Trial") -> Reply:
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
        trial.flight.bodies[trial.call.leg] = body
        trial.learned(found)
        trial.check_place()
        trial.settle(LegStatus.OK)
        return _answered(trial, found)

    async def _opened(self, trial: "_Trial") -> OpenStream:
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


class _Trial:
    """One attempt, from its budget to its place in the flight's record."""

    def __init__(
        self,
        flight: Flight,
        call: AdmittedCall,
        ask: Ask,
        number: int,
        grant: Grant,
        clock_us: Callable[[], int],
        *,
        stream: bool,
    ) -> None:
        self.flight = flight
        self.call = call
        self.number = number
        self.observed: JsonObject = {}
        self.received = 0
        self.events = EventStream(keep_usage=flight.request.include_usage)
        self._response_label = openings.response_label(call.leg, number)
        self._hash = flight.commitments.stream(self._response_label)
        self._request_label = openings.request_label(call.leg, number)
        self._request_commitment = ""
        self._grant = grant
        self._clock_us = clock_us
        self._started_us = clock_us()
        self._usage: Usage | None = None
        self._model = ""
        self._upstream_id = ""
        self._region = ""
        self._settled = False
        self._stream = stream
        self._body = _body(flight.request, call, ask, grant, stream=stream)

    def request(self) -> UpstreamRequest:
        """What is sent; its commitment is taken now, so that the record covers attempts that never got an answer.

        The time limit is the deployment's own: the request's deadline is kept by whoever waits for the leg.
        """
        self._request_commitment = self.flight.commitments.of(self._request_label, orjson.dumps(self._body))
        return UpstreamRequest(body=self._body, stream=self._stream, timeout_s=self.call.deployment.timeout_ms / 1000)

    def note(self, chunk: bytes) -> None:
        """Count what came back."""
        self._hash.update(chunk)
        self.received += len(chunk)
        if self.flight.contents is not None:
            self.flight.contents.note(self._response_label, chunk)

    def feed(self, chunk: bytes) -> bytes:
        """Bytes to forward of a stream's chunk. Raises an ``UpstreamError``."""
        self.note(chunk)
        try:
            content = self.events.feed(chunk)
        except ValueError as cause:
            raise UpstreamServerError(f"expected a stream of events, got {cause}") from cause
        if self.events.error:
            raise UpstreamBroken("the stream ended with an error of the provider's")
        return content

    def ended(self) -> None:
        """The stream is over. Raises ``UpstreamBroken`` if it did not say so."""
        if not self.events.done:
            raise UpstreamBroken("the stream ended before its end mark")

    def check_place(self) -> None:
        """Raise an ``UpstreamError`` if it says that it computed where it must not, and such answers are withheld."""
        if self.flight.withhold and self.residency() is Residency.VIOLATED:
            raise UpstreamServerError("the answer came from elsewhere than declared", code=RESIDENCY_VIOLATED)

    def residency(self) -> Residency:
        """What its report says about the declaration."""
        return self.flight.residency(self.call.deployment, self.region())

    def region(self) -> str:
        """Where it says that it computed, or ""; of reports that differ (head, body, events) one from elsewhere than declared."""
        said = [
            bounded(each, 64) for each in (self._region, *self.events.regions, self.observed.get("region", "")) if each
        ]
        elsewhere = (r for r in said if self.flight.residency(self.call.deployment, r) is Residency.VIOLATED)
        return next(elsewhere, said[0] if said else "")

    def learned(self, found: Completion) -> None:
        """What a whole answer says about itself."""
        self._usage, self._model, self._upstream_id = found.usage, found.model, found.upstream_id
        self._region = found.region

    def settle(self, status: LegStatus, error: str = "") -> None:
        """Put the attempt on record; further calls do nothing."""
        if self._settled:
            return
        self._settled = True
        attempt = Attempt(
            leg=self.call.leg,
            role=self.call.role,
            number=self.number,
            deployment=self.call.deployment,
            status=status,
            request_commitment=self._request_commitment,
            response_commitment=self._hash.hexdigest() if self.received else "",
            usage=self.usage(),
            started_us=max(0, self._started_us - self.flight.origin_us),
            duration_us=max(0, self._clock_us() - self._started_us),
            error=error,
            region=self.region(),
            residency=self.residency().value if self.received else "",
            model=bounded(self._model or self.events.model or self.observed.get("model", ""), 128),
            upstream_id=bounded(
                self._upstream_id or self.events.upstream_id or self.observed.get("request_id", ""), 128
            ),
        )
        self.flight.attempts.append(attempt)
        self.flight.budget = self.flight.budget.settle(self._grant, attempt.cost_micro_usd)

    def usage(self) -> Usage:
        """Tokens as reported; estimated from sizes where the upstream answered and said nothing."""
        reported = self._usage or self.events.usage
        if reported is not None:
            return reported
        if not self.received:
            return Usage()
        return Usage(
            tokens_in=self.flight.request.needs.prompt_tokens_estimate,
            tokens_out=self.received // CHARACTERS_PER_TOKEN,
            estimated=True,
        )


def _may_go_on(hops: Hops, failure: UpstreamError | None, first: AdmittedCall, call: AdmittedCall) -> bool:
    """Whether a leg may go on to a deployment after a failure of another; both were admitted. ``failure`` None: the budget left
    no room for those before it, which is no provider's refusal and leads no further than an outage."""
    if isinstance(failure, UpstreamRestricted) or (failure is not None and failure.code == CONTENT_REFUSED):
        return hops.refusal is OnRefusal.SUBSTITUTE
    if isinstance(failure, UpstreamRejected) and failure.code != CONTEXT_OVERFLOW:
        return False
    if hops.outage is OnOutage.SAME_MODEL:
        return call.deployment.model == first.deployment.model
    return hops.outage is OnOutage.SUBSTITUTE


def _most_prompt_tokens(flight: Flight, ask: Ask) -> int:
    """The most tokens that a leg's prompt can have: one for each byte, and what images count for.

    A judge reads the candidates as well, so its prompt is not the client's. Without a cap nobody asks.
    """
    if flight.budget.left is None:
        return 0
    own = len(flight.request.commitment_input) + flight.request.needs.prompt_tokens_estimate
    return own if ask.messages is None else own + len(orjson.dumps(ask.messages))


def _body(request: InferenceRequest, call: AdmittedCall, ask: Ask, grant: Grant, *, stream: bool) -> dict[str, Any]:
    """Body of a call in the neutral form: the client's own, with what the leg and the budget change."""
    body = {**request.parameters, "messages": request.messages if ask.messages is None else ask.messages}
    if call.role in _REPORTING:
        for key in _CLIENT_ONLY:
            body.pop(key, None)
    if ask.sample:
        seed = body.get("seed")
        body["seed"] = (seed if isinstance(seed, int) else 0) + ask.sample
        body.setdefault("temperature", 0.7)
    if "no-content-storage" in call.obligations:
        body.pop("store", None)
    if grant.max_tokens is not None:
        key = "max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"
        body[key] = grant.max_tokens
    if stream:
        body["stream_options"] = {"include_usage": True}
    return body


def _failed(call: AdmittedCall, status: LegStatus, error: str) -> Reply:
    return Reply(leg=call.leg, role=call.role, deployment=call.deployment.id, status=status, error=error)


def _answered(trial: _Trial, found: Completion) -> Reply:
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
