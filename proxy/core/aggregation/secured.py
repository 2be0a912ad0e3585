"""What a declared pipeline adds to its aggregator: a second model that checks an answer below the threshold, and a pipeline to
fall back on where there is no answer, or none that the check upholds.

Pure. The seats of both are in the plan before the first call; the aggregator itself never sees their replies.
"""

from collections.abc import Callable
from dataclasses import replace

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation import answers, candidates, quoting, verdicts
from proxy.core.aggregation.checked import CHECK_TEXT
from proxy.core.aggregation.steps import Ask, Basis, Calls, Composition, Final, Seat, Step, Vote
from proxy.core.replies import Reply

VERIFIED, REFUTED, UNVERIFIED = "verified", "refuted", "not-verified"
FELL_BACK, FALLBACK_FAILED = "fallback", "fallback-failed"

Plain = Callable[[Composition, tuple[Reply, ...]], Step]
"""The aggregator of a composition."""


def secured(composition: Composition, replies: tuple[Reply, ...], plain: Plain) -> Step:
    """The aggregator's steps, then the check, then the fallback."""
    own = {seat.leg for seat in composition.own_seats()}
    step = plain(composition, tuple(reply for reply in replies if reply.leg in own))
    if isinstance(step, Final) and composition.verify:
        step = _checked(composition, step, replies)
    if isinstance(step, Calls) or composition.fallback is None or _holds(step):
        return step
    other = secured(composition.fallback, replies, plain)
    if isinstance(other, Calls):
        return other
    if other.leg is None:
        return replace(step, basis=_flagged(step.basis, FALLBACK_FAILED))
    return replace(other, basis=_flagged(other.basis, FELL_BACK))


def _holds(final: Final) -> bool:
    return final.leg is not None and not {REFUTED, UNVERIFIED} & set(final.basis.flags)


def _flagged(basis: Basis, *flags: str) -> Basis:
    return replace(basis, flags=tuple(dict.fromkeys((*basis.flags, *flags))))


def _checked(composition: Composition, final: Final, replies: tuple[Reply, ...]) -> Step:
    """An answer below the threshold with what the verifier says of it, or whom to ask."""
    if final.leg is None or final.basis.confidence >= composition.threshold:
        return final
    settled = candidates.by_leg(replies)
    answer, verifier = settled[final.leg], composition.verifier
    if verifier is None:
        return replace(final, basis=_flagged(final.basis, UNVERIFIED))
    texts = [answers.of_tool_calls(answer.message or {}) or answer.text]
    shown = quoting.quoted(composition, verifier.leg, texts)
    if verifier.leg not in settled:
        return Calls(asks=(Ask(leg=verifier.leg, messages=quoting.asked(composition, CHECK_TEXT, shown)),))
    report = settled[verifier.leg]
    right = verdicts.checks(report.text, shown.labels, texts).get(shown.labels) if report.ok else None
    flag = UNVERIFIED if right is None else VERIFIED if right else REFUTED
    basis = _flagged(final.basis, flag, *candidates.override_flags([answer]))
    return replace(final, basis=basis if right is None else _voted(basis, final.leg, verifier, right=right))


def _voted(basis: Basis, leg: str, verifier: Seat, *, right: bool) -> Basis:
    """With the verifier's vote: for the answer, or for none."""
    votes = basis.votes or (Vote(leg=leg, group=0, weight=MILLIONTHS),)
    group = next((vote.group for vote in votes if vote.leg == leg), None)
    return replace(basis, votes=(*votes, Vote(leg=verifier.leg, group=group if right else None, weight=MILLIONTHS)))
