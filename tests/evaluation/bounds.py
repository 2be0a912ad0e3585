"""What a cascade can reach on a recording: ``python -m tests.evaluation.bounds --data FOLDER``.

For each row of the target table all agreement-gated cascades of two models at once and at most two more are played on *all* recorded
questions, and the best within the row's cost is picked with the right answers in hand: one for all questions, and one for each class
of task that the router tells apart (by weights that did not see the question), under the cost of all together. Both are exact.
Nobody who must choose before can count on as much. ``apart``: the same choice made on a seeded 60 % of the questions and played on
the others, the mean over splits.

Answers are compared as recorded. The rule is that of the published reference cascades, without weights: an answer given by two or
more wins, else the first one's of those asked last. A set of questions is a Python integer, a bit each.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path

from proxy.core.request import TaskClass
from proxy.errors import ConfigurationError
from proxy.evaluation import harness, pool, recorded
from proxy.evaluation.cli import Counter
from proxy.evaluation.recorded import Item, Recording
from proxy.training import difficulty, unseen
from tests.evaluation.run import FITTED, ROWS, Row

MOST_REST = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """Models asked at once, and those asked where they do not agree. The first of those asked last answers where nobody agrees."""

    first: tuple[str, ...]
    rest: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Answers to some questions as sets of questions. ``costs``: micro-dollars of each."""

    questions: int
    models: tuple[str, ...]
    right: Mapping[str, int]
    none: Mapping[str, int]
    same: Mapping[tuple[str, str], int]
    costs: Mapping[str, Sequence[float]]

    @classmethod
    def of(cls, recording: Recording, items: Sequence[Item], models: Sequence[str]) -> "Table":
        """The answers of some models; one that is not recorded is none, and costs nothing."""
        found = {m: [recording.answers.get((m, i.key)) for i in items] for m in models}
        said = {m: [None if a is None else a.pred for a in answers] for m, answers in found.items()}
        return cls(
            questions=(1 << len(items)) - 1,
            models=tuple(models),
            right={m: bits([a is not None and a.correct for a in found[m]]) for m in models},
            none={m: bits([each is None for each in said[m]]) for m in models},
            same={
                (a, b): bits([x is not None and x == y for x, y in zip(said[a], said[b], strict=True)])
                for a, b in permutations(models, 2)
            },
            costs={
                m: [0.0 if a is None else recording.cost(m, i) for i, a in zip(items, found[m], strict=True)]
                for m in models
            },
        )

    def escalated(self, plan: Plan) -> int:
        """Questions on which the rest is asked."""
        return self.questions & ~self.same[plan.first[0], plan.first[1]] if plan.rest else 0

    def answered(self, plan: Plan) -> int:
        """Questions that a plan gets right."""
        if len(plan.first) == 1:
            return self.right[plan.first[0]]
        one, other = plan.first
        won, left = self.same[one, other] & self.right[one], self.questions & ~self.same[one, other]
        voters = (*plan.rest, one, other)
        for voter in voters if plan.rest else ():  # of four, two answers may be given twice: the first of these wins
            twice = 0
            for each in voters:
                if each != voter:
                    twice |= self.same[voter, each]
            won |= left & twice & self.right[voter]
            left &= ~twice
        last, else_ = (plan.rest[0], one) if plan.rest else (one, other)
        return won | left & ~self.none[last] & self.right[last] | left & self.none[last] & self.right[else_]


def bits(flags: Sequence[bool]) -> int:
    """The set of the places where a flag is true."""
    return int("".join("1" if each else "0" for each in reversed(flags)) or "0", 2)


def _spent(costs: Sequence[float], questions: int) -> float:
    return sum(cost for at, cost in enumerate(costs) if questions >> at & 1)


@dataclass(frozen=True, slots=True)
class Choice:
    """Numbers of plans: one for all parts, or one for each. ``right``: answers; ``cost``: micro-dollars; of all parts together."""

    plans: tuple[int, ...]
    right: int
    cost: float


@dataclass(frozen=True)
class Played:
    """Every plan on every part of the questions: ``right[k][n]`` answers that plan n gets right in part k, and what they cost."""

    plans: tuple[Plan, ...]
    right: tuple[tuple[int, ...], ...]
    cost: tuple[tuple[float, ...], ...]

    def of(self, plans: Sequence[int], parts: Sequence[int]) -> Choice:
        """Some plans on some parts."""
        pairs = list(zip(parts, plans if len(plans) > 1 else [plans[0]] * len(parts), strict=True))
        right, cost = sum(self.right[k][n] for k, n in pairs), sum(self.cost[k][n] for k, n in pairs)
        return Choice(plans=tuple(plans), right=right, cost=cost)

    def one(self, parts: Sequence[int], limit: float) -> Choice:
        """The plan with most right answers on some parts that costs at most ``limit`` there. Raises ``ValueError``."""
        every = (self.of((n,), parts) for n in range(len(self.plans)))
        return max((each for each in every if each.cost <= limit), key=lambda c: (c.right, -c.cost))

    def each(self, parts: Sequence[int], limit: float) -> Choice:
        """A plan for each part, with most right answers that cost at most ``limit`` together. Raises ``IndexError``."""
        front = [Choice(plans=(), right=0, cost=0.0)]
        for k in parts:
            own = _front(self.of((n,), (k,)) for n in range(len(self.plans)))
            both = (Choice((*a.plans, *b.plans), a.right + b.right, a.cost + b.cost) for a in front for b in own)
            front = _front(each for each in both if each.cost <= limit)
        return front[-1]


def _front(choices: Iterable[Choice]) -> list[Choice]:
    """Those that are better than everything that costs no more, the cheapest first."""
    found: list[Choice] = []
    for each in sorted(choices, key=lambda c: (c.cost, -c.right)):
        if not found or each.right > found[-1].right:
            found.append(each)
    return found


def play(table: Table, parts: Sequence[int]) -> Played:
    """Every plan on each part (a set of questions)."""
    plans, right, cost = tuple(plans_of(table.models)), [], []
    won, late = [table.answered(plan) for plan in plans], [table.escalated(plan) for plan in plans]
    spent: dict[tuple[int, str], float] = {}

    def of(questions: int, model: str) -> float:
        if (questions, model) not in spent:
            spent[questions, model] = _spent(table.costs[model], questions)
        return spent[questions, model]

    for part in parts:
        spent.clear()
        asked = [part & each for each in late]
        right.append(tuple((each & part).bit_count() for each in won))
        cost.append(
            tuple(
                sum(of(part, m) for m in plan.first) + sum(of(few, m) for m in plan.rest)
                for plan, few in zip(plans, asked, strict=True)
            )
        )
    return Played(plans=plans, right=tuple(right), cost=tuple(cost))


def plans_of(models: Sequence[str]) -> Iterator[Plan]:
    """One alone, or two at once and up to two more; the order says whose answer stands where none was given twice."""
    for model in models:
        yield Plan(first=(model,))
    for pair in permutations(models, 2):
        others = [m for m in models if m not in pair]
        for many in range(MOST_REST + 1):
            yield from (Plan(first=pair, rest=rest) for rest in permutations(others, many))


def permitted(recording: Recording, items: Sequence[Item], row: Row, most: int) -> list[str]:
    """Models that may be asked and answered nearly everything; the ``most`` that fewest others beat in both quality and price."""

    def answers(name: str) -> list[Item]:
        return [i for i in items if (name, i.key) in recording.answers]

    vendor = {m: recording.models[m].vendor for m in pool.members(recording)}
    allowed = [m for m in vendor if m != row.banned and (row.vendor is None or vendor[m] != row.vendor)]
    names = [m for m in allowed if len(answers(m)) >= pool.COVERED * len(items)]
    quality = {m: recording.accuracy(m, answers(m)) for m in names}
    cost = {m: statistics.mean(recording.cost(m, i) for i in answers(m)) for m in names}
    beaten = {m: sum(quality[o] > quality[m] and cost[o] < cost[m] for o in names) for m in names}
    return sorted(names, key=lambda m: (beaten[m], -quality[m]))[:most]


def by_class(items: Sequence[Item], task_of: Callable[[str], TaskClass]) -> list[int]:
    """The questions of each class."""
    found: dict[TaskClass, int] = {}
    for at, item in enumerate(items):
        task = task_of(item.prompt)
        found[task] = found.get(task, 0) | 1 << at
    return [found[task] for task in sorted(found)]


@dataclass(frozen=True, slots=True)
class Reached:
    """Points against the banned model, and share of its cost."""

    points: float
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What is reached in hindsight, and by the same choice on questions kept apart: with one plan, and with one for each class."""

    row: Row
    plans: int
    one: Reached
    per_class: Reached
    one_apart: Reached
    per_class_apart: Reached


@dataclass(frozen=True)
class _Row:
    """A row's questions, played. ``parts``: of the classes in all questions, then of those chosen on and kept apart in each split."""

    row: Row
    theirs: Table
    parts: tuple[tuple[int, ...], ...]
    played: Played

    def limit(self, number: int) -> float:
        """Micro-dollars that the parts of a number may cost together."""
        return self.row.most * _spent(self.theirs.costs[self.row.banned], sum(self.parts[number]))

    def reached(self, plans: Sequence[int], number: int) -> Reached:
        """What plans reach on the parts of a number."""
        found, questions = self.played.of(plans, self._places(number)), sum(self.parts[number])
        right = found.right - (self.theirs.right[self.row.banned] & questions).bit_count()
        spent = _spent(self.theirs.costs[self.row.banned], questions)
        return Reached(100 * right / questions.bit_count(), found.cost / spent)

    def hindsight(self, choose: "Choose") -> Reached:
        """Chosen on all questions and played on them."""
        return self.reached(choose(self._places(0), self.limit(0)).plans, 0)

    def apart(self, choose: "Choose") -> Reached:
        """Chosen on the one part of each split and played on the other; means."""
        found = [
            self.reached(choose(self._places(number), self.limit(number)).plans, number + 1)
            for number in range(1, len(self.parts), 2)
        ]
        return Reached(statistics.mean(r.points for r in found), statistics.mean(r.cost for r in found))

    def _places(self, number: int) -> range:
        many = len(self.parts[0])
        return range(number * many, (number + 1) * many)


Choose = Callable[[Sequence[int], float], Choice]


def bound(row: Row, data: Path, task_of: Callable[[str], TaskClass], splits: int, most: int) -> Bound:
    """The bounds of a row. Raises ``ConfigurationError``."""
    recording = recorded.load(data, row.benchmarks.split(","))
    items = [i for i in recording.items if (row.banned, i.key) in recording.answers]
    classes = by_class(items, task_of)
    sets = [sum(classes), *(half for seed in range(splits) for half in _split(items, seed))]
    parts = tuple(tuple(each & questions for each in classes) for questions in sets)
    played = play(
        Table.of(recording, items, permitted(recording, items, row, most)), [p for each in parts for p in each]
    )
    whole = _Row(row=row, theirs=Table.of(recording, items, [row.banned]), parts=parts, played=played)
    try:
        return Bound(
            row=row,
            plans=len(played.plans),
            one=whole.hindsight(played.one),
            per_class=whole.hindsight(played.each),
            one_apart=whole.apart(played.one),
            per_class_apart=whole.apart(played.each),
        )
    except (ValueError, IndexError):
        raise ConfigurationError(f"{row.name}: expected a cascade within {row.most} of the cost, got none") from None


def _split(items: Sequence[Item], seed: int) -> tuple[int, int]:
    """Questions that are chosen on, and those kept apart."""
    fitted = {item.key for item in harness.sample(items, round(len(items) * FITTED), seed)[0]}
    return bits([i.key in fitted for i in items]), bits([i.key not in fitted for i in items])


def line(found: Bound) -> str:
    """A row as text."""
    told = {
        "one for all": found.one,
        "one a class": found.per_class,
        "apart, one for all": found.one_apart,
        "apart, one a class": found.per_class_apart,
    }
    row, figures = found.row, ", ".join(f"{name} {r.points:+.2f} at {r.cost:.3f}" for name, r in told.items())
    return f"{row.name:<26} {row.mode:<8} must {row.least:+.1f} at {row.most:.2f}; best of {found.plans}: {figures}"


def main(argv: Sequence[str] | None = None) -> int:
    """All rows but programs, which are not voted on."""
    parser = argparse.ArgumentParser(prog="python -m tests.evaluation.bounds", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument(
        "--models", type=int, default=14, help="at most so many, those that fewest beat in quality and price"
    )
    parser.add_argument("--rows", default="", help="only rows whose name has this in it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(argv)
    rows = [r for r in ROWS if r.benchmarks not in pool.PROGRAMS and arguments.rows.lower() in r.name.lower()]
    count, results = Counter(len(rows), "rows"), []
    try:
        task_of = unseen.task_by(unseen.eases(difficulty.load(arguments.data), done=Counter(unseen.FOLDS, "folds")))
        for row in rows:
            results.append(bound(row, arguments.data, task_of, arguments.splits, arguments.models))
            count()
            print(line(results[-1]), flush=True)
    except ConfigurationError as error:
        print(f"{error.code}: {error}", file=sys.stderr)
        return 2
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(each) for each in results], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
