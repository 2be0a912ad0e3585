"""How a deployment has been doing: its circuit, its share of failures, how long it takes.

Pure. A circuit is *closed* while calls go through; after ``failures`` in a row it is *open* and nothing goes through; when its
time is over one call may try (*half-open*): an answer closes it, a failure opens it again for twice as long. Averages are
exponential with a weight of one in eight for the newest (RFC 6298); percentiles are of the last calls that answered.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum

from audit.vocabulary import MILLIONTHS

SMOOTHING = 8
WINDOW = 64
"""Calls that percentiles are taken over."""
ENOUGH = 8
"""Measured calls below which nothing is concluded from their times."""
P95 = 95


class Circuit(StrEnum):
    """State of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Fate(Enum):
    """What a call says about its deployment."""

    ANSWERED = "answered"
    """It answered, be it with a refusal: it is there."""
    FAILED = "failed"
    NOTHING = "nothing"
    """It was cut by us, which proves nothing: nobody's deadline opens a circuit for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When a circuit opens and for how long, microseconds; the time doubles with each failed try, up to ``longest_us``."""

    failures: int = 10
    open_us: int = 5_000_000
    longest_us: int = 60_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """A circuit. ``failures``: in a row. ``until_us``: when an open one may be tried; ``open_us``: how long it was opened for."""

    circuit: Circuit = Circuit.CLOSED
    failures: int = 0
    until_us: int = 0
    open_us: int = 0

    def blocks(self, now_us: int) -> bool:
        """Whether a call that came now would not go through."""
        match self.circuit:
            case Circuit.CLOSED:
                return False
            case Circuit.OPEN:
                return now_us < self.until_us
            case Circuit.HALF_OPEN:
                return True

    def admit(self, now_us: int) -> "Breaker | None":
        """The circuit with a call on its way, or None where none goes through. Of a half-open one the call is the only one."""
        if self.blocks(now_us):
            return None
        return self if self.circuit is Circuit.CLOSED else replace(self, circuit=Circuit.HALF_OPEN)

    def after(self, fate: Fate, limits: BreakerLimits, now_us: int, *, probe: bool) -> "Breaker":
        """The circuit once a call has ended. ``probe``: it was the one call of a half-open circuit.

        A call that was under way before the circuit opened neither closes it nor keeps it open.
        """
        if self.circuit is not Circuit.CLOSED and not probe:
            return self
        match fate:
            case Fate.ANSWERED:
                return Breaker()
            case Fate.NOTHING:
                return replace(self, circuit=Circuit.OPEN, until_us=now_us) if probe else self
            case Fate.FAILED:
                return self._failed(limits, now_us)

    def _failed(self, limits: BreakerLimits, now_us: int) -> "Breaker":
        failures = self.failures + 1
        if self.circuit is Circuit.CLOSED and failures < limits.failures:
            return replace(self, failures=failures)
        open_us = min(2 * self.open_us or limits.open_us, limits.longest_us)
        return Breaker(circuit=Circuit.OPEN, failures=failures, until_us=now_us + open_us, open_us=open_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long something took, microseconds: the average, 0 if it never happened, and the newest ones, the last at the end."""

    average_us: int = 0
    latest_us: tuple[int, ...] = ()

    def after(self, took_us: int) -> "Times":
        """With one more."""
        average = _smoothed(self.average_us, took_us) if self.latest_us else took_us
        return Times(average_us=average, latest_us=(*self.latest_us, took_us)[-WINDOW:])

    def percentile_us(self, percent: int) -> int | None:
        """What so many of the newest stayed within (nearest rank); None where too few were measured."""
        if len(self.latest_us) < ENOUGH:
            return None
        return sorted(self.latest_us)[-(-len(self.latest_us) * percent // 100) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a call. ``took_us``: until its whole answer, of a stream until its first content; None without one.

    A call that lost against a hedge took at least as long as it ran: leaving it out would make the slow ones look rare.
    """

    fate: Fate
    took_us: int | None = None
    stream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known of a deployment. ``calls`` that told something; ``error_rate`` in millionths."""

    breaker: Breaker = Breaker()
    calls: int = 0
    error_rate: int = 0
    answer: Times = Times()
    first_content: Times = Times()

    def after(self, ended: Ended, limits: BreakerLimits, now_us: int, *, probe: bool) -> "Health":
        """What is known once a call has ended."""
        breaker = self.breaker.after(ended.fate, limits, now_us, probe=probe)
        calls, rate = self.calls, self.error_rate
        if ended.fate is not Fate.NOTHING:
            failed = MILLIONTHS if ended.fate is Fate.FAILED else 0
            calls, rate = calls + 1, _smoothed(rate, failed) if calls else failed
        answer, first_content = self.answer, self.first_content
        if ended.took_us is not None and ended.stream:
            first_content = first_content.after(ended.took_us)
        elif ended.took_us is not None:
            answer = answer.after(ended.took_us)
        return Health(breaker=breaker, calls=calls, error_rate=rate, answer=answer, first_content=first_content)

    def times(self, *, stream: bool) -> Times:
        """Those of the kind of call that is asked about."""
        return self.first_content if stream else self.answer


UNKNOWN = Health()


def _smoothed(average: int, newest: int) -> int:
    return average + (newest - average) // SMOOTHING
