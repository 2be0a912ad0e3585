"""What a prompt asks for: a task class and how sure that is. A linear model over hashed features, bounded and deterministic.

Pure. Trained by ``proxy.training.router``, which also says how often it errs. Misrouting is cheap, as every route is a cascade
(measured: 4.2 % misrouted costs 0.1 point); below ``SURE`` the class is ``general``.
"""

import base64
import math
import zlib
from dataclasses import dataclass

from audit.vocabulary import MILLIONTHS
from proxy.core.request import TaskClass
from proxy.core.routing import weights
from proxy.core.routing.features import BUCKETS, features

CLASSES = (TaskClass.MATH, TaskClass.CODE, TaskClass.FACTUAL, TaskClass.CREATIVE)
SURE = 600_000
"""Confidence, in millionths, below which a prompt counts as general."""
ROUTER_ID = f"linear-1-{weights.DIGEST[:12]}"


@dataclass(frozen=True, slots=True)
class Routed:
    """``confidence`` in millionths: of the class, or of the best class where none was sure enough."""

    task: TaskClass
    confidence: int


def _unpacked() -> tuple[tuple[int, ...], ...]:
    steps = zlib.decompress(base64.b85decode(weights.PACKED))
    return tuple(
        tuple(step - 128 for step in steps[i * BUCKETS : (i + 1) * BUCKETS]) for i in range(len(steps) // BUCKETS)
    )


_WEIGHTS = _unpacked()


def classify(prompt: str) -> Routed:
    """The task class of a prompt."""
    buckets = features(prompt)
    scale = weights.UNIT / MILLIONTHS / math.sqrt(len(buckets))
    scores = [sum(map(row.__getitem__, buckets)) * scale for row in _WEIGHTS]
    top = max(scores)
    sure = round(MILLIONTHS / sum(math.exp(score - top) for score in scores))
    task = CLASSES[scores.index(top)]
    return Routed(task if sure >= SURE else TaskClass.GENERAL, sure)
