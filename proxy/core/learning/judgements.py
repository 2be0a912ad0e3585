"""Feedback as the log tells it, joined with the models that it is about: what everything that is learned is computed from.

Pure. A model is judged by an answer if its words are the answer; what a vote's other members said is not known to whoever reads the
answer. Where one key says something again of the same answer, the latest counts; where it says whether an answer is correct, its
thumb on the same answer does not count as well.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from audit import learning
from audit.learning import Feedback
from audit.records import DecisionRecord, ResultRecord
from audit.vocabulary import MILLIONTHS, Judgement, Sha256Hex
from proxy.core.request import TaskClass

OUTCOMES = {Judgement.CORRECT: True, Judgement.INCORRECT: False}
RATINGS = {Judgement.UP: True, Judgement.DOWN: False}
OUTCOME_WEIGHT = MILLIONTHS
RATING_WEIGHT = MILLIONTHS // 4
"""A thumb says whether somebody was content, which is not the same as right."""
KNOWN = frozenset(TaskClass)
"""Another version may tell tasks that this one does not."""
HELD_OF, HELD = 10, 3
"""Requests that are kept apart for comparing: 3 of 10, by hash of their id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Feedback with its place and time. ``index``: in the log; ``at``: RFC 3339, UTC."""

    index: int
    at: str
    feedback: Feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One answer of a model, judged. ``key``: pseudonym; ``day``: UTC; ``weight``: millionths of a judgement."""

    record: str
    key: Sha256Hex
    day: str
    model: str
    task: TaskClass
    right: bool
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """The answer of one model was preferred to another's."""

    record: str
    key: Sha256Hex
    day: str
    better: str
    worse: str
    task: TaskClass


def is_held(record: str) -> bool:
    """Whether what is said of a request is kept apart: the same for every version of what is learned."""
    return int.from_bytes(hashlib.sha256(record.encode()).digest()[:8], "big") % HELD_OF < HELD


def sort_of(feedback: Feedback) -> tuple[str, ...]:
    """What a judgement replaces: an earlier one of this sort, by the same key, on the same answer."""
    return sort(feedback.judgement, feedback.preferred, feedback.over)


def sort(judgement: Judgement, preferred: str = "", over: str = "") -> tuple[str, ...]:
    """The sort of a judgement: ``outcome``, ``rating``, or ``pair`` with the two legs in order."""
    if judgement in OUTCOMES:
        return ("outcome",)
    return ("rating",) if judgement in RATINGS else ("pair", *sorted((preferred, over)))


def latest(said: Iterable[Said]) -> tuple[Said, ...]:
    """What counts of everything that was said, in the order of the log."""
    found: dict[tuple[str, ...], Said] = {}
    for each in said:
        key = (each.feedback.record, each.feedback.principal, *sort_of(each.feedback))
        if key not in found or each.index > found[key].index:
            found[key] = each
    decided = {key[:2] for key in found if key[2] == "outcome"}
    counting = (each for key, each in found.items() if key[2] != "rating" or key[:2] not in decided)
    return tuple(sorted(counting, key=lambda each: each.index))


def joined(said: Said, decision: DecisionRecord, result: ResultRecord) -> Judged | Preferred | None:
    """A judgement with its models; None where it is about none, or on a task that is not
    known, or compares a model with itself. The records belong together."""
    if decision.task not in KNOWN:
        return None
    about, task, day = said.feedback, TaskClass(decision.task), said.at[:10]
    if about.judgement is Judgement.PREFERRED:
        models = learning.compared(result)
        better, worse = models[about.preferred], models[about.over]
        if better == worse:
            return None
        return Preferred(record=about.record, key=about.principal, day=day, better=better, worse=worse, task=task)
    model = author(result)
    if model is None:
        return None
    return Judged(
        record=about.record,
        key=about.principal,
        day=day,
        model=model,
        task=task,
        right={**OUTCOMES, **RATINGS}[about.judgement],
        weight=OUTCOME_WEIGHT if about.judgement in OUTCOMES else RATING_WEIGHT,
    )


def author(result: ResultRecord) -> str | None:
    """The model whose words were sent; None where the record does not say so of one."""
    leg = result.aggregation.answer_leg if result.aggregation else ""
    return next((each.model for each in result.contributions if each.used and each.leg == leg), None)
