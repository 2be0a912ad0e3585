"""What an aggregator is told about an admitted plan: seats by leg, and how much the vote of each counts. Pure."""

from proxy.core.aggregation.steps import Composition, Seat
from proxy.core.case import Case
from proxy.core.enforcement import AdmittedPlan
from proxy.core.planning import reliability
from proxy.core.seats import Slot

RANDOM_BYTES = 16


def composition(case: Case, admitted: AdmittedPlan, randomness: bytes) -> Composition:
    """The composition of an admitted plan. ``randomness``: ``RANDOM_BYTES`` that nobody can foresee; they shuffle candidates and
    mark their limits.
    """
    plan = admitted.plan

    def seat(slot: Slot) -> Seat:
        primary = slot.primary
        return Seat(
            leg=slot.leg,
            role=slot.role,
            model=primary.model,
            make=primary.developer,
            reliability=reliability(primary, case.task),
        )

    return Composition(
        aggregator=plan.aggregator,
        task=case.task,
        messages=case.request.messages,
        first=tuple(map(seat, plan.first)),
        rest=tuple(map(seat, plan.rest)),
        further=tuple(tuple(map(seat, stage)) for stage in plan.further),
        judge=seat(plan.judge) if plan.judge else None,
        author=seat(plan.author) if plan.author else None,
        threshold=plan.threshold,
        order_seed=int.from_bytes(randomness[:8], "big"),
        nonce=randomness[8:].hex(),
        calibration=case.rulebook.calibration,
    )
