"""A request's cost cap is never passed, whatever is called."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.budget import SMALLEST_ANSWER, Budget
from proxy.core.request import Needs
from tests.unit.proxy.core.test_enforcement import deployment


def test_without_a_cap_the_client_decides() -> None:
    _, grant = Budget(left=None).reserve(deployment("n/a"), Needs(max_output_tokens=7), 0)
    assert grant is not None
    assert (grant.max_tokens, grant.reserved) == (None, 0)


def test_a_cap_becomes_a_limit_on_output() -> None:
    found = deployment("n/a", price=1_000_000)  # a micro-dollar a token, both ways
    _, grant = Budget(left=300).reserve(found, Needs(), 100)
    assert grant is not None
    assert (grant.max_tokens, grant.reserved) == (200, 300)


def test_what_cannot_be_paid_is_not_called() -> None:
    found = deployment("n/a", price=1_000_000)
    assert Budget(left=99).reserve(found, Needs(), 100)[1] is None
    assert Budget(left=100 + SMALLEST_ANSWER - 1).reserve(found, Needs(), 100)[1] is None


@given(
    left=st.integers(0, 100_000),
    calls=st.lists(st.tuples(st.integers(0, 20_000_000), st.integers(0, 2_000), st.integers(0, 100)), max_size=6),
)
def test_the_sum_of_all_calls_stays_below_the_cap(left: int, calls: list[tuple[int, int, int]]) -> None:
    budget, spent = Budget(left=left), 0
    for price, prompt, percent in calls:
        found = deployment("n/a", price=price)
        budget, grant = budget.reserve(found, Needs(), prompt, share=1)
        if grant is None:
            continue
        assert grant.max_tokens is not None
        cost = found.price.cost_micro_usd(prompt, grant.max_tokens * percent // 100)
        assert cost <= grant.reserved
        spent += cost
        budget = budget.settle(grant, cost)
        assert spent <= left
