"""How often the router errs: ``python -m tests.evaluation.router --data FOLDER [--embedding] [--json OUT]``.

Every prompt is judged by weights that did not see it: folds are cut within each source and label by a seeded hash of the prompt's
text. How hard questions are is judged on the part of the questions that was not fitted on. Nothing here reads the shipped
router but the milliseconds, which are the machine's and not comparable between machines.
"""

import argparse
import hashlib
import json
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from proxy import router_file
from proxy.core.routing.features import features
from proxy.core.routing.router import CLASSES, SURE, classify
from proxy.embedding import Encoder
from proxy.training import difficulty, examples
from proxy.training import router as training
from proxy.training.examples import Example
from proxy.training.fitting import Row

REAL_USERS = "arena_hard_v2"
FOLDS = 5
KEPT = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
TIMED = 300


@dataclass(frozen=True, slots=True)
class Judged:
    """A prompt with what weights that did not see it say. ``sure``: their share for ``said``."""

    example: Example
    said: int
    sure: float

    @property
    def wrong(self) -> bool:
        return self.said != self.example.label


def fold_of(example: Example, seed: int, folds: int) -> int:
    """The fold of a prompt: by its own text, so the same prompt is in one fold only."""
    drawn = hashlib.sha256(f"{seed}:{example.text.strip()}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(drawn[:4], "big") % folds


def judged(
    found: Sequence[Example], *, folds: int = FOLDS, seed: int = 0, only: int | None = None, jobs: int = 1
) -> list[Judged]:
    """Every prompt judged by the other folds' weights. ``only``: just the first folds; ``jobs``: processes."""
    chosen = range(folds if only is None else only)
    work = partial(_fold, tuple(found), folds, seed)
    if jobs == 1:
        return [each for fold in chosen for each in work(fold)]
    with ProcessPoolExecutor(jobs) as pool:
        return [each for part in pool.map(work, chosen) for each in part]


def _fold(found: Sequence[Example], folds: int, seed: int, fold: int) -> list[Judged]:
    """The prompts of one fold, judged by weights of the others."""
    apart = [e for e in found if fold_of(e, seed, folds) == fold]
    made = training.fit([e for e in found if fold_of(e, seed, folds) != fold], seed)
    told = [made.shares(each.row()) for each in apart]
    return [Judged(each, shares.index(max(shares)), max(shares)) for each, shares in zip(apart, told, strict=True)]


def error(found: Sequence[Judged]) -> dict[str, Any]:
    """Share of errors with its 95 % interval (Wilson 1927)."""
    n, wrong = len(found), sum(each.wrong for each in found)
    if not n:
        return {"prompts": 0}
    share, z = wrong / n, 1.96
    middle, half = share + z * z / 2 / n, z * math.sqrt(share * (1 - share) / n + z * z / 4 / n / n)
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return {"prompts": n, "wrong": wrong, "error": share, "low": low, "high": high}


def figures(found: Sequence[Judged]) -> dict[str, Any]:
    """Everything about the classes."""
    ranked = sorted(found, key=lambda each: -each.sure)
    confident = [each for each in found if each.sure * 1_000_000 >= SURE]
    names = [task.value for task in CLASSES]
    matrix = Counter((names[each.example.label], names[each.said]) for each in found)
    return {
        "held_apart": error(found),
        "real_users": error([each for each in found if each.example.source == REAL_USERS]),
        "benchmarks": error([each for each in found if each.example.source != REAL_USERS]),
        "by_source": {
            source: error([each for each in found if each.example.source == source])
            for source in sorted({each.example.source for each in found})
        },
        "abstention": [{"kept": kept, **error(ranked[: round(kept * len(ranked))])} for kept in KEPT],
        "sure": {"kept": len(confident) / len(found), **error(confident)},
        "misrouting": {name: {other: matrix[name, other] for other in names} for name in names},
    }


def ease(folder: Path, seed: int) -> dict[str, Any]:
    """How well the chance of a cheap model is told, on questions that were not fitted on."""
    fitted, apart = difficulty.split(difficulty.load(folder), seed)
    made = training.fit_ease(fitted, seed)
    told = [(made.shares(Row(groups=features(g.prompt), target=(0.0,)))[0], g.share) for g in apart]
    mean = sum(share for _, share in told) / len(told)
    brier = sum((said - share) ** 2 for said, share in told) / len(told)
    return {
        "fitted": len(fitted),
        "judged": len(told),
        "mean": mean,
        "auroc": auroc([(said, share >= 0.5) for said, share in told]),
        "squared_error": brier,
        "squared_error_of_mean": sum((mean - share) ** 2 for _, share in told) / len(told),
    }


def auroc(told: Sequence[tuple[float, bool]]) -> float:
    """Probability that a right one is told higher than a wrong one (Hanley and McNeil 1982); ties count one half."""
    ordered = sorted(told)
    ranks: dict[float, list[int]] = {}
    for i, (said, _) in enumerate(ordered, start=1):
        ranks.setdefault(said, []).append(i)
    right = [statistics.fmean(ranks[said]) for said, good in ordered if good]
    wrong = len(ordered) - len(right)
    return (sum(right) - len(right) * (len(right) + 1) / 2) / (len(right) * wrong) if right and wrong else 0.5


def milliseconds(found: Sequence[Example], encoder: Encoder | None) -> dict[str, float]:
    """Median milliseconds of processor time for a prompt, with the shipped router."""
    model, sample = router_file.shipped(), found[:: max(1, len(found) // TIMED)]
    plain = [_timed(lambda e=each: classify(model, e.text)) for each in sample]
    told = {"prompt": statistics.median(plain), "prompt_p95": sorted(plain)[round(0.95 * (len(plain) - 1))]}
    if encoder is not None:
        told["embedding"] = statistics.median(_timed(lambda e=each: encoder.now(e.text)) for each in sample[:50])
    return told


def _timed(work: Any) -> float:
    start = time.thread_time()
    work()
    return (time.thread_time() - start) * 1000


def table(name: str, result: dict[str, Any]) -> str:
    """Figures for reading."""
    lines = [f"{name}:"]
    lines += [f"  {part:<12} {_percent(result[part])}" for part in ("held_apart", "real_users", "benchmarks")]
    lines += [f"    {source:<14} {_percent(each)}" for source, each in result["by_source"].items()]
    lines += [f"  keeping {each['kept']:4.0%}  {_percent(each)}" for each in result["abstention"]]
    lines.append(f"  sure ({result['sure']['kept']:.1%}) {_percent(result['sure'])}")
    names = list(result["misrouting"])
    lines.append("  misrouting   " + "".join(f"{name:>10}" for name in names))
    lines += [f"    {a:<10} " + "".join(f"{result['misrouting'][a][b]:>10}" for b in names) for a in names]
    return "\n".join(lines)


def _percent(each: dict[str, Any]) -> str:
    if not each["prompts"]:
        return "no prompt"
    return f"{each['error']:6.2%} of {each['prompts']} (95 %: {each['low']:.1%} to {each['high']:.1%})"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.router", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with labelled prompts and recorded answers")
    parser.add_argument("--embedding", action="store_true", help="with the sentence encoder too (extra `embedding`)")
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--only", type=int, help="just so many of the folds")
    parser.add_argument("--seed", type=int, default=0, help="which prompts are in which fold")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the figures do not depend on it")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args(argv)
    encoder = Encoder() if arguments.embedding else None
    found = examples.load(arguments.data, encoder)
    result: dict[str, Any] = {"seed": arguments.seed, "folds": arguments.folds, "router": router_file.shipped().digest}
    heads: list[tuple[str, list[Example]]] = [("plain", [replace(each, embedding=()) for each in found])]
    if encoder is not None:
        heads.append(("embedded", found))
    for name, chosen in heads:
        told = judged(chosen, folds=arguments.folds, seed=arguments.seed, only=arguments.only, jobs=arguments.jobs)
        result[name] = figures(told)
        print(table(name, result[name]), flush=True)
    result["ease"] = ease(arguments.data, arguments.seed)
    result["milliseconds"] = milliseconds(found, encoder)
    for part in ("ease", "milliseconds"):
        print(f"{part}: " + ", ".join(f"{key} {value:.4g}" for key, value in result[part].items()))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
