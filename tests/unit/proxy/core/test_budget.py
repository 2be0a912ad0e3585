"""A request's cost cap is never passed, whatever is called."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from proxy.core.budget import SMALLEST_ANSWER, Budget, Grant, unpriced, worst
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


@settings(deadline=None)
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


def test_a_debt_is_paid_by_what_other_calls_give_back() -> None:
    found = deployment("n/a", price=1_000_000)
    budget, first = Budget(left=1_000).reserve(found, Needs(), 100, share=2)
    budget, second = budget.reserve(found, Needs(), 100)
    assert first is not None
    assert second is not None
    budget = budget.settle(first, 9_000).settle(second, 100)
    assert budget.reserve(found, Needs(), 1)[1] is None
    free = deployment("n/free", price=0)
    assert budget.reserve(free, Needs(), 1)[1] is not None


@pytest.mark.parametrize("tier", ["priority", "scale", "performance", "of-next-year", [], {}])
def test_a_tier_that_no_catalogue_prices_cannot_be_capped(tier: object) -> None:
    assert unpriced({"service_tier": tier}) == "service_tier"


@pytest.mark.parametrize("tier", [None, "auto", "default", "flex"])
def test_a_tier_of_the_catalogues_price_can_be_capped(tier: object) -> None:
    assert unpriced({"service_tier": tier}) == ""


class Spending(RuleBasedStateMachine):
    """Calls reserve beside each other and settle in any order: first ones, retries, hedges, early starts, cut ones."""

    @initialize(cap=st.integers(0, 50_000))
    def begin(self, cap: int) -> None:
        """A request with a cap."""
        self.cap = cap
        self.budget = Budget(left=cap)
        self.open: list[tuple[int, int, Grant]] = []
        self.spent = 0

    @rule(price=st.integers(0, 20_000_000), prompt=st.integers(0, 2_000), share=st.integers(1, 4))
    def reserve(self, price: int, prompt: int, share: int) -> None:
        """A call wants to start."""
        left = self.budget.left
        assert left is not None
        self.budget, grant = self.budget.reserve(deployment("n/a", price=price), Needs(), prompt, share=share)
        if grant is None:
            assert self.budget.left == left
            return
        assert grant.reserved <= left // share + 1
        self.open.append((price, prompt, grant))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), percent=st.integers(0, 100))
    def settle(self, data: st.DataObject, percent: int) -> None:
        """One of them ends, at any cost up to what it may write."""
        price, prompt, grant = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        assert grant.max_tokens is not None
        cost = deployment("n/a", price=price).price.cost_micro_usd(
            prompt * percent // 100, grant.max_tokens * percent // 100
        )
        self.spent += cost
        self.budget = self.budget.settle(grant, cost)

    @invariant()
    def within(self) -> None:
        """What was spent, what is reserved and what is left make the cap, and nothing passes it."""
        left = self.budget.left
        assert left is not None
        assert left >= 0
        assert self.spent + sum(grant.reserved for _, _, grant in self.open) + left == self.cap


TestSpending = Spending.TestCase


@settings(deadline=None)
@given(
    prices=st.lists(st.integers(0, 10_000_000), min_size=1, max_size=4), prompt=st.integers(0, 5_000), again=st.data()
)
def test_a_leg_costs_no_more_than_its_worst_case(prices: list[int], prompt: int, again: st.DataObject) -> None:
    options = [deployment(f"n/{i}", price=price) for i, price in enumerate(prices)]
    needs = Needs(max_output_tokens=300)
    retried = again.draw(st.sampled_from(options))
    spent = sum(d.price.cost_micro_usd(prompt, 300) for d in (*options, retried))
    assert spent <= worst(options, needs, prompt)
