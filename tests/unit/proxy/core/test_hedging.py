"""When a second call starts, and when a stage starts before its turn: by measured times, and never on a guess."""

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.vocabulary import LegStatus, Role
from proxy.core import aggregation
from proxy.core.aggregation.steps import AggregatorName, Calls, Composition, Seat
from proxy.core.health import ENOUGH, Times
from proxy.core.hedging import Hedging, second_stage, too_late
from proxy.core.replies import Reply
from proxy.core.request import TaskClass


def times(*values: int) -> Times:
    """These, measured."""
    found = Times()
    for value in values:
        found = found.after(value)
    return found


STEADY = times(*range(100, 100 + 20))


@settings(deadline=None)
@given(
    after_us=st.none() | st.integers(1, 10**7),
    at_p95=st.booleans(),
    values=st.lists(st.integers(1, 10**7), max_size=40),
    asked_us=st.integers(0, 10**7),
)
def test_a_request_can_only_make_it_later(after_us: int | None, at_p95: bool, values: list[int], asked_us: int) -> None:
    hedging, measured = Hedging(after_us=after_us, at_p95=at_p95), times(*values)
    found = hedging.delay_us(measured, asked_us)
    without = hedging.delay_us(measured)
    assert (found is None) == (without is None)
    if found is not None and without is not None:
        assert found == max(without, asked_us)
        assert found >= (after_us or 0)
    if after_us is None and (not at_p95 or len(values) < ENOUGH):
        assert found is None


def test_off_by_default_and_at_the_percentile() -> None:
    assert Hedging().delay_us(STEADY, 5) is None
    assert Hedging(at_p95=True).delay_us(STEADY) == STEADY.percentile_us(95) == 118
    assert Hedging(at_p95=True, after_us=300).delay_us(STEADY) == 300
    assert Hedging(at_p95=True).delay_us(times(1, 2)) is None


@settings(deadline=None)
@given(
    remaining=st.integers(0, 3000),
    first=st.lists(st.integers(1, 1000), min_size=1, max_size=4),
    following=st.lists(st.integers(1, 1000), min_size=1, max_size=2),
)
def test_it_starts_early_where_waiting_would_miss_the_deadline_and_starting_now_would_not(
    remaining: int, first: list[int], following: list[int]
) -> None:
    found = too_late(remaining, [times(*[v] * ENOUGH) for v in first], [times(*[v] * ENOUGH) for v in following])
    assert found == (max(following) <= remaining < max(first) + max(following))


def test_what_was_not_measured_is_not_guessed() -> None:
    assert not too_late(150, [STEADY, Times()], [STEADY])
    assert not too_late(150, [STEADY], [Times()])
    assert not too_late(150, [], [STEADY])
    assert too_late(150, [STEADY], [STEADY])


def seat(number: int, model: str) -> Seat:
    """A panel seat."""
    return Seat(leg=f"panel-{number}", role=Role.PANEL, model=model, make=model, reliability=600_000 + number)


def test_what_starts_early_is_what_would_be_asked() -> None:
    tried = set()
    for aggregator in AggregatorName:
        composition = Composition(
            aggregator=aggregator,
            task=TaskClass.MATH,
            messages=({"role": "user", "content": "What is 6 times 7?"},),
            first=(seat(1, "a"), seat(2, "b"))[: 1 if aggregator is AggregatorName.CASCADE else 2],
            rest=(seat(3, "c"), seat(4, "c")),
            threshold=999_999,
        )
        early = second_stage(composition)
        if not early:
            continue
        begun = aggregation.next_step(composition, ())
        assert isinstance(begun, Calls)
        replies = tuple(
            Reply(leg=ask.leg, role=Role.PANEL, deployment="n/x", status=LegStatus.FAILED, error="upstream-timeout")
            for ask in begun.asks
        )
        step = aggregation.next_step(composition, replies)
        assert isinstance(step, Calls)
        assert step.asks == early
        tried.add(aggregator)
    assert tried == {
        AggregatorName.AGREEMENT_GATE,
        AggregatorName.WEIGHTED_VOTE,
        AggregatorName.MAJORITY,
        AggregatorName.CASCADE,
    }
