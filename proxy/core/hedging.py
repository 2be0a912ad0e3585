"""When a call is worth starting before it is known to be needed: a second one beside a slow one, a next stage before its turn.

Pure. Both cost money for time, so both stay within the request's budget, and neither reaches a deployment that was not admitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from proxy.core.aggregation import candidates
from proxy.core.aggregation.steps import AggregatorName, Ask, Composition
from proxy.core.health import P95, Times

_NEXT_SEATS = {
    AggregatorName.AGREEMENT_GATE: None,
    AggregatorName.WEIGHTED_VOTE: None,
    AggregatorName.MAJORITY: None,
    AggregatorName.CASCADE: 1,
}
"""Aggregators whose second stage is asked the client's own question, with how many seats of ``rest`` it has; None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedging:
    """What the operator allows. ``after_us`` None and ``at_p95`` False: no hedging. With both, the later of the two."""

    after_us: int | None = None
    at_p95: bool = False

    def delay_us(self, times: Times, asked_us: int = 0) -> int | None:
        """How long a call has before a second one starts; None: for ever. ``asked_us``: the request's own wish, which can
        only make it later. Where the 95th percentile is wanted and not known yet, nothing is hedged but by ``after_us``.
        """
        measured = times.percentile_us(P95) if self.at_p95 else None
        known = [each for each in (self.after_us, measured) if each is not None]
        if not known:
            return None
        return max(*known, asked_us)


def too_late(remaining_us: int, first: Sequence[Times], following: Sequence[Times]) -> bool:
    """Whether a stage that waits for the one before it would miss the deadline, and would not if it began with it.

    By measured times alone, each at its 95th percentile; what was not measured is not guessed.
    """
    before, after = _slowest(first), _slowest(following)
    return before is not None and after is not None and after <= remaining_us < before + after


def _slowest(stage: Sequence[Times]) -> int | None:
    times = [each.percentile_us(P95) for each in stage]
    known = [each for each in times if each is not None]
    return max(known) if known and len(known) == len(times) else None


def second_stage(composition: Composition) -> tuple[Ask, ...]:
    """What is asked if those asked first do not settle it, where that can begin with them; else nothing."""
    if composition.aggregator not in _NEXT_SEATS or not composition.rest:
        return ()
    return candidates.ask(composition.rest[: _NEXT_SEATS[composition.aggregator]]).asks
