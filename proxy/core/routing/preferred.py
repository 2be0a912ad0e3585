"""Which single model answers, where a tenant counts cost or latency beside quality.

Pure. The expected share of right answers of each model is moved, in log-odds, by how much easier or harder than usual the prompt
looks: on an easy prompt models are nearly alike, and the cheap one wins; on a hard one they are not.
"""

import math
from collections.abc import Sequence

from audit.records import Preference
from audit.vocabulary import MILLIONTHS
from proxy.core.routing.cascade import Expert

LEAST = 1_000
"""A share of right answers is never taken for zero or for all, millionths."""


def order(experts: Sequence[Expert], preference: Preference) -> tuple[int, ...] | None:
    """Indexes of the experts, best first; None where quality alone counts, which needs no estimate. Ties keep their order."""
    if not (preference.cost or preference.latency):
        return None
    dearest = max((e.cost for e in experts), default=0.0) or 1.0
    slowest = max((e.latency_ms for e in experts), default=0) or 1
    worth = [
        preference.quality * expected(e.reliability, preference)
        - preference.cost * e.cost / dearest
        - preference.latency * e.latency_ms / slowest
        for e in experts
    ]
    return tuple(sorted(range(len(experts)), key=lambda i: (-round(worth[i]), i)))


def expected(reliability: int, preference: Preference) -> float:
    """Share of right answers of a model on a prompt of this ease. ``reliability``: its share in general, millionths."""
    shift = 0.0
    if preference.ease is not None and preference.usual_ease is not None:
        shift = _odds(preference.ease) - _odds(preference.usual_ease)
    return 1 / (1 + math.exp(-(_odds(reliability) + shift)))


def _odds(share: int) -> float:
    bounded = min(MILLIONTHS - LEAST, max(LEAST, share))
    return math.log(bounded / (MILLIONTHS - bounded))
