"""The target table over many seeded splits, without a network: ``python -m tests.evaluation.splits --data FOLDER``.

One split says little: on 40 % of the questions a difference of a point is within chance. Each split fits the shares on 60 % of the
questions and asks the others. Whether a question is hard is told by weights that did not see it (five folds). Plans, votes and the
maps of confidence, by which the gate opens, are the product's own; the row of programs needs the sandbox, and is asked over HTTP
alone (``tests.evaluation.run``).

``where all answered``: the questions for which every model that was to be asked has a recorded answer. A gap of a recording is no
failure of a provider, but the proxy cannot tell them apart.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from audit.vocabulary import LegStatus, Role
from policies.shipped import homes
from proxy import router_file
from proxy.core import planning
from proxy.core.aggregation import answers, voting
from proxy.core.aggregation.expected import AnswerKind
from proxy.core.aggregation.steps import Composition, Final
from proxy.core.catalogue import Catalogue, Deployment
from proxy.core.composing import seat_of
from proxy.core.intent import Intent, IntentKind
from proxy.core.loading import load
from proxy.core.question import Defaults, Question
from proxy.core.replies import Reply
from proxy.core.request import Needs, OnRestricted, TaskClass
from proxy.core.routing.cascade import Mode
from proxy.core.seats import Plan, Slot
from proxy.errors import ConfigurationError
from proxy.evaluation import harness, offline, pool, recorded
from proxy.evaluation.cli import Counter
from proxy.evaluation.recorded import Item, Recording
from proxy.training import difficulty, shares, unseen
from tests.evaluation.run import FITTED, ROWS, Row

NOBODY = "nobody"

TaskOf = Callable[[str], TaskClass]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of one question. ``cost``: micro-dollars; ``gap``: a model that was to be asked has no recorded answer."""

    item: Item
    correct: bool
    cost: float
    gap: bool


@dataclass(frozen=True)
class Played:
    """Cascades played on a recording. What a text says is read once."""

    recording: Recording
    said: dict[tuple[str, tuple[str, str]], str | None] = field(default_factory=dict)
    right: dict[tuple[str, tuple[str, str]], bool] = field(default_factory=dict)

    def ask(self, item: Item, plan: Plan, task: TaskClass) -> Asked:
        """One question by one plan, as the proxy would, with stand-ins where a model has no recorded answer."""
        composition = Composition(
            aggregator=plan.aggregator,
            task=task,
            messages=({"role": "user", "content": item.prompt},),
            first=tuple(seat_of(slot, task) for slot in plan.first),
            rest=tuple(seat_of(slot, task) for slot in plan.rest),
            threshold=plan.threshold,
            calibration=router_file.calibration(),
        )
        slots = {slot.leg: slot for slot in (*plan.first, *plan.rest)}
        replies: tuple[Reply, ...] = ()
        while True:
            step = voting.agreement_gate(composition, replies, lambda reply, kind: self._read(reply, item, kind))
            if isinstance(step, Final):
                break
            replies += tuple(self._reply(slots[ask.leg], item) for ask in step.asks)
        told = next((r for r in replies if r.leg == step.leg and r.ok), None)
        return Asked(
            item=item,
            correct=told is not None and self._right(told, item),
            cost=sum(self.recording.cost(_model(r), item) for r in replies if r.ok),
            gap=any(r.deployment != slots[r.leg].primary.id for r in replies),
        )

    def _reply(self, slot: Slot, item: Item) -> Reply:
        by = next((d for d in slot.options if (d.model, item.key) in self.recording.answers), None)
        if by is None:
            return Reply(
                leg=slot.leg, role=Role.PANEL, deployment=NOBODY, status=LegStatus.FAILED, error="upstream-error"
            )
        return replace(offline.reply_of(self.recording, by.model, item, slot.leg), deployment=by.id)

    def _read(self, reply: Reply, item: Item, kind: AnswerKind | None) -> str | None:
        if not reply.ok:
            return None
        key = _model(reply), item.key
        if key not in self.said:
            self.said[key] = answers.canonical(reply.text, kind)
        return self.said[key]

    def _right(self, reply: Reply, item: Item) -> bool:
        key = _model(reply), item.key
        if key not in self.right:
            self.right[key] = offline.grade(reply.text, item)
        return self.right[key]


def _model(reply: Reply) -> str:
    return reply.deployment.partition("/")[2]


def over(row: Row, data: Path, task_of: TaskOf, splits: int) -> list[dict[str, float]]:
    """Figures of a row, one set a split."""
    recording = recorded.load(data, row.benchmarks.split(","))
    items = [i for i in recording.items if (row.banned, i.key) in recording.answers]
    played, count, found = Played(recording), Counter(splits, "splits"), []
    for seed in range(splits):
        fitted, held = harness.sample(items, round(len(items) * FITTED), seed)
        known = shares.fit(recording, fitted, task_of, least=min(shares.LEAST, len(fitted) // 2))
        plan_of = cache(_planner(recording, known, row))
        asked = [played.ask(item, plan_of(task_of(item.prompt)), task_of(item.prompt)) for item in held]
        whole = _beside(recording, row.banned, asked)
        answered = _beside(recording, row.banned, [each for each in asked if not each.gap])
        found.append(whole | {f"answered_{name}": value for name, value in answered.items()})
        count()
    return found


def _planner(recording: Recording, known: shares.Shares, row: Row) -> Callable[[TaskClass], Plan]:
    today = datetime.now(UTC).date()
    ports = {info.vendor: 1 for info in recording.models.values()}
    catalogue = load(
        [("evaluation", pool.catalogue(recording, known, ports, homes(), today, row.banned))], available=()
    )

    def permitted(deployment: Deployment) -> bool:
        if row.vendor is None:
            return deployment.model != row.banned
        return recording.models[deployment.model].vendor != row.vendor

    def plan(task: TaskClass) -> Plan:
        found = planning.plan(_question(catalogue, row, task), permitted)
        assert found is not None
        return found

    return plan


def _question(catalogue: Catalogue, row: Row, task: TaskClass) -> Question:
    return Question(
        intent=Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE, mode=Mode(row.mode)),
        task=task,
        comparable=True,
        needs=Needs(),
        catalogue=catalogue,
        on_restricted=OnRestricted.SUBSTITUTE,
        defaults=Defaults(),
    )


def _beside(recording: Recording, banned: str, asked: Sequence[Asked]) -> dict[str, float]:
    """Points and share of cost against the banned model, on the same questions."""
    theirs = [recording.answers[banned, each.item.key] for each in asked]
    right = sum(each.correct for each in asked) - sum(t.correct for t in theirs)
    cost = sum(recording.cost(banned, each.item) for each in asked)
    return {
        "questions": len(asked),
        "difference_points": 100 * right / len(asked),
        "cost_ratio": sum(each.cost for each in asked) / cost,
    }


def line(row: Row, found: Sequence[Mapping[str, float]]) -> str:
    """A row as text: means over splits, the deviation between them, and in how many splits it held."""
    points = [each["difference_points"] for each in found]
    costs = [each["cost_ratio"] for each in found]
    held = sum(p >= row.least and c <= row.most for p, c in zip(points, costs, strict=True))
    means = (
        statistics.mean(each[f"answered_{name}"] for each in found) for name in ("difference_points", "cost_ratio")
    )
    return (
        f"{row.name:<26} {row.mode:<8} {statistics.mean(points):+5.2f} (deviation {statistics.pstdev(points):.2f}) "
        f"at {statistics.mean(costs):.3f}  must {row.least:+.1f} at {row.most:.2f}: held in {held} of {len(found)}"
        "; where all answered {:+.2f} at {:.3f}".format(*means)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """All rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.splits", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--rows", default="", help="only rows whose name has this in it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    results = []
    try:
        task_of = unseen.task_by(unseen.eases(difficulty.load(arguments.data), done=Counter(unseen.FOLDS, "folds")))
        for row in ROWS:
            if row.benchmarks in pool.PROGRAMS or arguments.rows.lower() not in row.name.lower():
                continue
            found = over(row, arguments.data, task_of, arguments.splits)
            results.append({"row": row.name, "mode": row.mode, "splits": found})
            print(line(row, found), flush=True)
    except ConfigurationError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 2
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
