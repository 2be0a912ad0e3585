"""How models are right together, and which of them a cascade asks."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.request import TaskClass
from proxy.core.routing import cascade, joint, trials
from proxy.core.routing.cascade import Expert, Mode
from proxy.core.routing.joint import Pair

MILLION = 1_000_000
RATIO = {Mode.STANDARD: 0.64, Mode.HIGH: 1.36}


def expert(name: str, quality: int, price: int, make: str = "") -> Expert:
    """``quality``: thousandths; ``price``: micro-dollars per million tokens, in and out."""
    return Expert(
        id=name,
        model=name,
        make=make or f"maker-{name}",
        price_in=price,
        price_out=price,
        reliability=quality * 1000,
        latency_ms=1000,
    )


SMALL, OTHER, LARGE, BEST = (
    expert("small", 800, 100_000),
    expert("other", 780, 120_000),
    expert("large", 880, 2_000_000),
    expert("best", 900, 5_000_000),
)
FOUR = (SMALL, OTHER, LARGE, BEST)

experts = st.lists(
    st.builds(
        expert,
        st.uuids().map(str),
        st.integers(0, 1000),
        st.integers(0, 100 * MILLION),
        st.sampled_from(["one", "two", "three"]),
    ),
    min_size=2,
    max_size=14,
).map(tuple)


@given(st.integers(5, 995))
def test_a_curve_has_the_share_that_was_measured(thousandths: int) -> None:
    found = joint.curve(thousandths)
    assert joint.mean(found) == pytest.approx(thousandths / 1000, abs=1e-4)
    assert list(found) == sorted(found, reverse=True)


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 1))
def test_what_a_pair_says_is_a_distribution(p: int, q: int, alike: float) -> None:
    pair = Pair.of(joint.curve(p), joint.curve(q), alike)
    agreed_wrong = 1 - joint.mean(pair.agreed) - pair.disagreement()
    assert -1e-9 <= agreed_wrong <= 1
    assert 0 <= pair.disagreement() <= 1


@given(st.integers(100, 900), st.integers(100, 900))
def test_two_models_are_right_together_more_often_than_independence_says(p: int, q: int) -> None:
    together = joint.mean(Pair.of(joint.curve(p), joint.curve(q), 0.5).agreed)
    assert p * q / MILLION < together <= min(p, q) / 1000 + 1e-4


@pytest.mark.parametrize("rest", [1, 2])
def test_what_is_expected_of_a_gate_is_what_drawn_answers_give(rest: int) -> None:
    """An independent count: difficulty and answers are drawn, and the rule of the gate is applied to them."""
    shares, common, draws = [800, 750, 880, 860], 0.6, 60_000
    chance, right = random.Random(7), 0
    curves = [joint.curve(share) for share in shares]
    for _ in range(draws):
        at = chance.choices(range(len(curves[0])), weights=joint._WEIGHTS)[0]
        said = [
            "right" if chance.random() < curve[at] else "usual" if chance.random() < common else f"own-{i}"
            for i, curve in enumerate(curves)
        ]
        right += _gate(said[:2], said[2 : 2 + rest]) == "right"
    pair = Pair.of(curves[0], curves[1], common**2)
    expected = pair.right(curves[2], curves[3] if rest == 2 else None, common**2)
    assert expected == pytest.approx(right / draws, abs=0.008)


def _gate(first: list[str], rest: list[str]) -> str:
    if first[0] == first[1]:
        return first[0]
    said = [*rest, *first]
    return max(said, key=lambda answer: (said.count(answer) > 1, said.count(answer), -said.index(answer)))


@given(experts, st.sampled_from(Mode), st.sampled_from(TaskClass))
def test_a_cascade_asks_different_models_and_stays_within_its_budget_where_one_can(
    pool: tuple[Expert, ...], mode: Mode, task: TaskClass
) -> None:
    found = cascade.choose(pool, task, mode, RATIO[mode])
    assert len({*found.first, *found.rest}) == len(found.first) + len(found.rest)
    assert len(found.first) == 2
    by_id = {e.id: e for e in pool}
    one, other = (by_id[each] for each in found.first)
    asked = one.cost + other.cost
    best = min(pool, key=lambda e: (-e.reliability, e.cost))
    budget = best.cost * RATIO[mode]
    assert asked <= budget or found == cascade.choose(pool, task, mode, 0.0)


@given(experts, st.sampled_from(list(Mode)), st.integers(2, 8))
def test_a_wide_cascade_has_so_many_and_stays_within_its_budget_where_one_can(
    found: tuple[Expert, ...], mode: Mode, seats: int
) -> None:
    chosen = cascade.choose(found, TaskClass.MATH, mode, RATIO[mode], seats=seats)
    by_id = {e.id: e for e in found}
    named = [by_id[each] for each in (*chosen.first, *chosen.rest)]
    assert len({e.id for e in named}) == len(named) >= min(seats, len(found))
    assert [e.reliability for e in named[2:]] == sorted((e.reliability for e in named[2:]), reverse=True)
    budget = max(found, key=lambda e: (e.reliability, -e.cost)).cost * RATIO[mode]
    if sum(sorted(e.cost for e in found)[-seats:]) <= budget and len(named) == seats:
        assert _cost(named) <= budget


def test_the_seats_of_a_wide_cascade_go_to_the_best_that_leave_room_for_all() -> None:
    """The second best would take what the others may cost."""
    second, poor = expert("second", 890, 4_000_000), expert("poor", 700, 50_000)
    fair, good = expert("fair", 790, 110_000), expert("good", 820, 400_000)
    found = (SMALL, OTHER, LARGE, BEST, second, poor, fair, good)
    chosen = cascade.choose(found, TaskClass.MATH, Mode.STANDARD, 0.64, reference=BEST, seats=5)
    named = [next(e for e in found if e.id == each) for each in (*chosen.first, *chosen.rest)]
    assert len(named) == 5
    assert named[2] in (BEST, second)
    assert "poor" not in chosen.rest
    assert _cost(named) <= 0.64 * BEST.cost
    three = cascade.choose(found, TaskClass.MATH, Mode.STANDARD, 0.64, reference=BEST, seats=3)
    assert three == cascade.choose(found, TaskClass.MATH, Mode.STANDARD, 0.64, reference=BEST)


def _cost(named: list[Expert]) -> float:
    """Expected cost of a cascade of a pair and the others, micro-dollars."""
    one, other, *rest = named
    pair = Pair.of(one.curve, other.curve, joint.alike(TaskClass.MATH, one_make=one.make == other.make))
    return one.cost + other.cost + pair.disagreement() * sum(e.cost for e in rest)


def test_where_nothing_is_affordable_the_best_for_its_price_is_taken_and_not_the_cheapest() -> None:
    """Answers of two poor models and a fair one for 0.79 of the price, or of a fair one and the best for 0.80."""
    poor, fair, best = expert("poor", 810, 450_000), expert("fair", 870, 470_000), expert("best", 930, 1_000_000)
    weak = expert("weak", 500, 560_000)
    found = cascade.choose((poor, fair, weak, best), TaskClass.MATH, Mode.STANDARD, 0.64)
    assert (set(found.first), found.rest) == ({"poor", "fair"}, ("best",))


def test_a_model_that_every_cascade_would_spoil_is_asked_alone() -> None:
    cheap, middle, dear = (
        expert("cheap", 920, 100_000),
        expert("middle", 600, 1_000_000),
        expert("dear", 500, 9_000_000),
    )
    pool = (cheap, middle, dear)
    for mode in Mode:
        assert cascade.choose(pool, TaskClass.MATH, mode, RATIO[mode], alone=pool) == cascade.Cascade(("cheap",), ())
        assert len(cascade.choose(pool, TaskClass.MATH, mode, RATIO[mode]).first) == 2
        assert len(cascade.choose(pool, TaskClass.MATH, mode, RATIO[mode], alone=(middle, dear)).first) == 2


@given(experts, st.sampled_from(Mode), st.sampled_from(TaskClass), st.floats(0, 2))
def test_who_is_asked_alone_is_right_as_often_as_the_cascade_would_be(
    pool: tuple[Expert, ...], mode: Mode, task: TaskClass, ratio: float
) -> None:
    found = cascade.choose(pool, task, mode, ratio, alone=pool)
    if len(found.first) == 1:
        by_id = {e.id: e for e in pool}
        otherwise = cascade.choose(pool, task, mode, ratio)
        first, rest = ([by_id[each] for each in ids] for ids in (otherwise.first, otherwise.rest))
        assert by_id[found.first[0]].accuracy >= cascade.expected_accuracy(first, rest, task) - 1e-9


def test_a_pair_is_of_different_make_where_there_is_one() -> None:
    twin = expert("twin", 799, 100_000, make=SMALL.make)
    found = cascade.choose((SMALL, twin, OTHER, BEST), TaskClass.MATH, Mode.STANDARD, 0.64)
    assert set(found.first) == {"small", "other"}
    assert set(cascade.choose((SMALL, twin), TaskClass.MATH, Mode.STANDARD, 0.64).first) == {"small", "twin"}


def test_the_dearer_of_two_as_good_is_left() -> None:
    dear = expert("dear", 881, 4_000_000)
    assert cascade.choose((SMALL, OTHER, LARGE, dear), TaskClass.MATH, Mode.STANDARD, 0.64).rest == ("large",)


def test_the_reference_says_how_much_may_be_spent() -> None:
    assert cascade.choose(FOUR, TaskClass.MATH, Mode.STANDARD, 0.64, reference=BEST).rest == ("best",)
    modest = expert("modest", 850, 900_000)
    assert cascade.choose(FOUR, TaskClass.MATH, Mode.STANDARD, 0.64, reference=modest).rest == ("large",)


def test_hard_tasks_cost_more_calls() -> None:
    pair = Pair.of(joint.curve(500), joint.curve(500), joint.alike(TaskClass.MATH_HARD, one_make=False))
    easy = Pair.of(joint.curve(950), joint.curve(950), joint.alike(TaskClass.MATH, one_make=False))
    assert pair.disagreement() > 4 * easy.disagreement()


def test_models_of_one_make_agree_on_wrong_answers_more_often() -> None:
    for task in TaskClass:
        assert joint.alike(task, one_make=False) < joint.alike(task, one_make=True) <= joint.MOST_ALIKE


def test_answers_that_are_tested_are_tried_with_the_model_first_that_is_good_for_its_price() -> None:
    assert trials.order(FOUR, Mode.STANDARD, 0.64, BEST, 3) == ("large", "best", "small")
    assert trials.order(FOUR, Mode.STANDARD, 0.0, BEST, 2) == ("best", "large")
    as_good = expert("as-good", 890, 3_000_000)
    assert trials.order((LARGE, as_good, BEST), Mode.STANDARD, 0.64, BEST, 3) == ("as-good", "large", "best")


def test_what_is_much_worse_is_not_tried_first_for_being_cheap() -> None:
    poor = expert("poor", 500, 10_000)
    good = expert("good", 840, 100_000)
    for pool in ((poor, good), (poor, good, BEST)):
        found = trials.order(pool, Mode.STANDARD, 0.64, good, 3)
        assert found[0] == "good"
        assert len(found) == len(pool)


def test_who_is_tried_next_is_weighed_on_what_is_left() -> None:
    """Two points of all questions are many of those that the first got wrong, and worth twice the cheaper one's price there."""
    first, next_best, cheaper = (
        expert("first", 880, 100_000),
        expert("next", 848, 320_000),
        expert("less", 823, 200_000),
    )
    assert trials.order((first, cheaper, next_best), Mode.STANDARD, 0.64, first, 3) == ("first", "next", "less")


@given(experts, st.sampled_from(Mode), st.floats(0, 2), st.integers(1, 5))
def test_trials_are_of_different_models_and_the_first_keeps_within_the_cost_where_one_as_useful_does(
    pool: tuple[Expert, ...], mode: Mode, ratio: float, most: int
) -> None:
    reference = min(pool, key=lambda e: (-e.reliability, e.cost))
    found = trials.order(pool, mode, ratio, reference, most)
    assert len(set(found)) == len(found) == min(most, len(pool))
    first = next(e for e in pool if e.id == found[0])
    useful = [
        e
        for e in pool
        if e.cost <= ratio * reference.cost and e.reliability >= reference.reliability - trials.AS_USEFUL
    ]
    assert first in useful or not useful
