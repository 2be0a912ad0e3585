"""How several answers become one: a replayable loop of pure steps (``steps`` is the protocol)."""

from collections.abc import Mapping

from proxy.core.aggregation import tried, voting
from proxy.core.aggregation.cascaded import cascade
from proxy.core.aggregation.checked import cross_validation
from proxy.core.aggregation.judged import best_of_n, judge_author
from proxy.core.aggregation.layered import mixture
from proxy.core.aggregation.secured import secured
from proxy.core.aggregation.steps import (
    Aggregator,
    AggregatorName,
    Ask,
    Basis,
    Calls,
    Composition,
    Final,
    Step,
)
from proxy.core.replies import Reply

__all__ = ["next_step"]


def next_step(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """What to do after these replies, whatever order they came in.

    The same arguments always give the same step; no leg is asked twice, and none that is not a seat of the composition.
    """
    return secured(composition, replies, _plain)


def _plain(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    return AGGREGATORS[composition.aggregator](composition, replies)


def _single(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    seat = composition.first[0]
    if not replies:
        return Calls(asks=(Ask(leg=seat.leg),))
    leg = seat.leg if replies[0].ok else None
    basis = Basis(aggregator=composition.aggregator, method="single", confidence=0)
    return Final(leg=leg, basis=basis)


AGGREGATORS: Mapping[AggregatorName, Aggregator] = {
    AggregatorName.SINGLE: _single,
    AggregatorName.AGREEMENT_GATE: voting.agreement_gate,
    AggregatorName.MAJORITY: voting.majority,
    AggregatorName.WEIGHTED_VOTE: voting.weighted_vote,
    AggregatorName.SELF_FUSION: voting.self_fusion,
    AggregatorName.CASCADE: cascade,
    AggregatorName.EXAMPLES: tried.examples,
    AggregatorName.CROSS_VALIDATION: cross_validation,
    AggregatorName.BEST_OF_N: best_of_n,
    AggregatorName.JUDGE_AUTHOR: judge_author,
    AggregatorName.MIXTURE: mixture,
}
