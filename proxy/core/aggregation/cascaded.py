"""The cascade: the cheapest seat first, the next one only while the answer so far is less sure than the threshold.

Pure. Where answers can be compared, a further answer adds to the confidence or takes from it; elsewhere it is what is known of the
one who wrote the text. Mean log-probabilities of tokens, where an upstream gives them, can lower the confidence and never raise it.
"""

import math
from collections.abc import Mapping, Sequence

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation import candidates
from proxy.core.aggregation.steps import Basis, Composition, Final, Seat, Step
from proxy.core.aggregation.voting import ABSTAINED, UNSURE, Tally, extract
from proxy.core.replies import Reply

METHOD = "cascade"
RELIABILITY = "reliability"
"""What the confidence in a text is that cannot be compared: the measured share of its writer."""
UNMET = "threshold-not-met"


def cascade(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """Seats in their order, one at a time, until the confidence reaches the threshold or nobody is left."""
    order = (*composition.first, *composition.rest)
    settled = candidates.by_leg(replies)
    asked = [seat for seat in order if seat.leg in settled]
    if not asked:
        return candidates.ask(order[:1])
    tally = Tally(composition, replies, extract)
    strongest = tuple(reversed(asked))
    best = tally.best(strongest)
    leg = tally.spokesman(best) if best is not None else tally.any_good(strongest)
    score = _sure(tally, leg, asked, settled)
    compared = tally.confidence_of(leg) is not None
    sure = composition.calibration.of(METHOD, score) if compared else score
    if sure < composition.threshold and len(asked) < len(order):
        return candidates.ask(order[len(asked) : len(asked) + 1], asked)
    gate = None if len(asked) == 1 else UNSURE if tally.good else ABSTAINED
    votes = tally.votes() if best is not None else ()
    flags = (UNMET,) if sure < composition.threshold else ()
    named = composition.calibration.name(METHOD) if compared else RELIABILITY if sure else ""
    basis = Basis(
        aggregator=composition.aggregator,
        method=METHOD,
        confidence=sure,
        votes=votes,
        gate=gate,
        flags=flags,
        confidence_method=named,
    )
    return Final(leg=leg, basis=basis)


def _sure(tally: Tally, leg: str | None, asked: Sequence[Seat], settled: Mapping[str, Reply]) -> int:
    """Confidence in the answer of a leg, millionths."""
    if leg is None:
        return 0
    known = tally.confidence_of(leg)
    if known is None:
        known = 0 if tally.kind is not None else next(seat.reliability for seat in asked if seat.leg == leg)
    logprob = settled[leg].logprob_millionths
    if logprob is None:
        return min(known, MILLIONTHS - 1)
    return min(known, round(math.exp(min(0.0, logprob / MILLIONTHS)) * MILLIONTHS), MILLIONTHS - 1)
