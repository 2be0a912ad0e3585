"""Shares of right answers of models that were not asked the same questions, as if they had been (direct standardisation).

A task's questions are from several benchmarks, some easier than others, and a model that was asked the easy ones alone would look
better than it is. Its share on a benchmark that it did not answer is taken to be as far from its share on those it did, in log-odds,
as with models that answered both.
"""

import math
from collections.abc import Mapping, Sequence

FEWEST = 3
"""Models that must have answered both, or nothing is said of the benchmark that is missing."""
_LEAST, _MOST = 0.01, 0.99

ByBenchmark = Mapping[str, float]


def share(own: ByBenchmark, sizes: Mapping[str, int], others: Sequence[ByBenchmark]) -> float:
    """A model's share over a task. ``own`` and ``others``: shares by benchmark; ``sizes``: the task's questions by benchmark."""
    known = dict(own)
    base = _odds(_mean(own, sizes))
    for benchmark in sizes.keys() - own.keys():
        both = [each for each in others if benchmark in each and own.keys() <= each.keys()]
        if len(both) >= FEWEST:
            further = [_odds(each[benchmark]) - _odds(_mean({b: each[b] for b in own}, sizes)) for each in both]
            known[benchmark] = 1 / (1 + math.exp(-(base + sum(further) / len(further))))
    return _mean(known, sizes)


def _mean(shares: ByBenchmark, sizes: Mapping[str, int]) -> float:
    return sum(shares[b] * sizes[b] for b in shares) / sum(sizes[b] for b in shares)


def _odds(chance: float) -> float:
    bounded = min(_MOST, max(_LEAST, chance))
    return math.log(bounded / (1 - bounded))
