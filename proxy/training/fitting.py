"""Logistic regression over groups of hashed features, in plain Python: the same rows in the same order give the same weights.

Stochastic gradient descent with steps that shrink by how much a weight has moved already (AdaGrad; Duchi, Hazan, Singer 2011).
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.core.routing.features import BUCKETS, Group
from proxy.core.routing.model import DIMENSIONS

EPOCHS, RATE, FIRST = 6, 0.6, 0.03
DENSE = 1 / 127
"""What one step of an embedding counts."""
DENSE_RATE = 0.1
"""Every example moves all dimensions of an embedding: smaller steps."""
NEGLIGIBLE = 0.01
"""An error below this teaches nothing: most examples are settled after two passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One example. ``target``: share of each output, adding up to one over classes. ``counts``: how much it weighs."""

    groups: tuple[Group, ...]
    target: tuple[float, ...]
    counts: float = 1.0
    embedding: tuple[int, ...] = ()


class Fit:
    """Weights as they grow: one row per output. A single output is a logit, several a softmax."""

    def __init__(self, outputs: int, *, dense: bool = False, moved: float = FIRST) -> None:
        """``moved``: squares of steps that every weight is taken to have made: the more, the smaller the next."""
        self.rows = [[0.0] * BUCKETS for _ in range(outputs)]
        self.dense = [[0.0] * (DIMENSIONS if dense else 0) for _ in range(outputs)]
        self._moved = [[moved] * BUCKETS for _ in range(outputs)]
        self._dense_moved = [[FIRST] * (DIMENSIONS if dense else 0) for _ in range(outputs)]

    def train(self, examples: Sequence[Row], seed: int, epochs: int = EPOCHS) -> None:
        """Pass over the examples, each time in another order of the seed."""
        order, chance = list(examples), random.Random(seed)  # noqa: S311  # an order, not a secret
        for epoch in range(epochs):
            chance.shuffle(order)
            for example in order:
                self._step(example, RATE * (1 - epoch / epochs))

    def shares(self, example: Row) -> list[float]:
        """What the weights say of an example."""
        scores = [
            sum(group.value * sum(map(row.__getitem__, group.buckets)) for group in example.groups)
            + (sum(map(float.__mul__, dense, map(float, example.embedding))) * DENSE if dense else 0.0)
            for row, dense in zip(self.rows, self.dense, strict=True)
        ]
        if len(scores) == 1:
            return [1 / (1 + math.exp(-max(-30.0, min(30.0, scores[0]))))]
        top = max(scores)
        raised = [math.exp(s - top) for s in scores]
        total = sum(raised)
        return [r / total for r in raised]

    def _step(self, example: Row, rate: float) -> None:
        for output, (share, target) in enumerate(zip(self.shares(example), example.target, strict=True)):
            error = (share - target) * example.counts
            if abs(error) < NEGLIGIBLE:
                continue
            row, moved = self.rows[output], self._moved[output]
            for group in example.groups:
                change = error * group.value
                square = change * change
                for j in group.buckets:
                    moved[j] += square
                    row[j] -= rate * change / math.sqrt(moved[j])
            if example.embedding:
                self._dense_step(output, example.embedding, error * DENSE, rate)

    def _dense_step(self, output: int, embedding: Sequence[int], error: float, rate: float) -> None:
        row, moved = self.dense[output], self._dense_moved[output]
        rate *= DENSE_RATE
        for j, value in enumerate(embedding):
            change = error * value
            moved[j] += change * change
            row[j] -= rate * change / math.sqrt(moved[j])


def mean(fits: Sequence[Fit]) -> Fit:
    """The mean of weights that were fitted apart."""
    made = Fit(len(fits[0].rows), dense=bool(fits[0].dense[0]))
    for row, *others in zip(made.rows, *(fit.rows for fit in fits), strict=True):
        row[:] = [sum(column) / len(fits) for column in zip(*others, strict=True)]
    for row, *others in zip(made.dense, *(fit.dense for fit in fits), strict=True):
        row[:] = [sum(column) / len(fits) for column in zip(*others, strict=True)]
    return made
