"""How much a vote counts, and how sure a group of votes makes us (log-odds pooling; Nitzan and Paroush 1982).

Pure. The weight of a voter that is right with probability p is ``log(p (K - 1) / (1 - p))``, where ``K = 1 + 1/P(two wrong answers
coincide)``. Agreement is not independence: voters of one make count once in full, and the confidence never reaches certainty.
Scores leave as integers in millionths.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation.expected import AnswerKind
from proxy.core.aggregation.steps import Seat

ALTERNATIVES = {
    AnswerKind.CHOICE: 3.3,
    AnswerKind.EXPRESSION: 4.0,
    AnswerKind.LITERAL: 5.0,
    AnswerKind.YES_NO: 2.0,
    AnswerKind.DATE: 4.0,
    AnswerKind.JSON: 5.0,
}
"""K by kind of answer, measured on recorded answers (2.4 and 3.3 multiple choice, 2.5 to 7 numbers and literals).

Dates and JSON are not in the recording: they are taken to be like expressions and literals."""
DEFAULT_ALTERNATIVES = 4.0
FLOOR, CEILING = 0.05, 0.98
"""A measured share outside these says more about the sample than about the model."""
LEAST_WEIGHT = 0.01
"""Of a vote, whoever casts it: where nothing is known of the voters, or little that is good, most votes win. Without it, two who are
taken to be right in a sixth of cases would lose against one."""
SAME_MAKE = 0.3
"""What a second voter of the same make adds: its errors are mostly the first one's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A seat with the canonical answer of its reply; None is an abstention."""

    seat: Seat
    answer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Ballots of one answer, in the order asked. ``score``: sum of log-odds, correlated voters discounted."""

    answer: str
    ballots: tuple[Ballot, ...]
    score: float


def weight(reliability: int, kind: AnswerKind | None) -> float:
    """Log-odds of one voter, never negative: a vote does not count against what it is for. ``reliability`` in millionths."""
    p = min(CEILING, max(FLOOR, reliability / MILLIONTHS))
    return max(LEAST_WEIGHT, math.log(p * (_alternatives(kind) - 1) / (1 - p)))


def _alternatives(kind: AnswerKind | None) -> float:
    return DEFAULT_ALTERNATIVES if kind is None else ALTERNATIVES[kind]


def millionths(value: float) -> int:
    """A score as records carry it."""
    return round(value * MILLIONTHS)


def groups(ballots: Sequence[Ballot], kind: AnswerKind | None) -> tuple[Group, ...]:
    """Ballots by answer, in the order in which answers first came; abstentions are in none."""
    found: dict[str, list[Ballot]] = {}
    for ballot in ballots:
        if ballot.answer is not None:
            found.setdefault(ballot.answer, []).append(ballot)
    return tuple(
        Group(answer=answer, ballots=tuple(members), score=_pooled(members, kind)) for answer, members in found.items()
    )


def _pooled(members: Sequence[Ballot], kind: AnswerKind | None) -> float:
    seen: set[str] = set()
    total = 0.0
    for ballot in sorted(members, key=lambda b: -b.seat.reliability):
        own = weight(ballot.seat.reliability, kind)
        total += own * SAME_MAKE if ballot.seat.make in seen else own
        seen.add(ballot.seat.make)
    return total


def confidence(group: Group, among: Sequence[Group], kind: AnswerKind | None) -> int:
    """Probability that a group's answer is right, in millionths: its odds against the other groups and all unnamed answers."""
    unnamed = max(0.0, _alternatives(kind) - len(among))
    scores = [g.score for g in among]
    top = max([0.0, *scores])
    total = sum(math.exp(s - top) for s in scores) + unnamed * math.exp(-top)
    return min(millionths(math.exp(group.score - top) / total), MILLIONTHS - 1)
