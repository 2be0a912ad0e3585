"""``POST /v1/feedback``: a tenant's judgement on one of its own answers, on record before it is acknowledged.

The same again changes nothing; something else of the same sort is put on record as well, and counts instead. The record of another
tenant and one that does not exist are the same answer.
"""

import asyncio
from collections.abc import Callable, Iterable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit import dsse, learning, statement
from audit.bundle import StoredRecord
from audit.errors import EvidenceUnavailable
from audit.learning import Feedback
from audit.log import Log, Pending
from audit.records import Anchor, DecisionRecord, Position, ResultRecord
from audit.vocabulary import RecordKind, Sha256Hex
from proxy.api import inference, records
from proxy.api.errors import answered
from proxy.auth import Principal
from proxy.clock import Clock, timestamp
from proxy.core import feedback
from proxy.core.feedback import Asked
from proxy.core.pacing import Pace
from proxy.errors import ClientError, EvidenceDown, NotFound
from proxy.snapshot import Snapshot

PATH = "/v1/feedback"
PLACE_S = 5.0
"""How long a result's place in the log is waited for: it comes with the next checkpoint."""
LOOK_S = 0.05


def routes(log: Log, snapshot: Callable[[], Snapshot], clock: Clock, per_minute: int) -> list[Route]:
    """The route over one log. ``per_minute``: judgements of one key."""
    pace, turn = Pace(per_minute), asyncio.Lock()

    async def judge(request: Request) -> Response:
        principal = records.principal_of(request, snapshot())
        wait_us = pace.wait_us(principal.pseudonym, clock.monotonic_us())
        if wait_us:
            seconds = -(-wait_us // 1_000_000)
            raise ClientError(
                f"expected at most {per_minute} judgements a minute; the next in {seconds} s",
                code="too-much-feedback",
                status=429,
            )
        body = await inference.read_in_time(dict(request.scope["headers"]), request.receive, feedback.MAX_BODY_BYTES)
        asked = feedback.parse(body)
        made = await _judged(log, asked, principal)
        async with turn:  # two at once must not both find that nothing was said yet
            return await _recorded(log, made, timestamp(clock.unix_us()))

    return [Route(PATH, answered(judge), methods=["POST"])]


async def _judged(log: Log, asked: Asked, principal: Principal) -> Feedback:
    """The feedback to record. Raises ``NotFound``, ``ClientError``."""
    end = asyncio.get_running_loop().time() + PLACE_S
    while True:
        decision, result, waiting = _pair(await asyncio.to_thread(records.find, log, asked.record))
        if decision is None or decision.tenant != principal.tenant_id:
            raise NotFound("expected the id of a record of this tenant", code="record-not-found")
        if not waiting or asyncio.get_running_loop().time() >= end:
            return feedback.judged(asked, principal.pseudonym, decision, result)
        await asyncio.sleep(LOOK_S)


def _pair(
    found: Iterable[StoredRecord],
) -> tuple[DecisionRecord | None, tuple[int, Sha256Hex, ResultRecord] | None, bool]:
    """Decision and result of a request, and whether there is a result that has no place in the log yet."""
    decision, result, waiting = None, None, False
    for each in found:
        envelope = dsse.parse(each.envelope)
        if each.kind is RecordKind.DECISION:
            decision = statement.decision_of(statement.parse(envelope.payload))
        elif each.kind is RecordKind.RESULT and each.index is None:
            waiting = True
        elif each.kind is RecordKind.RESULT and each.index is not None:
            result = (each.index, dsse.pae_digest(envelope), statement.result_of(statement.parse(envelope.payload)))
    return decision, result, waiting


async def _recorded(log: Log, made: Feedback, at: str) -> Response:
    """Put it on record, unless it is what was said last. Raises ``EvidenceDown``."""
    said = {"feedback": made.id, "record": made.record, "judgement": made.judgement.value}
    before = await asyncio.to_thread(records.find, log, made.id)
    if before and _same(before[-1], made):
        return JSONResponse({**said, "repeated": True})

    def build(position: Position, anchor: Anchor | None) -> bytes:
        return learning.render_feedback(made, at=at, position=position, anchor=anchor)

    try:
        await log.append(Pending(request_id=made.id, kind=RecordKind.FEEDBACK, build=build))
    except EvidenceUnavailable as error:
        raise EvidenceDown("the feedback cannot be put on record now", code=error.code) from error
    return JSONResponse({**said, "repeated": False}, status_code=201)


def _same(stored: StoredRecord, made: Feedback) -> bool:
    return learning.feedback_of(statement.parse(dsse.parse(stored.envelope).payload)) == made
