"""How often models are right together: one hidden difficulty of a question, and their own measured shares of right answers.

Pure. A model with share p is right on a question of difficulty z with odds ``exp(a - SPREAD z)``, a so that the mean over a standard
normal z is p; given z, models err on their own (one-parameter logistic model: Rasch, *Probabilistic Models for Some Intelligence and
Attainment Tests*, 1960). Two wrong answers are the same with a probability measured for the task. So good models agree more often
than independence says, a hard question costs more calls than an easy one, and a second strong voter adds little.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul

from proxy.core.request import TaskClass

SPREAD = 3.5
"""Log-odds by which a question one standard deviation harder is harder for every model (correlation of being right 0.45 to 0.6;
measured 0.35 to 0.6)."""
ALIKE = {
    TaskClass.MATH: 0.6,
    TaskClass.MATH_HARD: 0.25,
    TaskClass.CODE_OUTPUT: 0.4,
    TaskClass.FACTUAL: 0.7,
    TaskClass.FACTUAL_HARD: 0.5,
}
"""Share of questions that both of two good models get wrong where their wrong answers are the same, measured."""
USUALLY_ALIKE = 0.4
ONE_MAKE = 1.6
"""How many times as often the wrong answers of two models of one make are the same."""
MOST_ALIKE = 0.95
STEPS = 6
"""Points of difficulty on either side of the middle, half a standard deviation apart."""

_POINTS = tuple(step / 2 for step in range(-STEPS, STEPS + 1))
_DENSITY = tuple(math.exp(-z * z / 2) for z in _POINTS)
_WEIGHTS = tuple(each / sum(_DENSITY) for each in _DENSITY)
_LEAST, _MOST = 5, 995
"""A share is never taken for zero or for all, thousandths: a sample does not say so."""
_FAR = 40.0

Curve = tuple[float, ...]
"""Chance of being right at each point of difficulty."""


@lru_cache(maxsize=1024)
def curve(thousandths: int) -> Curve:
    """Chances at all points of a model that is right on so many questions of a thousand."""
    share = min(_MOST, max(_LEAST, thousandths)) / 1000
    low, high = -_FAR, _FAR
    while high - low > 1e-6:
        middle = (low + high) / 2
        if mean(_chances(middle)) < share:
            low = middle
        else:
            high = middle
    return _chances(low)


def _chances(ability: float) -> Curve:
    return tuple(1 / (1 + math.exp(SPREAD * z - ability)) for z in _POINTS)


def mean(chances: Sequence[float]) -> float:
    """Over all questions."""
    return math.fsum(map(mul, _WEIGHTS, chances))


def alike(task: TaskClass, *, one_make: bool) -> float:
    """Chance that two wrong answers are the same."""
    return min(MOST_ALIKE, ALIKE.get(task, USUALLY_ALIKE) * (ONE_MAKE if one_make else 1.0))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models asked at once, at each point. ``agreed``: they agree and are right; ``split``: one of them is right;
    ``lost``: both are wrong in different ways. What is left: they agree on a wrong answer."""

    agreed: Curve
    split: Curve
    lost: Curve

    @classmethod
    def of(cls, one: Curve, other: Curve, alike: float) -> "Pair":
        """Two models whose wrong answers are the same so often."""
        return cls(
            agreed=tuple(map(mul, one, other)),
            split=tuple(p + q - 2 * p * q for p, q in zip(one, other, strict=True)),
            lost=tuple((1 - p) * (1 - q) * (1 - alike) for p, q in zip(one, other, strict=True)),
        )

    def disagreement(self) -> float:
        """Share of questions on which the others are asked."""
        return mean(self.split) + mean(self.lost)

    def right(self, strong: Curve, second: Curve | None, alike: float) -> float:
        """Share of right answers of the agreement gate: an answer given twice, else the strong one's.

        ``alike``: chance that the wrong answers of two of different make are the same.
        """
        if second is None:
            settled = [(s + n) * c for s, n, c in zip(self.split, self.lost, strong, strict=True)]
            return mean(self.agreed) + mean(settled)
        settled = [
            s * (c + (1 - c) * d * (1 - alike)) + n * c * (d + (1 - d) * (1 - alike) ** 2)
            for s, n, c, d in zip(self.split, self.lost, strong, second, strict=True)
        ]
        return mean(self.agreed) + mean(settled)
