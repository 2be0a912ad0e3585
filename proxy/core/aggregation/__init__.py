"""How several answers become one: a replayable loop of pure steps (``steps`` is the protocol)."""

from typing import assert_never

from proxy.core.aggregation import voting
from proxy.core.aggregation.judged import judge_author
from proxy.core.aggregation.steps import AggregatorName, Ask, Basis, Calls, Composition, Final, Step
from proxy.core.replies import Reply

__all__ = ["next_step"]


def next_step(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """What to do after these replies. The same arguments always give the same step; no leg is asked twice."""
    match composition.aggregator:
        case AggregatorName.SINGLE:
            return _single(composition, replies)
        case AggregatorName.AGREEMENT_GATE:
            return voting.agreement_gate(composition, replies)
        case AggregatorName.MAJORITY:
            return voting.majority(composition, replies)
        case AggregatorName.WEIGHTED_VOTE:
            return voting.weighted_vote(composition, replies)
        case AggregatorName.SELF_FUSION:
            return voting.self_fusion(composition, replies)
        case AggregatorName.JUDGE_AUTHOR:
            return judge_author(composition, replies)
        case _:
            assert_never(composition.aggregator)


def _single(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    seat = composition.first[0]
    if not replies:
        return Calls(asks=(Ask(leg=seat.leg),))
    leg = seat.leg if replies[0].ok else None
    basis = Basis(aggregator=composition.aggregator, method="single", confidence=0)
    return Final(leg=leg, basis=basis)
