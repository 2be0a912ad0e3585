"""What an aggregator is told about an admitted plan: seats by leg, and how much the vote of each counts. Pure.

A prompt that was taken apart is a composition of compositions, one for each part; its final reply is theirs, joined.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from proxy.core import splitting
from proxy.core.aggregation.steps import Composition, Final, Seat
from proxy.core.case import Case
from proxy.core.catalogue import Deployment
from proxy.core.enforcement import AdmittedPlan
from proxy.core.ranking import reliability
from proxy.core.replies import Reply
from proxy.core.request import JsonObject, TaskClass
from proxy.core.seats import Plan, Slot

RANDOM_BYTES = 16


def composition(case: Case, admitted: AdmittedPlan, randomness: bytes) -> Composition:
    """The composition of an admitted plan. ``randomness``: ``RANDOM_BYTES`` that nobody can foresee; they shuffle candidates and
    mark their limits.
    """
    plan, messages = admitted.plan, case.request.messages
    whole = _composed(case, plan, messages, case.task, randomness)
    if case.taken is None or not plan.parts:
        return whole
    asked = zip(plan.parts, case.question.parts, case.taken.prompts(), case.taken.labels, strict=True)
    parts = tuple(
        replace(
            _composed(
                case,
                part,
                (*messages[:-1], {**messages[-1], "content": prompt}),
                TaskClass(known.task),
                hashlib.sha256(randomness + label.encode()).digest()[:RANDOM_BYTES],
            ),
            label=label,
        )
        for part, known, prompt, label in asked
    )
    return replace(whole, parts=parts)


def _composed(
    case: Case, plan: Plan, messages: tuple[JsonObject, ...], task: TaskClass, randomness: bytes
) -> Composition:
    seat = partial(seat_of, task=task)
    return Composition(
        aggregator=plan.aggregator,
        task=task,
        messages=messages,
        first=tuple(map(seat, plan.first)),
        rest=tuple(map(seat, plan.rest)),
        further=tuple(tuple(map(seat, stage)) for stage in plan.further),
        judge=seat(plan.judge) if plan.judge else None,
        author=seat(plan.author) if plan.author else None,
        threshold=plan.threshold,
        verify=plan.verify,
        verifier=seat(plan.verifier) if plan.verifier else None,
        fallback=_composed(case, plan.fallback, messages, task, randomness) if plan.fallback else None,
        deadlines_ms=plan.deadlines_ms,
        order_seed=int.from_bytes(randomness[:8], "big"),
        nonce=randomness[8:].hex(),
        calibration=case.rulebook.calibration,
    )


def seat_of(slot: Slot, task: TaskClass) -> Seat:
    """A slot as its vote counts, whoever of its models takes it."""
    others = {d.id: _held(slot, d, task) for d in slot.options if d.model != slot.primary.model}
    return replace(_held(slot, slot.primary, task), stand_ins=others)


def _held(slot: Slot, by: Deployment, task: TaskClass) -> Seat:
    return Seat(leg=slot.leg, role=slot.role, model=by.model, make=by.developer, reliability=reliability(by, task))


def final_reply(composition: Composition, step: Final, replies: Sequence[Reply]) -> Reply | None:
    """The reply that is the answer; for a prompt that was taken apart, those of its parts joined. None: there is no answer."""
    by_leg = {reply.leg: reply for reply in replies}
    if not step.joined:
        return by_leg.get(step.leg or "")
    found = [by_leg[leg] for leg in step.joined]
    text = splitting.join([part.label for part in composition.parts], [reply.text for reply in found])
    cut = next((reply.finish_reason for reply in found if reply.finish_reason != "stop"), "stop")
    return replace(
        found[0], text=text, message={"role": "assistant", "content": text}, received=None, finish_reason=cut
    )
