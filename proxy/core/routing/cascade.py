"""Which models a cascade asks: two cheap ones of different make at once, the strong ones only where those disagree.

Pure. From measured quality and list prices it picks the cascade with the best expected accuracy whose expected cost stays below a
share of the reference model's: the best of the whole catalogue, which may be the one that is barred. Figures of the estimate are
measured on recorded answers (``docs/explanation/fusion.md``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import combinations

from audit.vocabulary import MILLIONTHS
from proxy.core.request import TaskClass

TOKENS_IN, TOKENS_OUT = 300, 350
"""Size of a typical checkable question and its worked answer, where the catalogue does not say how long a model's are."""
SHARED_FATE = 0.5
"""Correlation of two models' being right: questions are easy or hard for all (measured 0.4 to 0.6)."""
WRONG_AND_ALIKE = 0.35
"""Share of questions that both of two models get wrong where their wrong answers are the same."""
GAIN_OF_AGREEMENT = 0.03
"""Share of questions that two agreeing models get right where the strong model alone is wrong."""
LOSS_OF_AGREEMENT = 0.4
"""Share of questions on which two models agree on a wrong answer where the strong model alone is right."""
GAIN_OF_SECOND = 0.012
"""Accuracy that a fourth voter adds to the strong one (measured 1.0 to 1.3 points)."""
WORTH = 0.003
"""Accuracy for which it is worth spending the reference model's cost once more: what is dearer and no better is left."""
SLOW_PAIR = 0.002
"""Accuracy that a pair is worth less per doubling of latency between its two: the slower one is waited for."""
MAX_CHEAP, MAX_STRONG = 12, 4
"""Candidates looked at: the search is a product of these."""


class Mode(StrEnum):
    """How much a composite may cost against the best single model."""

    STANDARD = "standard"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Expert:
    """A model that may be asked. Prices: micro-dollars per million tokens; ``reliability``: millionths."""

    id: str
    model: str
    make: str
    price_in: int
    price_out: int
    reliability: int
    latency_ms: int
    tokens_out: int = TOKENS_OUT

    @property
    def cost(self) -> float:
        """Micro-dollars of a typical question."""
        return (self.price_in * TOKENS_IN + self.price_out * self.tokens_out) / MILLIONTHS

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.reliability / MILLIONTHS


@dataclass(frozen=True, slots=True)
class Cascade:
    """Ids of the experts asked at once, and of those asked when they do not agree, best first."""

    first: tuple[str, ...]
    rest: tuple[str, ...]


@lru_cache(maxsize=1024)
def choose(
    experts: tuple[Expert, ...],
    task: TaskClass,
    mode: Mode,
    *,
    standard_ratio: float = 0.64,
    high_ratio: float = 1.36,
    reference: Expert | None = None,
) -> Cascade:
    """The best cascade over at least two experts. ``reference``: whose cost is the measure; the best expert if None.

    If none fits the budget, the cheapest is taken: a composite that was asked for is better than none.
    Raises ``ValueError`` for fewer than two experts.
    """
    if len(experts) < 2:
        raise ValueError(f"expected at least two experts, got {len(experts)}")
    by_quality = sorted(experts, key=lambda e: (-e.reliability, e.cost))
    ratio = standard_ratio if mode is Mode.STANDARD else high_ratio
    budget = (reference or by_quality[0]).cost * ratio
    plans = [
        (first, rest) for first in combinations(_cheap(experts), 2) for rest in _escalations(by_quality, first, mode)
    ]
    fitting = [each for each in plans if _cost(*each) <= budget] or [min(plans, key=lambda each: _cost(*each))]
    unit = (reference or by_quality[0]).cost
    first, rest = max(fitting, key=lambda each: (round(_merit(each[0], each[1], unit), 6), -_cost(*each)))
    pair = sorted(first, key=lambda e: -e.reliability)
    return Cascade(first=tuple(e.id for e in pair), rest=tuple(e.id for e in rest))


def _cheap(experts: Sequence[Expert]) -> Sequence[Expert]:
    """Those that are good for their price."""
    return sorted(experts, key=lambda e: e.cost * (1.2 - e.accuracy) ** 2)[:MAX_CHEAP]


def _escalations(by_quality: Sequence[Expert], first: Sequence[Expert], mode: Mode) -> list[tuple[Expert, ...]]:
    others = [e for e in by_quality if e not in first][:MAX_STRONG]
    if not others:
        return [()]
    if mode is Mode.STANDARD or len(others) == 1:
        return [(each,) for each in others]
    return [*combinations(others, 2), *((each,) for each in others)]


def _together(one: Expert, other: Expert) -> tuple[float, float]:
    """Probabilities that two experts are both right, and that both are wrong."""
    p, q = one.accuracy, other.accuracy
    both = p * q + SHARED_FATE * math.sqrt(p * (1 - p) * q * (1 - q))
    right = min(both, p, q)
    return right, max(0.0, 1 - p - q + right)


def _disagreement(one: Expert, other: Expert) -> float:
    """Probability that two experts give different answers."""
    right, wrong = _together(one, other)
    return 1 - right - WRONG_AND_ALIKE * wrong


def _cost(first: Sequence[Expert], rest: Sequence[Expert]) -> float:
    return sum(e.cost for e in first) + _disagreement(*first) * sum(e.cost for e in rest)


def _merit(first: Sequence[Expert], rest: Sequence[Expert], unit: float) -> float:
    """Expected accuracy, less what waiting for the slower of the pair and spending ``unit`` micro-dollars are worth."""
    one, other = first
    slow = SLOW_PAIR * abs(math.log2(max(1, one.latency_ms) / max(1, other.latency_ms)))
    spent = WORTH * _cost(first, rest) / unit if unit else 0.0
    return expected_accuracy(first, rest) - slow - spent


def expected_accuracy(first: Sequence[Expert], rest: Sequence[Expert]) -> float:
    """Expected share of right answers of a cascade: the strong model's, plus what agreement adds, less what it spoils."""
    one, other = first
    right, wrong = _together(one, other)
    strong = max((e.accuracy for e in rest), default=max(one.accuracy, other.accuracy))
    second = 0.0
    if len(rest) > 1:
        second = GAIN_OF_SECOND * rest[1].accuracy / max(rest[0].accuracy, 0.01)
        second *= 0.5 if rest[0].make == rest[1].make else 1.0
    alike = LOSS_OF_AGREEMENT * WRONG_AND_ALIKE * wrong * (2 if one.make == other.make else 1)
    return strong + GAIN_OF_AGREEMENT * right + second - alike
