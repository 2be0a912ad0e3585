"""Shares of right answers are compared as if all models had been asked the same, and classes as if no question had been seen."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.request import TaskClass
from proxy.evaluation import recorded
from proxy.evaluation.recorded import Answered, Item, Recording
from proxy.training import difficulty, shares, standard, unseen
from tests.evaluation import run, splits
from tests.simulators import sample

SIZES = {"easy": 100, "hard": 100}
BOTH = [{"easy": 0.9, "hard": 0.5}, {"easy": 0.8, "hard": 0.4}, {"easy": 0.95, "hard": 0.6}]


def test_a_model_that_was_asked_the_easy_ones_alone_is_no_better_for_it() -> None:
    found = standard.share({"easy": 0.9}, SIZES, BOTH)
    assert found == pytest.approx(0.7, abs=0.02)
    assert found < standard.share({"easy": 0.9, "hard": 0.6}, SIZES, BOTH)


def test_what_too_few_models_answered_says_nothing() -> None:
    assert standard.share({"easy": 0.9}, SIZES, BOTH[:2]) == 0.9


@given(st.floats(0, 1), st.floats(0, 1), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=6))
def test_a_share_is_a_share_and_what_was_answered_is_not_estimated(
    easy: float, hard: float, others: list[tuple[float, float]]
) -> None:
    beside = [{"easy": e, "hard": h} for e, h in others]
    assert standard.share({"easy": easy, "hard": hard}, SIZES, beside) == pytest.approx((easy + hard) / 2)
    assert 0 <= standard.share({"easy": easy}, SIZES, beside) <= 1


def _recording(answers: dict[tuple[str, str], list[bool]]) -> Recording:
    """Answers by (model, benchmark), one a question."""
    numbers = {benchmark: len(some) for (_, benchmark), some in answers.items()}
    items = [
        Item(benchmark=benchmark, qid=str(i), task="math", prompt=f"{benchmark} {i}", answer="1")
        for benchmark, number in numbers.items()
        for i in range(number)
    ]
    return Recording(
        items=tuple(items),
        answers={
            (model, (benchmark, str(i))): Answered(
                text="1", pred="1", correct=right, tokens_in=1, tokens_out=10, latency_s=None
            )
            for (model, benchmark), some in answers.items()
            for i, right in enumerate(some)
        },
        models={model: None for model, _ in answers},  # type: ignore[misc]
    )


def test_shares_are_of_the_same_questions() -> None:
    found = _recording(
        {(f"m{i}", "easy"): [True] * 90 + [False] * 10 for i in range(4)}
        | {(f"m{i}", "hard"): [True] * 40 + [False] * 60 for i in range(3)}
    )
    fitted = shares.fit(found, found.items, lambda _: TaskClass.MATH)
    full, easy_alone = fitted["m0"][TaskClass.MATH], fitted["m3"][TaskClass.MATH]
    assert (full.questions, easy_alone.questions) == (200, 100)
    assert easy_alone.right == pytest.approx(full.right, abs=30_000)


def test_many_answers_are_enough_where_a_task_has_more_questions_than_a_model_was_asked() -> None:
    asked = {("all", f"b{i}"): [True] * 1000 for i in range(4)}
    found = _recording({**asked, ("some", "b0"): [True] * shares.ENOUGH, ("few", "b1"): [True] * (shares.ENOUGH - 1)})
    fitted = shares.fit(found, found.items, lambda _: TaskClass.MATH)
    assert {model for model, by_task in fitted.items() if by_task} == {"all", "some"}


def test_the_ease_of_a_prompt_is_from_weights_that_did_not_see_it() -> None:
    """Each prompt is a word of its own with the opposite outcome of all others in its fold's complement."""
    graded = [difficulty.Graded(f"question {word}", float(i % 2), 2) for i, word in enumerate("abcdefghij" * 3)]
    distinct = list({g.prompt: g for g in graded}.values())
    first = unseen.eases(distinct)
    changed = [difficulty.Graded(g.prompt, 1 - g.share, 2) if g is distinct[0] else g for g in distinct]
    assert unseen.eases(changed)[distinct[0].prompt] == first[distinct[0].prompt]
    assert first.keys() == {g.prompt for g in distinct}


def test_the_table_over_splits_is_played_without_a_network(tmp_path: Path) -> None:
    data = sample.write(tmp_path / "recording")
    row = run.Row(name="s", benchmarks="orchard", vendor="summit", banned="summit-9", mode="standard", least=0, most=1)
    found = splits.over(row, data, unseen.task_by(unseen.eases(difficulty.graded(recorded.load(data, ["orchard"])))), 2)
    assert len(found) == 2
    assert all(0 < each["cost_ratio"] < 1 and each["difference_points"] > -30 for each in found)
    assert "held in" in splits.line(row, found)


def test_the_gate_of_the_table_over_splits_opens_by_the_maps_that_are_shipped(tmp_path: Path) -> None:
    """Two weak models that agree are more often right than their log-odds say: the strong one is not asked."""
    recording = recorded.load(sample.write(tmp_path / "recording"), ["orchard"])
    row = run.Row(name="s", benchmarks="orchard", vendor="summit", banned="summit-9", mode="standard", least=0, most=1)
    weak = shares.Share(right=400_000, questions=100, tokens_out=50)
    plan = splits._planner(recording, {model: {TaskClass.MATH: weak} for model in recording.models}, row)(
        TaskClass.MATH
    )
    asked = [splits.Played(recording).ask(item, plan, TaskClass.MATH) for item in recording.items]
    pair = [sum(recording.cost(slot.primary.model, each.item) for slot in plan.first) for each in asked]
    assert plan.rest
    assert 0 < sum(each.cost == cost for each, cost in zip(asked, pair, strict=True)) < len(asked)
