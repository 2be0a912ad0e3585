"""Strengths of models from comparisons: the Bradley-Terry model, fitted by minorisation and maximisation.

Pure: P(a is preferred to b) = s_a / (s_a + s_b); each step sets s_a to its wins over the sum of n_ab / (s_a + s_b) (D. R. Hunter, MM
algorithms for generalized Bradley-Terry models, 2004, eq. 3). Every model also plays ``VIRTUAL`` games against one of strength 1 and
wins half of them, so that a fit exists for every set of comparisons, and is one. Only sums, products and quotients in one order: the
same comparisons give the same strengths on every machine (IEEE 754).
"""

from collections.abc import Mapping

from audit.vocabulary import MILLIONTHS

VIRTUAL = 2.0
STEPS = 500
CLOSE = 1e-9
"""Relative change of every strength in a step, below which the fit is done."""


def strengths(won: Mapping[tuple[str, str], int]) -> Mapping[str, int]:
    """Strength of every model, millionths, at least 1. ``won``: weight of comparisons by (better, worse), millionths."""
    models = sorted({name for pair in won for name in pair})
    wins = {a: sum(won.get((a, b), 0) for b in models) / MILLIONTHS for a in models}
    games = {a: {b: n / MILLIONTHS for b in models if (n := won.get((a, b), 0) + won.get((b, a), 0))} for a in models}
    found = dict.fromkeys(models, 1.0)
    for _ in range(STEPS):
        fresh = {a: _step(a, found, wins[a], games[a]) for a in models}
        done = all(abs(fresh[a] - found[a]) <= CLOSE * found[a] for a in models)
        found = fresh
        if done:
            break
    return {a: max(1, round(found[a] * MILLIONTHS)) for a in models}


def _step(model: str, found: Mapping[str, float], wins: float, games: Mapping[str, float]) -> float:
    own = found[model]
    against = VIRTUAL / (own + 1.0)
    for other, count in games.items():
        against += count / (own + found[other])
    return (wins + VIRTUAL / 2) / against
