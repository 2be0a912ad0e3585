"""Parts of task classes, and what a catalogue says of a model there."""

import pytest

from proxy.core.aggregation.expected import AnswerKind
from proxy.core.ranking import PRIOR_RELIABILITY, reliability
from proxy.core.request import TaskClass
from proxy.core.routing.tasks import refined
from tests.unit.proxy.core.test_enforcement import deployment


@pytest.mark.parametrize(
    ("task", "kind", "hard", "part"),
    [
        (TaskClass.GENERAL, AnswerKind.LITERAL, False, TaskClass.CODE_OUTPUT),
        (TaskClass.MATH, AnswerKind.EXPRESSION, False, TaskClass.MATH),
        (TaskClass.MATH, AnswerKind.EXPRESSION, True, TaskClass.MATH_HARD),
        (TaskClass.MATH, AnswerKind.CHOICE, True, TaskClass.FACTUAL_HARD),
        (TaskClass.GENERAL, AnswerKind.CHOICE, False, TaskClass.FACTUAL),
        (TaskClass.CODE, None, True, TaskClass.CODE),
        (TaskClass.CREATIVE, None, True, TaskClass.CREATIVE),
    ],
)
def test_words_of_the_prompt_go_before_difficulty(
    task: TaskClass, kind: AnswerKind | None, hard: bool, part: TaskClass
) -> None:
    assert refined(task, kind, hard=hard) is part


@pytest.mark.parametrize("task", list(TaskClass))
def test_a_part_has_a_family_that_is_a_whole_class(task: TaskClass) -> None:
    assert task.family.family is task.family
    assert "-" not in task.family


def test_what_was_not_measured_of_a_part_is_a_third_of_its_family_s() -> None:
    made = deployment("n/a", measured={TaskClass.MATH: 900_000, TaskClass.CODE_OUTPUT: 700_000})
    assert [made.share(t) for t in (TaskClass.MATH_HARD, TaskClass.CODE_OUTPUT, TaskClass.CODE)] == [
        300_000,
        700_000,
        None,
    ]


@pytest.mark.parametrize("task", list(TaskClass))
def test_what_nobody_measured_goes_before_nothing_good_in_a_part_either(task: TaskClass) -> None:
    unknown, good = (deployment(i, measured=m) for i, m in (("n/a", {}), ("n/b", {task.family: 920_000})))
    assert reliability(unknown, task) < reliability(good, task)


@pytest.mark.parametrize("task", list(TaskClass))
def test_of_models_that_nobody_measured_the_dearer_counts_for_a_little_more(task: TaskClass) -> None:
    prices = (0, 100_000, 1_000_000, 15_000_000, 10**12)
    found = [reliability(deployment("n/a", price=price, measured={}), task) for price in prices]
    assert found == sorted(found)
    assert found[0] < found[1] < found[2] < found[3] <= found[4]
    assert found[0] >= found[4] * 9 // 10
    assert found[4] <= PRIOR_RELIABILITY
