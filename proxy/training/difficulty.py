"""How often cheap models are right on a question, from recorded answers: what the router's ``ease`` is trained on."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.evaluation import recorded
from proxy.evaluation.recorded import Recording

BENCHMARKS = ("gsm8k", "math_l5", "cruxeval_o", "mmlu", "humaneval", "mbpp", "bbh", "mgsm_en", "mmlu_pro")
CHEAP = 0.2
"""A model is cheap below this share of the dearest one's list price."""
FEWEST = 2
"""Cheap models that must have answered a question."""
FIT = 0.6
"""Share of questions that models and maps are fitted on; the others judge them."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A prompt with the share of cheap models that were right, and how many there were."""

    prompt: str
    share: float
    models: int


def load(folder: Path) -> list[Graded]:
    """Graded prompts in the order of the recording. Raises ``ConfigurationError``."""
    return graded(recorded.load(folder, BENCHMARKS))


def graded(recording: Recording) -> list[Graded]:
    """Prompts that enough cheap models answered."""
    cheap = cheap_models(recording)
    found: Mapping[tuple[str, str], list[bool]] = defaultdict(list)
    for (model, key), answer in recording.answers.items():
        if model in cheap:
            found[key].append(answer.correct)
    return [
        Graded(item.prompt, sum(found[item.key]) / len(found[item.key]), len(found[item.key]))
        for item in recording.items
        if len(found.get(item.key, ())) >= FEWEST
    ]


def cheap_models(recording: Recording) -> frozenset[str]:
    """Models whose list price (in and out added) is far below the dearest one's."""
    price = {name: m.price.input_micro_usd + m.price.output_micro_usd for name, m in recording.models.items()}
    return frozenset(name for name, each in price.items() if each < CHEAP * max(price.values()))


def for_fitting(prompt: str, seed: int) -> bool:
    """Whether a prompt is of the part that is fitted on: by its own text, so the same prompt is never in both parts."""
    return _drawn(prompt, seed) < FIT * 2**32


def fold(prompt: str, folds: int, seed: int) -> int:
    """Which of so many folds a prompt is in, by its own text."""
    return _drawn(prompt, seed) % folds


def _drawn(prompt: str, seed: int) -> int:
    drawn = hashlib.sha256(f"{seed}:{prompt.strip()}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:4], "big")


def split(found: Sequence[Graded], seed: int) -> tuple[list[Graded], list[Graded]]:
    """The part for fitting and the part for judging."""
    return [g for g in found if for_fitting(g.prompt, seed)], [g for g in found if not for_fitting(g.prompt, seed)]
