"""Which models a cascade asks: two cheap ones of different make at once, the strong ones only where those disagree.

Pure. From measured quality and list prices it picks the cascade with the best expected accuracy whose expected cost stays below a
share of the reference model's: the one that it stands in for. What is expected of a cascade follows from how models are right
together (``joint``); figures are in ``docs/explanation/fusion.md``.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import combinations

from audit.vocabulary import MILLIONTHS
from proxy.core.request import TaskClass
from proxy.core.routing import joint
from proxy.core.routing.joint import Curve, Pair

TOKENS_IN, TOKENS_OUT = 300, 350
"""Size of a typical checkable question and its worked answer, where the catalogue does not say how long a model's are."""
SLOW_PAIR = 0.002
"""Accuracy that a pair is worth less per doubling of latency between its two: the slower one is waited for."""
MAX_CHEAP, MAX_STRONG = 12, 4
"""Candidates looked at: the search is a product of these."""


class Mode(StrEnum):
    """How much a composite may cost against the model that it stands in for."""

    STANDARD = "standard"
    HIGH = "high"


WORTH = {Mode.STANDARD: 0.03, Mode.HIGH: 0.01}
"""Accuracy for which it is worth spending the reference model's cost once more: what is dearer and hardly better is left."""


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

    @property
    def curve(self) -> Curve:
        """Its chance of being right by how hard a question is."""
        return joint.curve(self.reliability * 1000 // MILLIONTHS)


ALONE = 0.05
"""Accuracy, net of what cost is worth, by which one model must be ahead of every cascade to be asked alone."""


@dataclass(frozen=True, slots=True)
class Cascade:
    """Ids of the experts asked at once, and of those asked when they do not agree, best first. One id: that model alone."""

    first: tuple[str, ...]
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cascade with what is expected of it. ``cost``: micro-dollars; ``merit``: accuracy (``right``), less what cost and waiting
    are worth."""

    first: tuple[Expert, Expert]
    rest: tuple[Expert, ...]
    cost: float
    right: float
    merit: float


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a cascade is chosen for. ``price``: accuracy that a micro-dollar is worth; ``budget``: micro-dollars; ``seats``: at
    least so many."""

    task: TaskClass
    mode: Mode
    price: float
    budget: float
    seats: int


def worth(mode: Mode, reference: Expert) -> float:
    """Accuracy that a micro-dollar is worth."""
    return WORTH[mode] / reference.cost if reference.cost else 0.0


@lru_cache(maxsize=1024)
def choose(
    experts: tuple[Expert, ...],
    task: TaskClass,
    mode: Mode,
    ratio: float,
    *,
    reference: Expert | None = None,
    alone: tuple[Expert, ...] = (),
    seats: int = 2,
) -> Cascade:
    """The best cascade over at least two experts whose cost is at most ``ratio`` of the reference's; the best expert's if None.

    If none fits the budget, the one that is worth its cost most is taken: a composite that was asked for is better than none, and
    the cheapest of the unaffordable may be far worse for a little less. ``alone``: who may answer alone where every cascade is
    expected to be right less often and is much worse for its price (``ALONE``). ``seats``: how many the cascade must have, as far
    as there are experts.
    Raises ``ValueError`` for fewer than two experts.
    """
    if len(experts) < 2:
        raise ValueError(f"expected at least two experts, got {len(experts)}")
    reference = reference or min(experts, key=lambda e: (-e.reliability, e.cost))
    budget, price = reference.cost * ratio, worth(mode, reference)
    found = list(_candidates(experts, _Terms(task, mode, price, budget, seats)))
    fitting = [each for each in found if each.cost <= budget] or found
    best = max(fitting, key=lambda each: (round(each.merit, 6), -each.cost))
    single = _alone(alone, best, price, budget)
    if single is not None:
        return Cascade(first=(single.id,), rest=())
    pair = sorted(best.first, key=lambda e: -e.reliability)
    return Cascade(first=tuple(e.id for e in pair), rest=tuple(e.id for e in best.rest))


def _alone(experts: Sequence[Expert], best: _Candidate, price: float, budget: float) -> Expert | None:
    """The model that is much better for its price than the best cascade, and affordable or cheaper; None if there is none."""

    def merit(each: Expert) -> float:
        return round(each.accuracy - price * each.cost, 6)

    better = [e for e in experts if e.accuracy >= best.right and merit(e) > best.merit + ALONE]
    found = [e for e in better if e.cost <= max(budget, best.cost)]
    return max(found, key=lambda e: (merit(e), -e.cost), default=None)


def _candidates(experts: Sequence[Expert], terms: _Terms) -> Iterator[_Candidate]:
    """All that is looked at."""
    by_quality = sorted(experts, key=lambda e: (-e.reliability, e.cost))
    curves = {e.id: e.curve for e in experts}
    apart = joint.alike(terms.task, one_make=False)
    for one, other in _pairs(_cheap(experts)):
        pair = Pair.of(curves[one.id], curves[other.id], joint.alike(terms.task, one_make=one.make == other.make))
        asked, disagreed = one.cost + other.cost, pair.disagreement()
        slow = SLOW_PAIR * abs(math.log2(max(1, one.latency_ms) / max(1, other.latency_ms)))
        others = [e for e in by_quality if e not in (one, other)]
        for strong in _escalations(others, terms.mode):
            rest = _widened(strong, others, terms.seats - 2, (terms.budget - asked) / disagreed)
            cost = asked + disagreed * sum(e.cost for e in rest)
            right = _right(pair, [curves[e.id] for e in rest], (curves[one.id], curves[other.id]), apart)
            yield _Candidate(
                first=(one, other), rest=rest, cost=cost, right=right, merit=right - slow - terms.price * cost
            )


def _pairs(cheap: Sequence[Expert]) -> list[tuple[Expert, Expert]]:
    """Pairs of different make; of one make only where there is no other: their errors are mostly the same."""
    found = list(combinations(cheap, 2))
    return [(one, other) for one, other in found if one.make != other.make] or found


def _cheap(experts: Sequence[Expert]) -> Sequence[Expert]:
    """Those that are good for their price."""
    return sorted(experts, key=lambda e: e.cost * (1.2 - e.accuracy) ** 2)[:MAX_CHEAP]


def _escalations(others: Sequence[Expert], mode: Mode) -> list[tuple[Expert, ...]]:
    strong = others[:MAX_STRONG]
    if not strong:
        return [()]
    if mode is Mode.STANDARD or len(strong) == 1:
        return [(each,) for each in strong]
    return [*combinations(strong, 2), *((each,) for each in strong)]


def _widened(rest: tuple[Expert, ...], others: Sequence[Expert], size: int, room: float) -> tuple[Expert, ...]:
    """As many as are asked for: each the best that leaves room for those still missing, the cheapest where none does.

    ``others``: best first; ``room``: micro-dollars for all of them together.
    """
    if len(rest) >= size:
        return rest
    found, spent = list(rest), sum(e.cost for e in rest)
    left = [(e.cost, e) for e in others if e not in rest]
    while len(found) < size and left:
        missing = size - len(found) - 1
        cheapest = sorted(cost for cost, _ in left)[: missing + 1]
        least, beside = spent + sum(cheapest), spent + sum(cheapest[:missing])
        fitting = (each for each in left if max(least, beside + each[0]) <= room)
        chosen = next(fitting, None) or min(left, key=lambda each: each[0])
        left.remove(chosen)
        found.append(chosen[1])
        spent += chosen[0]
    return tuple(sorted(found, key=lambda e: (-e.reliability, e.cost)))


def _right(pair: Pair, rest: Sequence[Curve], first: tuple[Curve, Curve], alike: float) -> float:
    """Expected share of right answers; without anybody to ask, the better of the two answers where they disagree."""
    if not rest:
        return max(map(joint.mean, first))
    return pair.right(rest[0], rest[1] if len(rest) > 1 else None, alike)


def expected_accuracy(first: Sequence[Expert], rest: Sequence[Expert], task: TaskClass) -> float:
    """Expected share of right answers of a cascade of two and those who are asked where they disagree."""
    one, other = first
    pair = Pair.of(one.curve, other.curve, joint.alike(task, one_make=one.make == other.make))
    alike = joint.alike(task, one_make=False)
    return _right(pair, [e.curve for e in rest[:2]], (one.curve, other.curve), alike)
