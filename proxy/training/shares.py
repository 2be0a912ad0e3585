"""How often recorded models are right, by task class: ``python -m proxy.training.shares --data FOLDER``.

Every question is put into its class as the running proxy would; a share is shrunk towards the model's overall accuracy, as if a dozen
more questions had been asked that it answers like the others. Only counts leave the folder: no question, no answer.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.vocabulary import MILLIONTHS
from proxy import router_file
from proxy.core.aggregation.expected import expected
from proxy.core.request import TaskClass
from proxy.core.routing import tasks
from proxy.core.routing.router import classify
from proxy.errors import ConfigurationError
from proxy.evaluation import recorded
from proxy.evaluation.recorded import Answered, Item, Recording

FORMAT = 1
PRIOR = 12
"""Questions that a share is shrunk by (``docs/explanation/fusion.md``)."""
LEAST = 20
"""Questions below which nothing is said of a task."""
COVERED = 0.2
"""Least part of a task's questions that a model must have answered."""
SHIPPED = Path(__file__).parents[1] / "defaults" / "shares.json"
BENCHMARKS = ("gsm8k", "math_l5", "cruxeval_o", "mmlu", "mmlu_pro", "humaneval", "mbpp", "mgsm_en", "math500s", "bbh")
FILES = ("questions.parquet", "outputs.parquet", "outputs_mmlu_pro.parquet")

TaskOf = Callable[[str], TaskClass]


def task_of(prompt: str) -> TaskClass:
    """The class of a prompt, as the running proxy finds it."""
    routed = classify(router_file.shipped(), prompt)
    return tasks.refined(routed.task, expected(prompt), hard=routed.ease < tasks.EASY)


@dataclass(frozen=True, slots=True)
class Share:
    """``right``: millionths, shrunk; ``questions`` it is from; ``tokens_out``: mean tokens of an answer."""

    right: int
    questions: int
    tokens_out: int


Shares = Mapping[str, Mapping[TaskClass, Share]]


def fit(recording: Recording, items: Iterable[Item], task_of: TaskOf, *, least: int = LEAST) -> Shares:
    """Shares of every model over some questions.

    Nothing of a task with fewer than ``least``, or of which it answered few: those may be the easy ones.
    """
    asked: Counter[TaskClass] = Counter()
    found: dict[str, dict[TaskClass, list[Answered]]] = defaultdict(lambda: defaultdict(list))
    models = tuple(recording.models)
    for item in items:
        task = task_of(item.prompt)
        asked[task] += 1
        for model in models:
            answered = recording.answers.get((model, item.key))
            if answered is not None:
                found[model][task].append(answered)
    enough = {task: max(least, round(COVERED * number)) for task, number in asked.items()}
    return {model: _shares(by_task, enough) for model, by_task in found.items()}


def _shares(
    by_task: Mapping[TaskClass, Sequence[Answered]], enough: Mapping[TaskClass, int]
) -> Mapping[TaskClass, Share]:
    everything = [each for some in by_task.values() for each in some]
    overall = sum(each.correct for each in everything) / len(everything)
    return {
        task: Share(
            right=round((sum(e.correct for e in some) + PRIOR * overall) / (len(some) + PRIOR) * MILLIONTHS),
            questions=len(some),
            tokens_out=max(1, round(sum(e.tokens_out for e in some) / len(some))),
        )
        for task, some in by_task.items()
        if len(some) >= enough[task]
    }


def load(path: Path = SHIPPED) -> Shares:
    """Shares from a file. Raises ``ConfigurationError``."""
    try:
        raw: Any = json.loads(path.read_text(encoding="ascii"))
        if raw["format"] != FORMAT:
            raise ValueError("another format")
        return {
            model: {TaskClass(task): Share(*map(int, numbers)) for task, numbers in by_task.items()}
            for model, by_task in raw["shares"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise ConfigurationError(f"`{path}`: expected shares of format {FORMAT}, got {type(cause).__name__}") from cause


def document(shares: Shares, trained_on: str) -> str:
    """The file's text: the same shares give the same bytes."""
    told = {
        model: {task.value: [s.right, s.questions, s.tokens_out] for task, s in sorted(by_task.items())}
        for model, by_task in sorted(shares.items())
    }
    rows = ",\n".join(f"  {json.dumps(model)}: {json.dumps(by_task)}" for model, by_task in told.items())
    return f'{{"format": {FORMAT}, "trained_on": "{trained_on}", "shares": {{\n{rows}\n}}}}\n'


def digest(folder: Path) -> str:
    """SHA-256 over the digests of the files that were read."""
    whole = hashlib.sha256()
    for name in FILES:
        with (folder / name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, write."""
    parser = argparse.ArgumentParser(prog="python -m proxy.training.shares", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with recorded answers")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    arguments = parser.parse_args(argv)
    try:
        recording = recorded.load(arguments.data, BENCHMARKS)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 2
    shares = fit(recording, recording.items, task_of)
    arguments.out.write_text(document(shares, digest(arguments.data)), encoding="ascii")
    sys.stdout.write(f"{len(shares)} models, {sum(map(len, shares.values()))} shares: {arguments.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
