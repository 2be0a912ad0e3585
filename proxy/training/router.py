"""Train the router: ``python -m proxy.training.router --data FOLDER`` with labelled prompts (``route_prompts.parquet``).

Multinomial logistic regression over hashed features by stochastic gradient descent, in plain Python: a few seconds, the same weights
every time. Prompts of real users count more than benchmark prompts, on which alone a router looks perfect and fails in use.
Prints the error on held-apart folds by source, then writes the weights of all prompts as a module.
"""

import argparse
import base64
import hashlib
import math
import random
import sys
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.core.routing.features import BUCKETS, features
from proxy.core.routing.router import CLASSES
from proxy.errors import ConfigurationError

EPOCHS, RATE, DECAY, FOLDS = 8, 4.0, 0.8, 4
REAL_USERS: Mapping[str, float] = {"arena_hard_v2": 3.0, "alpaca_seed": 10.0}
"""How much a prompt of a source counts; others count once."""
LEVELS = 127
LINE = 116

Weights = list[list[float]]


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled prompt."""

    buckets: tuple[int, ...]
    label: int
    source: str


def load(folder: Path) -> list[Example]:
    """Labelled prompts. Raises ``ConfigurationError``."""
    try:
        from pyarrow import parquet  # a large library that only this command wants
    except ImportError:
        raise ConfigurationError("training reads Parquet: install `pyarrow`") from None
    path = folder / "route_prompts.parquet"
    if not path.is_file():
        raise ConfigurationError(f"expected labelled prompts at `{path}`, got none")
    labels = [task.value for task in CLASSES]
    rows = parquet.read_table(path, columns=["text", "label", "source"]).to_pylist()
    return [Example(features(r["text"]), labels.index(r["label"]), r["source"]) for r in rows]


def train(examples: Sequence[Example], seed: int = 0) -> Weights:
    """Weights by class and bucket."""
    weights = [[0.0] * BUCKETS for _ in CLASSES]
    order, chance = list(examples), random.Random(seed)  # noqa: S311  # an order, not a secret
    for epoch in range(EPOCHS):
        chance.shuffle(order)
        for example in order:
            _step(weights, example, RATE * DECAY**epoch * REAL_USERS.get(example.source, 1.0))
    return weights


def _step(weights: Weights, example: Example, rate: float) -> None:
    value = 1 / math.sqrt(len(example.buckets))
    shares = _softmax([sum(w[j] for j in example.buckets) * value for w in weights])
    for label, (row, share) in enumerate(zip(weights, shares, strict=True)):
        change = (share - (label == example.label)) * value * rate
        if abs(change) > 1e-6:
            for j in example.buckets:
                row[j] -= change


def _softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    raised = [math.exp(s - top) for s in scores]
    return [r / sum(raised) for r in raised]


def error_by_source(examples: Sequence[Example]) -> dict[str, tuple[int, int]]:
    """Errors and prompts of each source, every prompt judged by weights that did not see it."""
    order = list(examples)
    random.Random(1).shuffle(order)  # noqa: S311
    wrong: Counter[str] = Counter()
    for fold in range(FOLDS):
        weights = train([e for i, e in enumerate(order) if i % FOLDS != fold])
        for example in order[fold::FOLDS]:
            scores = [sum(row[j] for j in example.buckets) for row in weights]
            wrong[example.source] += scores.index(max(scores)) != example.label
    total = Counter(e.source for e in order)
    return {source: (wrong[source], n) for source, n in sorted(total.items())}


def packed(weights: Weights) -> tuple[bytes, int]:
    """Weights as signed bytes, compressed, and the micro-unit of one step."""
    most = max(abs(w) for row in weights for w in row)
    unit = max(1, round(most / LEVELS * 1_000_000))
    steps = bytes((round(w * 1_000_000 / unit) + 128) & 0xFF for row in weights for w in row)
    return zlib.compress(steps, 9), unit


def module(weights: Weights) -> str:
    """Source of ``proxy.core.routing.weights``."""
    content, unit = packed(weights)
    text = base64.b85encode(content).decode()
    lines = "\n".join(f'    r"{text[i : i + LINE]}"' for i in range(0, len(text), LINE))
    return (
        '"""Weights of the router, made by ``proxy.training.router``; not written by hand.\n\n'
        "Signed bytes by class and bucket, compressed with zlib, in base 85. ``UNIT``: millionths of one step.\n"
        '"""\n\n'
        f'DIGEST = "{hashlib.sha256(content).hexdigest()}"\nUNIT = {unit}\nPACKED = (\n{lines}\n)\n'
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Train, say how good it is, write."""
    parser = argparse.ArgumentParser(prog="python -m proxy.training.router", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with route_prompts.parquet")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "core" / "routing" / "weights.py")
    arguments = parser.parse_args(argv)
    try:
        examples = load(arguments.data)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 2
    found = error_by_source(examples)
    for source, (wrong, total) in found.items():
        sys.stdout.write(f"  {source:<14} {wrong / total:6.1%} of {total}\n")
    wrong = sum(w for w, _ in found.values())
    sys.stdout.write(f"error on held-apart prompts: {wrong / len(examples):.1%} of {len(examples)}\n")
    arguments.out.write_text(module(train(examples)), encoding="ascii")
    sys.stdout.write(f"wrote {arguments.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
