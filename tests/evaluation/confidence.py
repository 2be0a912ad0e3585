"""How far confidences are from how often answers are right: ``python -m tests.evaluation.confidence --data FOLDER``.

Plays compositions over seeded panels of recorded models: agreement gates (with and without a strong model), weighted votes and
cascades. Maps are fitted on 60 % of the questions, cut by a seeded hash of the prompt, and judged on the others: the expected
calibration error (15 bins of equal size) of the log-odds and of the map, with the number of answers. ``--out`` writes the maps.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from audit.canonical import digest
from audit.vocabulary import LegStatus, Role
from proxy.core import aggregation
from proxy.core.aggregation.calibration import parse
from proxy.core.aggregation.steps import AggregatorName, Calls, Composition, Final, Seat
from proxy.core.replies import Reply
from proxy.core.request import TaskClass
from proxy.evaluation import offline, recorded
from proxy.evaluation.recorded import Item, Recording
from proxy.training import confidence, difficulty
from proxy.training.confidence import Scored

BENCHMARKS = ("gsm8k", "math_l5", "cruxeval_o", "mmlu", "mmlu_pro")
PANELS, QUESTIONS = 8, 240
THRESHOLD = 800_000
"""Of cascades and votes with a reserve, so that some stop early and others go on."""


def seats(recording: Recording, models: Sequence[str], fitted: Sequence[Item]) -> tuple[Seat, ...]:
    """Seats of models, best first, with their shares of right answers on the part that is fitted on."""
    found = [
        Seat(
            leg=model,
            role=Role.PANEL,
            model=model,
            make=recording.models[model].vendor,
            reliability=round(recording.accuracy(model, fitted) * 1_000_000),
        )
        for model in models
    ]
    return tuple(sorted(found, key=lambda seat: -seat.reliability))


def compositions(panel: Sequence[Seat]) -> Iterator[tuple[AggregatorName, tuple[Seat, ...], tuple[Seat, ...]]]:
    """Ways to put four seats together: the weaker ones first where there is a reserve."""
    best, *others = panel
    yield AggregatorName.AGREEMENT_GATE, tuple(others[:2]), (best,)
    yield AggregatorName.WEIGHTED_VOTE, tuple(panel[:3]), ()
    yield AggregatorName.CASCADE, (panel[-1],), tuple(reversed(panel[:-1]))
    yield AggregatorName.MAJORITY, tuple(panel), ()


def played(recording: Recording, seed: int, panels: int, questions: int) -> Iterator[tuple[bool, str, Scored]]:
    """Every composition on some questions: whether the question is for fitting, its benchmark, how the vote ended."""
    chance = random.Random(seed)
    for benchmark in sorted({item.benchmark for item in recording.items}):
        items = [i for i in recording.items if i.benchmark == benchmark]
        models = [m for m in recording.models if all((m, i.key) in recording.answers for i in items)]
        fitted = [i for i in items if difficulty.for_fitting(i.prompt, seed)]
        for _ in range(panels):
            panel = seats(recording, chance.sample(models, 4), fitted)
            asked = chance.sample(items, min(questions, len(items)))
            for name, first, rest in compositions(panel):
                for item in asked:
                    found = _play(recording, item, name, first, rest)
                    if found is not None:
                        yield difficulty.for_fitting(item.prompt, seed), benchmark, found


def _play(
    recording: Recording, item: Item, name: AggregatorName, first: tuple[Seat, ...], rest: tuple[Seat, ...]
) -> Scored | None:
    composition = Composition(
        aggregator=name,
        task=TaskClass.GENERAL,
        messages=({"role": "user", "content": item.prompt},),
        first=first,
        rest=rest,
        threshold=THRESHOLD if name is AggregatorName.CASCADE else 0,
    )
    replies: tuple[Reply, ...] = ()
    while not isinstance(step := aggregation.next_step(composition, replies), Final):
        assert isinstance(step, Calls)
        replies += tuple(offline.reply_of(recording, ask.leg, item, ask.leg) for ask in step.asks)
    assert all(reply.status is LegStatus.OK for reply in replies)
    if step.leg is None or not step.basis.confidence_method:
        return None
    right = offline.grade(recording.answers[step.leg, item.key].text, item)
    return Scored(step.basis.method, step.basis.confidence, right)


def figures(apart: Sequence[tuple[str, Scored]], content: bytes) -> dict[str, Any]:
    """Errors on the part that was not fitted on: in all, by method, by benchmark."""
    maps = parse(content)

    def of(chosen: Sequence[Scored]) -> dict[str, Any]:
        return {
            "answers": len(chosen),
            "right": sum(s.right for s in chosen) / len(chosen),
            "ece_log_odds": confidence.error([(s.score, s.right) for s in chosen]),
            "ece_calibrated": confidence.error([(maps.of(s.method, s.score), s.right) for s in chosen]),
        }

    everything = [scored for _, scored in apart]
    methods, benchmarks = sorted({s.method for s in everything}), sorted({b for b, _ in apart})
    return {
        "digest": maps.digest,
        "all": of(everything),
        **{f"method {m}": of([s for s in everything if s.method == m]) for m in methods},
        **{f"benchmark {b}": of([s for name, s in apart if name == b]) for b in benchmarks},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Play, fit, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.confidence", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with recorded answers")
    parser.add_argument("--seed", type=int, default=0, help="which panels, which questions are fitted on")
    parser.add_argument("--panels", type=int, default=PANELS, help="panels of four models for each benchmark")
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="questions for each panel")
    parser.add_argument("--out", type=Path, help="write the maps here")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args(argv)
    recording = recorded.load(arguments.data, BENCHMARKS)
    found = list(played(recording, arguments.seed, arguments.panels, arguments.questions))
    fitted = [scored for fit, _, scored in found if fit]
    about = {
        "questions": str(digest(json.dumps([item.key for item in recording.items]).encode())),
        "seed": arguments.seed,
        "panels": arguments.panels,
        "answers": len(fitted),
    }
    content = confidence.document(fitted, about)
    result = figures([(benchmark, scored) for fit, benchmark, scored in found if not fit], content)
    for name, each in result.items():
        if isinstance(each, dict):
            print(
                f"  {name:<22} {each['answers']:>6} answers, {each['right']:6.1%} right,"
                f" error {each['ece_log_odds']:6.2%} as log-odds, {each['ece_calibrated']:6.2%} calibrated"
            )
    for path, text in ((arguments.out, content), (arguments.json, json.dumps(result, indent=2).encode())):
        if path is not None:
            path.write_bytes(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
