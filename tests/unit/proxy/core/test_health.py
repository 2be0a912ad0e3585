"""Circuits, averages and percentiles of deployments: the state machine, in all the orders that calls can end in."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.core.health import ENOUGH, WINDOW, Breaker, BreakerLimits, Circuit, Ended, Fate, Health, Times

LIMITS = BreakerLimits(failures=3, open_us=100, longest_us=350)


def after(fates: list[Fate], now_us: int = 0) -> Breaker:
    """A fresh circuit after calls that ended so."""
    breaker = Breaker()
    for fate in fates:
        breaker = breaker.after(fate, LIMITS, now_us, probe=False)
    return breaker


def test_failures_in_a_row_open_it_and_an_answer_between_starts_the_count_again() -> None:
    assert after([Fate.FAILED] * 2).circuit is Circuit.CLOSED
    assert after([Fate.FAILED] * 3).circuit is Circuit.OPEN
    assert after([Fate.FAILED, Fate.FAILED, Fate.ANSWERED, Fate.FAILED, Fate.FAILED]).circuit is Circuit.CLOSED


def test_what_was_cut_by_us_opens_nothing() -> None:
    assert after([Fate.NOTHING] * 100) == Breaker()
    assert after([Fate.FAILED, Fate.FAILED, Fate.NOTHING, Fate.FAILED]).circuit is Circuit.OPEN


def test_one_call_tries_and_decides() -> None:
    opened = after([Fate.FAILED] * 3)
    assert opened.admit(99) is None
    trying = opened.admit(100)
    assert trying is not None
    assert (trying.circuit, trying.admit(100)) == (Circuit.HALF_OPEN, None)
    assert trying.after(Fate.ANSWERED, LIMITS, 120, probe=True) == Breaker()
    again = trying.after(Fate.FAILED, LIMITS, 120, probe=True)
    assert (again.circuit, again.until_us) == (Circuit.OPEN, 320)  # twice as long


def test_a_try_that_was_cut_lets_the_next_one_try() -> None:
    trying = after([Fate.FAILED] * 3).admit(100)
    assert trying is not None
    cut = trying.after(Fate.NOTHING, LIMITS, 130, probe=True)
    assert cut.circuit is Circuit.OPEN
    assert cut.admit(130) is not None


def test_a_late_answer_of_before_does_not_close_it() -> None:
    opened = after([Fate.FAILED] * 3)
    assert opened.after(Fate.ANSWERED, LIMITS, 10, probe=False) == opened
    assert opened.after(Fate.FAILED, LIMITS, 10, probe=False) == opened


def test_the_time_doubles_up_to_a_limit() -> None:
    breaker, now = after([Fate.FAILED] * 3), 0
    spans = []
    for _ in range(4):
        now = breaker.until_us
        trying = breaker.admit(now)
        assert trying is not None
        breaker = trying.after(Fate.FAILED, LIMITS, now, probe=True)
        spans.append(breaker.until_us - now)
    assert spans == [200, 350, 350, 350]


@dataclass
class _Call:
    probe: bool


class Calling(RuleBasedStateMachine):
    """Calls come, run beside each other and end in any order while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0
        self.running: list[_Call] = []
        self.row = 0

    @rule()
    def come(self) -> None:
        """A call asks to go through."""
        blocked = self.breaker.blocks(self.now)
        admitted = self.breaker.admit(self.now)
        assert (admitted is None) == blocked
        if admitted is not None:
            self.breaker = admitted
            self.running.append(_Call(probe=admitted.circuit is Circuit.HALF_OPEN))

    @rule(by=st.integers(1, 500))
    def wait(self, by: int) -> None:
        """Time passes."""
        self.now += by

    @precondition(lambda self: self.running)
    @rule(data=st.data(), fate=st.sampled_from(Fate))
    def end(self, data: st.DataObject, fate: Fate) -> None:
        """One of them ends."""
        call = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        before = self.breaker
        self.breaker = before.after(fate, LIMITS, self.now, probe=call.probe)
        if before.circuit is Circuit.CLOSED and not call.probe:
            self.row = {Fate.FAILED: self.row + 1, Fate.ANSWERED: 0, Fate.NOTHING: self.row}[fate]
            assert (self.breaker.circuit is Circuit.OPEN) == (self.row >= LIMITS.failures)
        elif not call.probe:
            assert self.breaker == before
        if self.breaker.circuit is Circuit.CLOSED and before.circuit is not Circuit.CLOSED:
            assert call.probe
            assert fate is Fate.ANSWERED
            self.row = 0

    @invariant()
    def one_probe(self) -> None:
        """While it is half-open exactly one call tries; else none does."""
        probes = sum(call.probe for call in self.running)
        assert probes == (self.breaker.circuit is Circuit.HALF_OPEN)

    @invariant()
    def open_ends(self) -> None:
        """Nothing is shut for longer than the limit."""
        if self.breaker.circuit is Circuit.OPEN:
            assert self.breaker.until_us <= self.now + LIMITS.longest_us


TestCalling = Calling.TestCase


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Fate), st.none() | st.integers(0, 10**9)), max_size=200))
def test_averages_stay_between_what_was_seen(calls: list[tuple[Fate, int | None]]) -> None:
    health = Health()
    for fate, took_us in calls:
        health = health.after(Ended(fate=fate, took_us=took_us), LIMITS, 0, probe=False)
    told = [fate for fate, _ in calls if fate is not Fate.NOTHING]
    times = [took for _, took in calls if took is not None]
    assert health.calls == len(told)
    assert 0 <= health.error_rate <= 1_000_000
    assert (health.error_rate == 0) >= (Fate.FAILED not in told)
    assert health.answer.latest_us == tuple(times[-WINDOW:])
    if times:
        assert min(times) - 1 <= health.answer.average_us <= max(times)
    assert health.first_content == Times()


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=100), st.integers(1, 100))
def test_a_percentile_is_of_what_was_measured(values: list[int], percent: int) -> None:
    times = Times()
    for value in values:
        times = times.after(value)
    found = times.percentile_us(percent)
    window = values[-WINDOW:]
    if len(window) < ENOUGH:
        assert found is None
        return
    assert found in window
    assert sum(value <= found for value in window) * 100 >= percent * len(window)
    assert sum(value < found for value in window) * 100 < percent * len(window)
