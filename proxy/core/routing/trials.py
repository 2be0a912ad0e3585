"""Which models are tried one after the other, where every answer is tested: the first for each request, another where it failed.

Pure. Given how hard a question is, models err on their own (``joint``): who failed says that it is hard, and the next is weighed by
how often it is right on the questions that are left.
"""

from collections.abc import Sequence
from operator import mul

from proxy.core.routing import joint
from proxy.core.routing.cascade import Expert, Mode, worth
from proxy.core.routing.joint import Curve

AS_USEFUL = 50_000
"""Share by which one may be behind the best of those left, millionths: what is much worse is no bargain at any price."""
_ALL: Curve = (1.0,) * (2 * joint.STEPS + 1)


def order(experts: Sequence[Expert], mode: Mode, ratio: float, reference: Expert, most: int) -> tuple[str, ...]:
    """Ids of at most ``most`` experts, first to last. ``ratio``: cost of each against the reference's, at most.

    Where nobody as useful keeps within that cost, the one that is worth its cost most is tried all the same.
    """
    left, failing = list(experts), _ALL
    chosen: list[str] = []
    while left and len(chosen) < most:
        pool = _affordable(left, reference.cost * ratio)
        found = max(pool, key=lambda e: (round(_merit(e, mode, reference, failing), 6), -e.cost))
        chosen.append(found.id)
        left.remove(found)
        failing = tuple(f * (1 - p) for f, p in zip(failing, found.curve, strict=True))
    return tuple(chosen)


def _affordable(experts: Sequence[Expert], budget: float) -> Sequence[Expert]:
    least = max(e.reliability for e in experts) - AS_USEFUL
    return [e for e in experts if e.cost <= budget and e.reliability >= least] or experts


def _merit(one: Expert, mode: Mode, reference: Expert, failing: Curve) -> float:
    """How often it is right on what is left, less what its cost is worth."""
    right = joint.mean(tuple(map(mul, failing, one.curve))) / joint.mean(failing)
    return right - worth(mode, reference) * one.cost
