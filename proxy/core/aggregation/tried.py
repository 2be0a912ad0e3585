"""Programs are compared by what they do: one model after the other, until a program passes every example of its own task.

Pure: programs were run by the driver, and what came of it is part of a reply. A program that passes is right in 95 % of cases,
one that does not in 7 % (1,152 and 218 programs of recorded models). Passing is no proof: examples are few, and a model can write
for them alone.
"""

from collections.abc import Mapping, Sequence

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation import candidates
from proxy.core.aggregation.steps import Ask, Basis, Calls, Composition, Final, Seat, Step, Vote
from proxy.core.replies import Reply

PASSING, FAILING = 950_000, 73_000
"""Measured shares of right programs, millionths."""
FAILED = "examples-failed"
NOT_RUN = "examples-not-run"


def examples(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """Seats in their order, one at a time; without a program that passes, what most of them do, then what the strongest wrote."""
    order = (*composition.first, *composition.rest)
    settled = candidates.by_leg(replies)
    asked = [seat for seat in order if seat.leg in settled]
    if not asked or (len(asked) < len(order) and not passes(settled[asked[-1].leg])):
        return _next(order, len(asked))
    written = candidates.good(asked, settled)
    groups = _groups([each.reply for each in written])
    best = max(written, key=lambda each: (*_merit(each.reply, written), each.seat.reliability), default=None)
    votes = tuple(
        Vote(leg=each.leg, group=groups.get(_behaviour(each.reply)), weight=_share(each.reply)) for each in written
    )
    return Final(leg=best.leg if best else None, basis=_basis(composition, best.reply if best else None, asked, votes))


def _next(order: Sequence[Seat], at: int) -> Calls:
    """The next seat; seats of one model are samples of it."""
    return Calls(asks=(Ask(leg=order[at].leg, sample=candidates.samples(order)[at]),))


def passes(reply: Reply) -> bool:
    """Whether a reply's program gave what every example must give."""
    return reply.ok and reply.checked is not None and reply.checked.passed == reply.checked.total


def _merit(reply: Reply, written: Sequence[candidates.Candidate]) -> tuple[int, int]:
    """Examples passed, then how many programs behave alike."""
    if reply.checked is None:
        return (-1, 0)
    alike = sum(1 for each in written if _behaviour(each.reply) == reply.checked.behaviour)
    return (_share(reply), alike)


def _basis(composition: Composition, best: Reply | None, asked: Sequence[Seat], votes: tuple[Vote, ...]) -> Basis:
    passed = best is not None and passes(best)
    ran = best is not None and best.checked is not None
    return Basis(
        aggregator=composition.aggregator,
        method="examples" if ran else "best-candidate",
        confidence=PASSING if passed else FAILING if ran else 0,
        votes=votes,
        gate=FAILED if len(asked) > 1 else None,
        flags=() if passed else (FAILED if ran else NOT_RUN,),
    )


def _groups(replies: Sequence[Reply]) -> Mapping[str, int]:
    """Numbers of the distinct behaviours, in the order in which they came."""
    found = dict.fromkeys(each.checked.behaviour for each in replies if each.checked is not None)
    return {behaviour: i for i, behaviour in enumerate(found)}


def _behaviour(reply: Reply) -> str:
    return reply.checked.behaviour if reply.checked is not None else ""


def _share(reply: Reply) -> int:
    """Share of examples passed, millionths."""
    return reply.checked.passed * MILLIONTHS // reply.checked.total if reply.checked is not None else 0
