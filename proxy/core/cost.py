"""What the cost of a composite is measured against, and which models are worth theirs.

Pure.
"""

from collections.abc import Sequence

from proxy.core import seats
from proxy.core.catalogue import Deployment
from proxy.core.question import Question
from proxy.core.ranking import expert, ranked
from proxy.core.routing import cascade
from proxy.core.routing.cascade import Expert, Mode

AS_GOOD = 10_000
"""Measured shares no further apart than this, millionths, are the same: a point is within what samples tell."""
STOOD_IN_FOR = 50_000
"""Share by which a barred model may be behind the best of the catalogue, and still be what a composite stands in for."""


def reference(question: Question, permitted: Sequence[Deployment]) -> Expert:
    """The model whose cost is the measure: the best barred one, where it is nearly as good as the best of all; else the best.

    Of those that were measured as good, the cheapest.
    """
    everyone = [expert(d, question.task) for d in seats.distinct(ranked(question, question.pool()))]
    within = {d.model for d in permitted}
    least = everyone[0].reliability - STOOD_IN_FOR
    barred = [e for e in everyone if e.model not in within and e.reliability >= least]
    stood_in_for = barred or everyone
    best = stood_in_for[0].reliability
    return min((e for e in stood_in_for if e.reliability >= best - AS_GOOD), key=lambda e: e.cost)


def worthwhile(question: Question, permitted: Sequence[Deployment]) -> Sequence[Deployment]:
    """Best first, less what cost is worth in high-precision mode. Ties keep their order."""
    price = cascade.worth(Mode.HIGH, reference(question, permitted))

    def merit(deployment: Deployment) -> float:
        found = expert(deployment, question.task)
        return round(found.accuracy - price * found.cost, 6)

    return sorted(permitted, key=merit, reverse=True)
