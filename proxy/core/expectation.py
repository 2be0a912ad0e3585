"""What is expected of a plan beside one model alone: told to the caller, where several together are worse than a single one.

Pure. Shares of right answers, millionths: an estimate from measured shares and the hidden difficulty of ``routing.joint``, about
questions of the task on average, and nothing about this one. There is none where a seat's model was not measured for that very task,
or the planner has no estimate for the aggregator (votes of all, readers, programs that are run, prompts that were taken apart).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation.steps import AggregatorName
from proxy.core.catalogue import Deployment
from proxy.core.intent import IntentKind
from proxy.core.question import Question
from proxy.core.ranking import expert
from proxy.core.request import TaskClass
from proxy.core.routing import cascade
from proxy.core.seats import Plan

ONE_MODEL = (AggregatorName.SINGLE, AggregatorName.SELF_FUSION)
POINT = MILLIONTHS // 100
TOLD = 2 * POINT
"""A shortfall that is said: the estimate was 3.3 points too low to 0.2 too high on recorded benchmarks, one point out in the mean."""


@dataclass(frozen=True, slots=True)
class Alone:
    """A model with its measured share for the task."""

    model: str
    accuracy: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """``accuracy``: of the plan; ``permitted``, ``barred``: the best measured models that may and may not be asked."""

    accuracy: int
    permitted: Alone
    barred: Alone | None

    @property
    def best(self) -> Alone:
        """The better of the two."""
        return max((each for each in (self.permitted, self.barred) if each), key=lambda each: each.accuracy)

    @property
    def shortfall(self) -> int:
        """By how much the plan is behind the better of the two."""
        return max(0, self.best.accuracy - self.accuracy)

    @property
    def summary(self) -> str:
        """That it degrades, in points; "" for less than the estimate tells."""
        points = (self.shortfall + POINT // 2) // POINT
        return f"degrades by about {points} points against {self.best.model}" if self.shortfall >= TOLD else ""


def expectation(question: Question, plan: Plan, permitted: frozenset[str]) -> Expectation | None:
    """What is expected of a composite's plan. ``permitted``: ids of the deployments that may be asked."""
    accuracy = _accuracy(plan, question.task) if question.intent.kind is IntentKind.COMPOSITE else None
    pool = question.pool()
    best = _best((d for d in pool if d.id in permitted), question.task)
    if accuracy is None or best is None:
        return None
    may = {d.model for d in pool if d.id in permitted}
    barred = _best((d for d in pool if d.model not in may), question.task)
    return Expectation(accuracy=accuracy, permitted=best, barred=barred)


def _accuracy(plan: Plan, task: TaskClass) -> int | None:
    seated = [slot.primary for slot in (*plan.first, *plan.rest)]
    shares = [deployment.measured.get(task) for deployment in seated]
    if None in shares:
        return None
    if plan.aggregator in ONE_MODEL:
        return shares[0]
    if plan.aggregator is not AggregatorName.AGREEMENT_GATE or len(plan.first) != 2:
        return None
    experts = [expert(deployment, task) for deployment in seated]
    return round(cascade.expected_accuracy(experts[:2], experts[2:], task) * MILLIONTHS)


def _best(deployments: Iterable[Deployment], task: TaskClass) -> Alone | None:
    measured = [Alone(d.model, share) for d in deployments if (share := d.measured.get(task)) is not None]
    return max(measured, key=lambda each: each.accuracy, default=None)
