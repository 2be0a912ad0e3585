"""How several answers become one: a replayable loop of pure steps (``steps`` is the protocol)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from audit.vocabulary import MILLIONTHS
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
    Vote,
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


NOTHING = Basis(aggregator=AggregatorName.PARTS, method="parts", confidence=0)
"""Of no part at all."""


def parts(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """Every part goes on by itself; when all have ended, their answers are the answer. One part without an answer is no answer."""
    asks: list[Ask] = []
    ends: list[Final] = []
    for part in composition.parts:
        legs = {seat.leg for seat in part.seats()}
        step = next_step(part, tuple(reply for reply in replies if reply.leg in legs))
        if isinstance(step, Final):
            ends.append(step)
        else:
            asks += [ask if ask.messages is not None else replace(ask, messages=part.messages) for ask in step.asks]
    if asks:
        return Calls(asks=tuple(asks))
    basis = _joined_basis(composition, ends)
    answered = tuple(end.leg for end in ends if end.leg is not None)
    whole = 0 < len(answered) == len(ends)
    return Final(leg=answered[0] if whole else None, basis=basis, joined=answered if whole else ())


def _joined_basis(composition: Composition, ends: Sequence[Final]) -> Basis:
    """As sure as the least sure part; group 0 of its votes is what is in the answer."""
    votes: list[Vote] = []
    for end in ends:
        cast = end.basis.votes or tuple(Vote(leg=leg, group=0, weight=MILLIONTHS) for leg in (end.leg,) if leg)
        won = next((vote.group for vote in cast if vote.leg == end.leg), None)
        votes += [
            replace(
                v,
                group=0 if v.leg == end.leg or (won is not None and v.group == won) else None if v.group is None else 1,
            )
            for v in cast
        ]
    numbered = list(enumerate(ends, start=1))
    least = min((end.basis for end in ends), key=lambda basis: basis.confidence, default=NOTHING)
    return Basis(
        aggregator=composition.aggregator,
        method="parts",
        confidence=least.confidence,
        votes=tuple(votes),
        gate=next((end.basis.gate for end in ends if end.basis.gate), None),
        flags=tuple(f"part-{i}:{each}" for i, end in numbered for each in (end.basis.method, *end.basis.flags)),
        confidence_method=f"least:{least.confidence_method}" if least.confidence_method else "",
    )


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
    AggregatorName.PARTS: parts,
}
