"""Evidence from judgements, with a cap on what one key can say, and reliabilities from evidence.

Pure, and exact: whole numbers of millionths and fractions, so that the same judgements in any order give the same bytes. A
reliability is the mean of a Beta distribution: what the catalogue states counts as ``PRIOR`` judgements, each judgement of feedback
as its weight, and all comparisons with other models together as ``PAIRS`` at most. Of one model on one task a key counts
``KEY_DAY`` judgements a day and ``KEY`` altogether, whatever it sends. So no key moves a reliability by more than
``BOUND`` = (KEY + PAIRS) / PRIOR, whatever the others say.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from audit.vocabulary import MILLIONTHS, Sha256Hex
from proxy.core.learning.judgements import Judged, Preferred
from proxy.core.request import TaskClass

PRIOR = 100 * MILLIONTHS
KEY_DAY, KEY = 2 * MILLIONTHS, 4 * MILLIONTHS
PAIRS = 1 * MILLIONTHS
PAIR_WEIGHT = MILLIONTHS // 4
"""What one comparison counts, as a thumb does."""
BOUND = (KEY + PAIRS) * MILLIONTHS // PRIOR
"""Millionths: five points."""

Place = tuple[str, TaskClass]
"""A model on a task."""


@dataclass(frozen=True, slots=True)
class Weight:
    """Weight of judgements for and against, millionths. ``keys``: how many had a say."""

    right: int
    wrong: int
    keys: int


@dataclass(slots=True)
class _Day:
    right: int = 0
    wrong: int = 0

    def capped(self, most: int) -> tuple[Fraction, Fraction]:
        scale = min(Fraction(1), Fraction(most, self.right + self.wrong))
        return self.right * scale, self.wrong * scale


def weigh(judged: Iterable[Judged]) -> Mapping[Place, Weight]:
    """Evidence by model and task, each key capped by day and altogether; millionths, rounded down."""
    found: dict[Place, dict[Sha256Hex, dict[str, _Day]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(_Day)))
    for each in judged:
        day = found[each.model, each.task][each.key][each.day]
        if each.right:
            day.right += each.weight
        else:
            day.wrong += each.weight
    return {place: _together(by_key.values()) for place, by_key in sorted(found.items())}


def _together(keys: Iterable[Mapping[str, _Day]]) -> Weight:
    right = wrong = Fraction(0)
    count = 0
    for days in keys:
        for_it, against = _of_key(days.values())
        right, wrong, count = right + for_it, wrong + against, count + 1
    return Weight(right=int(right), wrong=int(wrong), keys=count)


def _of_key(days: Iterable[_Day]) -> tuple[Fraction, Fraction]:
    capped = [day.capped(KEY_DAY) for day in days]
    right, wrong = sum((r for r, _ in capped), Fraction(0)), sum((w for _, w in capped), Fraction(0))
    scale = min(Fraction(1), KEY / (right + wrong))
    return right * scale, wrong * scale


def counted(judged: Sequence[Judged]) -> tuple[Fraction, ...]:
    """What each judgement counts, millionths, where a key counts ``KEY_DAY`` a day and ``KEY`` altogether, whatever it is about."""
    by_day: dict[tuple[Sha256Hex, str], int] = defaultdict(int)
    for each in judged:
        by_day[each.key, each.day] += each.weight
    of_day = {place: min(Fraction(1), Fraction(KEY_DAY, total)) for place, total in by_day.items()}
    by_key: dict[Sha256Hex, Fraction] = defaultdict(Fraction)
    for (key, day), total in by_day.items():
        by_key[key] += total * of_day[key, day]
    of_key = {key: min(Fraction(1), KEY / total) for key, total in by_key.items()}
    return tuple(each.weight * of_day[each.key, each.day] * of_key[each.key] for each in judged)


def compare(preferred: Iterable[Preferred]) -> Mapping[TaskClass, Mapping[tuple[str, str], int]]:
    """Weight of comparisons won, by task and (better, worse); of a pair a key counts as of a model. Millionths."""
    by_pair: dict[tuple[TaskClass, str, str], list[Judged]] = defaultdict(list)
    for each in preferred:
        first, second = sorted((each.better, each.worse))
        by_pair[each.task, first, second].append(
            Judged(
                record=each.record,
                key=each.key,
                day=each.day,
                model=first,
                task=each.task,
                right=each.better == first,
                weight=PAIR_WEIGHT,
            )
        )
    found: dict[TaskClass, dict[tuple[str, str], int]] = defaultdict(dict)
    for (task, first, second), some in sorted(by_pair.items()):
        (weight,) = weigh(some).values()
        found[task][first, second], found[task][second, first] = weight.right, weight.wrong
    return found


def reliability(prior: int, weight: Weight | None, strength: tuple[int, int] | None, field: int) -> int:
    """Share of right answers, millionths. ``prior``: the catalogue's; ``strength``: Bradley-Terry strength of the model and
    weight of its comparisons, millionths; ``field``: mean prior of the models that it was compared with.
    """
    total = Fraction(PRIOR)
    right = total * prior / MILLIONTHS
    if weight is not None:
        right, total = right + weight.right, total + weight.right + weight.wrong
    if strength is not None and 0 < field < MILLIONTHS:
        odds = Fraction(field, MILLIONTHS - field) * Fraction(strength[0], MILLIONTHS)
        counts = min(PAIRS, strength[1])
        right, total = right + counts * odds / (1 + odds), total + counts
    return round(right / total * MILLIONTHS)
