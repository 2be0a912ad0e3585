"""Train the router: a document of integer weights from labelled prompts and graded answers. Same data, same seed, same bytes."""

import json
from collections.abc import Sequence

from audit.vocabulary import MILLIONTHS
from proxy.core.routing.features import features
from proxy.core.routing.model import FORMAT, packed
from proxy.core.routing.router import CLASSES
from proxy.training.difficulty import Graded
from proxy.training.examples import Example, digest_of
from proxy.training.fitting import DENSE, Fit, Row, mean

EASE_EPOCHS = 3
ORDERS = 2
"""Orders of the examples whose weights are averaged: what depends on the order is mostly noise."""


def fit(examples: Sequence[Example], seed: int = 0) -> Fit:
    """Weights of the classes, the mean over ``ORDERS`` orders of the examples; with those of embeddings where all have one."""
    return mean([one(examples, seed * ORDERS + i) for i in range(ORDERS)])


def one(examples: Sequence[Example], order: int) -> Fit:
    """Weights after one order of the examples."""
    made = Fit(len(CLASSES), dense=bool(examples) and all(each.embedding for each in examples))
    made.train([each.row() for each in examples], order)
    return made


def fit_ease(graded: Sequence[Graded], seed: int = 0) -> Fit:
    """Weights of how often cheap models are right."""
    made = Fit(1)
    made.train([Row(groups=features(each.prompt), target=(each.share,)) for each in graded], seed, EASE_EPOCHS)
    return made


def document(plain: Fit, embedded: Fit | None, ease: Fit, *, trained_on: dict[str, object], usual_ease: float) -> bytes:
    """The router's file, as ``proxy.core.routing.model`` reads it."""
    content = {
        "format": FORMAT,
        "classes": [task.value for task in CLASSES],
        "trained_on": trained_on,
        "usual_ease": max(1, min(MILLIONTHS - 1, round(usual_ease * MILLIONTHS))),
        "plain": _head(plain),
        "embedded": None if embedded is None else _head(embedded),
        "ease": _head(ease),
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def with_ease(whole: bytes, graded: Sequence[Graded], seed: int = 0) -> bytes:
    """A router's document with its ease trained on other prompts."""
    content = json.loads(whole)
    content["ease"] = _head(fit_ease(graded, seed))
    content["trained_on"] = {**content["trained_on"], "digest": digest_of([], graded), "graded": len(graded)}
    return (json.dumps(content, indent=1) + "\n").encode()


def _head(made: Fit) -> dict[str, object]:
    unit, rows = packed(made.rows)
    if not made.dense[0]:
        return {"unit": unit, "rows": rows}
    dense_unit, dense = packed([[w * DENSE for w in row] for row in made.dense])
    return {"unit": unit, "rows": rows, "dense_unit": dense_unit, "dense": dense}


def train(
    examples: Sequence[Example], graded: Sequence[Graded], *, seed: int = 0, embedded: Sequence[Example] | None = None
) -> bytes:
    """The router of a training set. ``embedded``: the same examples with their embeddings, for the second head."""
    about: dict[str, object] = {
        "digest": digest_of(examples, graded),
        "prompts": len(examples),
        "graded": len(graded),
        "seed": seed,
    }
    return document(
        fit(examples, seed),
        fit(embedded, seed) if embedded else None,
        fit_ease(graded, seed),
        trained_on=about,
        usual_ease=sum(each.share for each in graded) / len(graded),
    )
