"""How often recorded models are right, by task class: ``python -m proxy.training.shares --data FOLDER``.

Every question is put into its class as a proxy would that has not seen it (``unseen``). A share is shrunk towards the model's overall
accuracy, as if a dozen more questions had been asked that it answers like the others. Only counts leave the folder: no question, no
answer.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.vocabulary import MILLIONTHS
from proxy.core.request import TaskClass
from proxy.errors import ConfigurationError
from proxy.evaluation import recorded
from proxy.evaluation.recorded import Answered, Item, Recording
from proxy.training import difficulty, standard, unseen

FORMAT = 1
PRIOR = 12
"""Questions that a share is shrunk by (``docs/explanation/fusion.md``)."""
LEAST = 20
"""Questions below which nothing is said of a task."""
COVERED = 0.2
"""Least part of a task's questions that a model must have answered, or ``ENOUGH`` of them."""
ENOUGH = 400
SHIPPED = Path(__file__).parents[1] / "defaults" / "shares.json"
BENCHMARKS = ("gsm8k", "math_l5", "cruxeval_o", "mmlu", "mmlu_pro", "humaneval", "mbpp", "mgsm_en", "math500s", "bbh")
FILES = ("questions.parquet", "outputs.parquet", "outputs_mmlu_pro.parquet")

TaskOf = Callable[[str], TaskClass]


@dataclass(frozen=True, slots=True)
class Share:
    """``right``: millionths, shrunk; ``questions`` it is from; ``tokens_out``: mean tokens of an answer."""

    right: int
    questions: int
    tokens_out: int


Shares = Mapping[str, Mapping[TaskClass, Share]]


Answers = Mapping[str, Sequence[Answered]]
"""What a model answered of one task, by benchmark."""


def fit(recording: Recording, items: Iterable[Item], task_of: TaskOf, *, least: int = LEAST) -> Shares:
    """Shares of every model over some questions, as if all had been asked the same benchmarks (``standard``).

    Nothing of a task with fewer answers than ``least``, or of which a model answered few: those may be the easy ones.
    """
    asked: dict[TaskClass, Counter[str]] = defaultdict(Counter)
    found: dict[TaskClass, dict[str, dict[str, list[Answered]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for item in items:
        task = task_of(item.prompt)
        asked[task][item.benchmark] += 1
        for model in recording.models:
            answered = recording.answers.get((model, item.key))
            if answered is not None:
                found[task][model][item.benchmark].append(answered)
    overall = _overall(found)
    fitted: dict[str, dict[TaskClass, Share]] = {model: {} for model in overall}
    for task, by_model in found.items():
        enough = max(least, min(ENOUGH, round(COVERED * asked[task].total())))
        for model, share in _of_task(by_model, asked[task], overall, enough):
            fitted[model][task] = share
    return fitted


def _overall(found: Mapping[TaskClass, Mapping[str, Answers]]) -> Mapping[str, float]:
    """Share of right answers of each model over all that it answered."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for by_model in found.values():
        for model, by_benchmark in by_model.items():
            for some in by_benchmark.values():
                right[model] += sum(each.correct for each in some)
                total[model] += len(some)
    return {model: right[model] / number for model, number in total.items()}


def _of_task(
    by_model: Mapping[str, Answers], sizes: Mapping[str, int], overall: Mapping[str, float], enough: int
) -> Iterator[tuple[str, Share]]:
    raw = {
        model: {name: sum(e.correct for e in some) / len(some) for name, some in by_benchmark.items()}
        for model, by_benchmark in by_model.items()
    }
    for model, by_benchmark in by_model.items():
        answers = [each for some in by_benchmark.values() for each in some]
        if len(answers) >= enough:
            right = standard.share(raw[model], sizes, [each for name, each in raw.items() if name != model])
            yield (
                model,
                Share(
                    right=round((right * len(answers) + PRIOR * overall[model]) / (len(answers) + PRIOR) * MILLIONTHS),
                    questions=len(answers),
                    tokens_out=max(1, round(sum(e.tokens_out for e in answers) / len(answers))),
                ),
            )


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
    known = unseen.eases(difficulty.load(arguments.data))
    shares = fit(recording, recording.items, unseen.task_by(known))
    arguments.out.write_text(document(shares, digest(arguments.data)), encoding="ascii")
    sys.stdout.write(f"{len(shares)} models, {sum(map(len, shares.values()))} shares: {arguments.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
