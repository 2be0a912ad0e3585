"""The best plan for each part under one limit is what trying all of them finds."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.bounds import Plan, Played

FEW = st.integers(1, 3).flatmap(
    lambda parts: st.integers(1, 5).flatmap(
        lambda plans: st.tuples(
            *(st.lists(st.lists(st.integers(0, 9), min_size=plans, max_size=plans), min_size=parts, max_size=parts),)
            * 2
        )
    )
)


@given(FEW, st.integers(0, 30))
def test_no_other_choice_is_right_more_often_within_the_limit(
    tables: tuple[list[list[int]], list[list[int]]], limit: int
) -> None:
    right, cost = tables
    plans, parts = range(len(right[0])), range(len(right))
    played = Played(
        plans=tuple(Plan((f"m{n}",)) for n in plans),
        right=tuple(map(tuple, right)),
        cost=tuple(tuple(map(float, each)) for each in cost),
    )
    every = [played.of(chosen, parts) for chosen in product(plans, repeat=len(right))]
    fitting = [each.right for each in every if each.cost <= limit]
    try:
        found = played.each(parts, limit)
    except IndexError:
        assert not fitting
    else:
        assert (found.cost <= limit, found.right) == (True, max(fitting))
