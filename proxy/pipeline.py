"""The driver of a request up to wall 1: decide, record, and only then let it run.

The decisions are made by pure functions (``proxy.core.case``); this module waits for them to be durable. Nothing is called
before that: ``proxy.calls`` takes the ``Appended`` of the decision. What follows is ``proxy.run``.
"""

import asyncio
from collections.abc import Callable

import orjson

from audit.content.keeper import Keeper
from audit.errors import EvidenceUnavailable
from audit.log import Appended, Log, Pending
from audit.recent import NOTHING, Recent
from audit.records import Anchor, Position
from audit.vocabulary import RecordKind
from policies import residency
from policies.residency import Residency
from proxy.calls import Calls, Flight
from proxy.clock import Clock, instant, timestamp
from proxy.composite import fused
from proxy.core import budget, identifiers, intent, keeping, passing_over, provenance, receipt, rendering
from proxy.core import case as cases
from proxy.core.aggregation.quoting import MOST_READ_BYTES
from proxy.core.case import Caller, Case
from proxy.core.catalogue import Deployment
from proxy.core.enforcement import AdmittedPlan
from proxy.core.hops import Hops
from proxy.core.keeping import Contents
from proxy.core.provenance import Commitments
from proxy.core.request import InferenceRequest
from proxy.embedding import Encoder
from proxy.errors import Forbidden, NotApproved, PolicyRefusal, ProxyError
from proxy.randomness import Randomness
from proxy.run import MEDIA_JSON, Run, pending, unavailable
from proxy.sandbox.runner import Sandbox
from proxy.sending import Exchange
from proxy.settings import Content
from proxy.snapshot import Snapshot

LONG = 100_000
"""Characters of a conversation that are looked through for data classes off the event loop."""
EXPECTED_OUTPUT_TOKENS = 500
"""For the quote of a dry run whose request sets no limit."""


class Pipeline:
    """Answers requests, each with the snapshot that it brings. ``sandbox``: where programs are run, None nowhere;
    ``keeper``: who keeps content, None where none is kept, whatever a tenant's settings say;
    ``recent``: spares readers what it renders.
    """

    def __init__(
        self,
        log: Log,
        calls: Calls,
        clock: Clock,
        *,
        sandbox: Sandbox | None = None,
        keeper: Keeper | None = None,
        encoder: Encoder | None = None,
        recent: Recent = NOTHING,
    ) -> None:
        self._recent = recent
        self._encoder = encoder
        self._sandbox = sandbox
        self._keeper = keeper
        self._log = log
        self._calls = calls
        self._clock = clock
        self._randomness = Randomness()

    async def answer(self, request: InferenceRequest, caller: Caller, current: Snapshot, exchange: Exchange) -> None:
        """Answer one request. Raises a ``ProxyError`` only before anything was sent to the client."""
        routed = self._encoder is not None and intent.is_routed(request.model, current.rulebook.pipelines)
        embedding = await self._encoder.of(request.prompt) if self._encoder is not None and routed else ()
        detected = None
        if len(request.conversation) > LONG:
            detected = await asyncio.to_thread(cases.DETECTOR.detect, request.conversation)
        now_us = self._clock.unix_us()
        now = instant(now_us)
        if not current.approval.holds(now):
            raise NotApproved("too few approvals of what is in force count now; an approver has to sign again")
        case = cases.decide(
            identifiers.uuid7(now_us // 1000, self._randomness.take(identifiers.RANDOM_BYTES)),
            request,
            caller,
            current.rulebook,
            now=now,
            open_circuits=self._calls.monitor.blocked(),
            embedding=embedding,
            detected=detected,
        )
        if request.options.dry_run:
            await exchange.begin(200, MEDIA_JSON, ())
            await exchange.end(
                orjson.dumps({"object": "apostille.dry_run", **receipt.preview(case, _quote(case), _most(case))})
            )
            return
        run, left = await self._recorded(case, now_us, current, exchange)
        if left is not None:
            await run.abandon(left)
            raise left
        if isinstance(case.verdict, AdmittedPlan):
            await run.answer(case.verdict, fused)
        else:
            await run.refuse(_refusal(case))

    async def _recorded(
        self, case: Case, now_us: int, current: Snapshot, exchange: Exchange
    ) -> tuple[Run, asyncio.CancelledError | None]:
        """Wall 1: the decision is durable when this returns; with the cancellation that came meanwhile, if one did.

        Raises ``EvidenceDown``.
        """
        key = self._randomness.take(32)
        commitments, at = Commitments(key), timestamp(now_us)

        def build(position: Position, anchor: Anchor | None) -> bytes:
            record = provenance.decision(case, commitments, at=at, position=position, anchor=anchor)
            return self._recent.keep(rendering.decision(record), record)

        origin_us = self._clock.monotonic_us()
        waiting = pending(case, RecordKind.DECISION, build, case.outcome.value)
        decided, left = await self._durable(waiting)
        options, limits = case.request.options, current.settings.fusion
        admitted = case.verdict if isinstance(case.verdict, AdmittedPlan) else None
        hops = passing_over.hops(case.question, admitted.plan) if admitted else Hops()
        deadline_ms = min(options.deadline_ms or limits.deadline_ms, limits.deadline_ms)
        straggler_ms = options.straggler_ms or limits.straggler_ms
        flight = Flight(
            decided=decided,
            request=case.request,
            commitments=commitments,
            origin_us=origin_us,
            deadline_us=origin_us + deadline_ms * 1000,
            budget=case.budget,
            hops=hops,
            limits=current.limits,
            hedging=current.hedging,
            residency=_residency(case, now_us),
            clock_us=self._clock.monotonic_us,
            withhold=case.caller.withhold_violated,
            contents=self._contents(case, key, now_us, current.settings.content),
        )
        run = Run(
            case=case,
            key=key,
            flight=flight,
            log=self._log,
            recent=self._recent,
            calls=self._calls,
            clock=self._clock,
            exchange=exchange,
            straggler_s=straggler_ms / 1000 if straggler_ms else None,
            speculate=current.settings.calls.speculate,
            keep_alive_s=limits.keep_alive_ms / 1000,
            sandbox=self._sandbox,
            keeper=self._keeper,
            keep_s=current.settings.log.append_deadline_ms / 1000,
        )
        return run, left

    def _contents(self, case: Case, key: bytes, now_us: int, asked: Content) -> Contents | None:
        if self._keeper is None:
            return None
        expires = now_us // 1_000_000 + asked.retention_days * 86_400
        return keeping.contents(case, key, expires=expires, limit=asked.max_item_bytes)

    async def _durable(self, waiting: Pending) -> tuple[Appended, asyncio.CancelledError | None]:
        """Append a decision. A client that leaves meanwhile does not undo it: what is decided gets its result."""
        left: asyncio.CancelledError | None = None
        try:
            future = self._log.submit(waiting)
            while True:
                try:
                    (decided,) = await asyncio.shield(future)
                    break
                except asyncio.CancelledError as cause:  # and perhaps once more, by a deadline or a server that stops
                    if future.cancelled():
                        raise
                    left = left or cause
        except EvidenceUnavailable as error:
            raise unavailable(error) from error
        return decided, left


def _residency(case: Case, now_us: int) -> Callable[[Deployment, str], Residency]:
    """What a reported region says about a deployment, by the table of this request's rulebook."""
    territories, at = case.rulebook.point.facts.territories, instant(now_us)
    return lambda deployment, reported: residency.verdict(deployment.regions, reported, territories, at)


def _quote(case: Case) -> int:
    """Expected cost in micro-dollars of every leg's first choice."""
    if not isinstance(case.verdict, AdmittedPlan):
        return 0
    return sum(
        budget.quote(calls[0].deployment, case.request.needs, EXPECTED_OUTPUT_TOKENS)
        for calls in case.verdict.calls.values()
    )


def _most(case: Case) -> int:
    """The most that a request can cost in micro-dollars, whatever fails and whatever is started beside another."""
    if not isinstance(case.verdict, AdmittedPlan):
        return 0
    request, readers = case.request, case.verdict.plan.reading()
    own = len(request.commitment_input) + request.needs.prompt_tokens_estimate
    reading = 2 * own + MOST_READ_BYTES
    found = sum(
        budget.worst([c.deployment for c in calls], request.needs, reading if leg in readers else own)
        for leg, calls in case.verdict.calls.items()
    )
    return found if case.budget.left is None else min(found, case.budget.left)


def _refusal(case: Case) -> ProxyError:
    """The error of a refused request: 403 where no jurisdiction was established, else 451 (RFC 7725)."""
    assert not isinstance(case.verdict, AdmittedPlan)
    if case.verdict.code == "jurisdiction-unknown":
        return Forbidden(f"no jurisdiction is established for this request: {case.sentence}", code=case.verdict.code)
    return PolicyRefusal(receipt.refusal_sentence(case), code=case.verdict.code, details=receipt.refusal_details(case))
