"""What a prompt asks for: a task class, how sure that is, and how likely a cheap model is to be right.

Pure: a linear model (``model``) over hashed features (``features``), bounded and deterministic. Trained by ``apostille
train-router``; ``python -m tests.evaluation.router`` says how often it errs. Misrouting is cheap, as every route is a cascade
(measured: 4.2 % misrouted costs 0.1 point); below ``SURE`` the class is ``general``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audit.vocabulary import MILLIONTHS
from proxy.core.request import TaskClass
from proxy.core.routing.features import features
from proxy.core.routing.model import Head, Model

CLASSES = (TaskClass.MATH, TaskClass.CODE, TaskClass.FACTUAL, TaskClass.CREATIVE)
SURE = 600_000
"""Confidence, in millionths, below which a prompt counts as general."""
FLAT = 30.0
"""Log-odds beyond which a probability is certain for our purposes."""


@dataclass(frozen=True, slots=True)
class Routed:
    """``confidence`` in millionths: of the class, or of ``best`` where none was sure enough. ``ease``: millionths,
    probability that a cheap model answers right. ``router``: who says so, with the whole digest of its document."""

    task: TaskClass
    confidence: int
    best: TaskClass
    ease: int
    router: str


def classify(model: Model, prompt: str, embedding: Sequence[int] = ()) -> Routed:
    """The task class of a prompt. ``embedding``: of the same prompt, as signed bytes; none where nobody made one."""
    groups = features(prompt)
    head, kind = _head(model, embedding)
    scores = head.scores(groups, embedding)
    top = max(scores)
    sure = round(MILLIONTHS / sum(math.exp(score - top) for score in scores))
    best = CLASSES[scores.index(top)]
    (odds,) = model.ease.scores(groups)
    return Routed(
        task=best if sure >= SURE else TaskClass.GENERAL,
        confidence=sure,
        best=best,
        ease=probability(odds),
        router=f"{kind}-2-{model.digest}",
    )


def _head(model: Model, embedding: Sequence[int]) -> tuple[Head, str]:
    if embedding and model.embedded is not None:
        return model.embedded, "embedded"
    return model.plain, "linear"


def probability(odds: float) -> int:
    """Log-odds as a probability in millionths, never certain."""
    share = 1 / (1 + math.exp(-max(-FLAT, min(FLAT, odds))))
    return max(1, min(MILLIONTHS - 1, round(share * MILLIONTHS)))
