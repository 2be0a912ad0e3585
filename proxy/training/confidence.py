"""Calibration maps from played compositions: isotonic regression by pool-adjacent-violators, in whole numbers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation.calibration import FORMAT

FEWEST = 40
"""Answers in one step; fewer are joined with the next."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer: how its vote ended, the score (millionths) and whether it was right."""

    method: str
    score: int
    right: bool


def steps(found: Sequence[Scored]) -> list[list[int]]:
    """Rising steps ``[upto, share]`` in millionths; none for no answers."""
    pools: list[list[int]] = []  # each: highest score, right ones, all
    for group in _groups(found):
        pools.append(group)
        while len(pools) > 1 and pools[-2][1] * pools[-1][2] >= pools[-1][1] * pools[-2][2]:
            upto, right, total = pools.pop()
            pools[-1] = [upto, pools[-1][1] + right, pools[-1][2] + total]
    return [[upto, right * MILLIONTHS // total] for upto, right, total in pools]


def _groups(found: Sequence[Scored]) -> list[list[int]]:
    """Answers by rising score, equal scores together, at least ``FEWEST`` in each but where there are fewer in all."""
    made: list[list[int]] = []
    for each in sorted(found, key=lambda s: s.score):
        if made and (made[-1][2] < FEWEST or made[-1][0] == each.score):
            made[-1] = [each.score, made[-1][1] + each.right, made[-1][2] + 1]
        else:
            made.append([each.score, int(each.right), 1])
    if len(made) > 1 and made[-1][2] < FEWEST:
        upto, right, total = made.pop()
        made[-1] = [upto, made[-1][1] + right, made[-1][2] + total]
    return made


def document(found: Sequence[Scored], trained_on: Mapping[str, object]) -> bytes:
    """The maps' file, as ``proxy.core.aggregation.calibration`` reads it. Methods with too few answers get none."""
    methods = sorted({each.method for each in found})
    by_method = {method: [each for each in found if each.method == method] for method in methods}
    maps = {method: steps(each) for method, each in by_method.items() if len(each) >= FEWEST}
    return (json.dumps({"format": FORMAT, "trained_on": dict(trained_on), "maps": maps}, indent=1) + "\n").encode()


def error(told: Sequence[tuple[int, bool]], bins: int = 15) -> float:
    """Expected calibration error over bins of equal size (Naeini, Cooper and Hauskrecht 2015; equal mass): the mean
    distance between what was told (millionths) and how often it was right, weighted by the size of the bin."""
    ordered = sorted(told, key=lambda each: each[0])  # never by what was right: equal scores would split into bins
    total = len(ordered)
    edges = [round(i * total / bins) for i in range(bins + 1)]
    parts = [ordered[a:b] for a, b in pairwise(edges) if b > a]
    return sum(abs(sum(s for s, _ in p) / MILLIONTHS - sum(r for _, r in p)) for p in parts) / total if total else 0.0
