"""Parts of task classes in which models were measured to differ; a prompt's own words go before a guess. Pure."""

from proxy.core.aggregation.expected import AnswerKind
from proxy.core.request import TaskClass

EASY = 650_000
"""Chance of a cheap model, millionths, below which a prompt is hard."""
_HARD = {TaskClass.MATH: TaskClass.MATH_HARD, TaskClass.FACTUAL: TaskClass.FACTUAL_HARD}


def refined(task: TaskClass, kind: AnswerKind | None, *, hard: bool = False) -> TaskClass:
    """The part of a class that a prompt belongs to. ``kind``: what can be compared; ``hard``: most models get its like wrong."""
    if kind is AnswerKind.LITERAL:
        return TaskClass.CODE_OUTPUT
    if kind is AnswerKind.CHOICE:
        task = TaskClass.FACTUAL
    return _HARD.get(task, task) if hard else task
