"""Two sets of reliabilities, compared on judgements that neither was learned from. Pure.

The measure is the mean log-loss of the predicted correctness, each key capped as in learning, so that nobody can carry a bad document
through by saying the same a thousand times.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from audit.vocabulary import MILLIONTHS
from proxy.core import ranking
from proxy.core.catalogue import Catalogue
from proxy.core.learning import evidence, judgements
from proxy.core.learning.judgements import Judged, Preferred

LEAST = 30
"""Judgements below which nothing is said."""
NARROW = 1_000
"""A prediction is never taken for certain, millionths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """``judgements`` held apart on models of the catalogue; mean log-loss of both sides, millionths of a nat."""

    judgements: int
    before: int
    after: int

    @property
    def enough(self) -> bool:
        """Whether there are enough to say anything."""
        return self.judgements >= LEAST

    @property
    def better(self) -> bool:
        """Whether the second side beats the first."""
        return self.enough and self.after < self.before


def compare(found: Iterable[Judged | Preferred], before: Catalogue, after: Catalogue) -> Comparison:
    """Both sides on the held judgements among some. The catalogues have the same models."""
    held = [
        each
        for each in found
        if isinstance(each, Judged) and judgements.is_held(each.record) and before.named(each.model)
    ]
    return Comparison(judgements=len(held), before=_loss(held, before), after=_loss(held, after))


def _loss(held: list[Judged], catalogue: Catalogue) -> int:
    total = weight = 0.0
    for (model, task), each in evidence.weigh(held).items():
        share = ranking.reliability(catalogue.named(model)[0], task)
        share = min(MILLIONTHS - NARROW, max(NARROW, share))
        total -= each.right * math.log(share / MILLIONTHS) + each.wrong * math.log(1 - share / MILLIONTHS)
        weight += each.right + each.wrong
    return round(total / weight * MILLIONTHS) if weight else 0
