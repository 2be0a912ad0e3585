"""Cross-validation: each member checks what the others answered, without seeing its own answer, and the verdicts are counted.

Pure. Members that all give the same canonical answer are not checked: that would cost twice as much and change nothing. Where answers
cannot be compared, each text stands for itself and the checks alone decide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation import candidates, quoting, scoring, verdicts, voting
from proxy.core.aggregation.candidates import Candidate
from proxy.core.aggregation.expected import AnswerKind
from proxy.core.aggregation.scoring import Ballot, Group
from proxy.core.aggregation.steps import Ask, Basis, Calls, Composition, Final, Seat, Step, Vote
from proxy.core.replies import Reply

CHECK_SHARE = 0.5
"""What a verdict on another's answer counts against an answer of one's own: it is easier to give, and easier to be talked into."""
CHECKS_FAILED = "checks-failed"

CHECK_TEXT = (
    "You check answers that others gave to the conversation above. Work the problem out for yourself first, then say of every "
    "candidate whether it is right or wrong; say unsure where you cannot tell. End your reply with this JSON object, with one entry "
    f"for every label: {verdicts.CHECK_FORM}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """One checker's verdicts by the index of the candidate: right or wrong."""

    seat: Seat
    verdicts: Mapping[int, bool]


def cross_validation(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """Panel, then every member's check of the others; the answer with the most weight for it and the least against it wins."""
    settled = candidates.by_leg(replies)
    found = candidates.gathered(composition, settled)
    if isinstance(found, Calls):
        return found
    if len(found) < 2:
        return candidates.best_of(composition, found)
    kind = voting.kind_of(composition)
    groups = _groups(found, kind)
    if len(groups) == 1 and len(groups[0].ballots) == len(found):
        return _agreed(composition, found, groups[0], kind)
    checkers = _checkers(composition, settled)
    if not all(seat.leg in settled for seat in checkers):
        return Calls(
            asks=tuple(_ask(composition, seat, found) for seat in checkers if _others(composition, seat, found))
        )
    read = [_read(composition, seat, found, settled) for seat in checkers]
    return _decided(composition, found, [each for each in read if each.verdicts], kind)


def _groups(found: Sequence[Candidate], kind: AnswerKind | None) -> tuple[Group, ...]:
    """Candidates by canonical answer; where there is none to compare, each by itself."""
    answers = [voting.extract(each.reply, kind) for each in found]
    if not any(answers):
        answers = [f"text:{each.leg}" for each in found]
    return scoring.groups([Ballot(seat=c.seat, answer=a) for c, a in zip(found, answers, strict=True)], kind)


def _agreed(composition: Composition, found: Sequence[Candidate], group: Group, kind: AnswerKind | None) -> Final:
    votes = [Vote(leg=c.leg, group=0, weight=_weight(c.seat, kind)) for c in found]
    sure = scoring.confidence(group, [group], kind)
    basis = Basis(aggregator=composition.aggregator, method="agreement", confidence=sure, votes=tuple(votes))
    return Final(leg=found[0].leg, basis=basis)


def _checkers(composition: Composition, settled: Mapping[str, Reply]) -> tuple[Seat, ...]:
    """The check seats of those members that were asked; the first stage has one for each member, in the same order."""
    members = (*composition.first, *composition.rest)
    seats = composition.further[0] if composition.further else ()
    return tuple(check for member, check in zip(members, seats, strict=False) if member.leg in settled)


def _others(composition: Composition, checker: Seat, found: Sequence[Candidate]) -> list[int]:
    """Indices of the candidates that are not the checker's own."""
    members = (*composition.first, *composition.rest)
    own = next(m.leg for m, check in zip(members, composition.further[0], strict=False) if check.leg == checker.leg)
    return [i for i, each in enumerate(found) if each.leg != own]


def _ask(composition: Composition, checker: Seat, found: Sequence[Candidate]) -> Ask:
    others = _others(composition, checker, found)
    shown = quoting.quoted(composition, checker.leg, [found[i].reply.text for i in others])
    return Ask(leg=checker.leg, messages=quoting.asked(composition, CHECK_TEXT, shown))


def _read(composition: Composition, checker: Seat, found: Sequence[Candidate], settled: Mapping[str, Reply]) -> _Check:
    reply = settled[checker.leg]
    if not reply.ok:
        return _Check(seat=checker, verdicts={})
    others = _others(composition, checker, found)
    texts = [found[i].reply.text for i in others]
    shown = quoting.quoted(composition, checker.leg, texts)
    given = verdicts.checks(reply.text, shown.labels, texts)
    return _Check(seat=checker, verdicts={others[shown.index(label)]: right for label, right in given.items()})


def _decided(
    composition: Composition, found: Sequence[Candidate], checks: Sequence[_Check], kind: AnswerKind | None
) -> Final:
    place = {each.leg: i for i, each in enumerate(found)}
    plain = _groups(found, kind)
    comparable = any(not group.answer.startswith("text:") for group in plain)
    groups = [_checked(group, [place[b.seat.leg] for b in group.ballots], checks, kind, comparable) for group in plain]
    winner = min(groups, key=lambda g: (-round(g.score, 9), -max(b.seat.reliability for b in g.ballots)))
    speaker = winner.ballots[0].seat.leg
    index = {b.seat.leg: i for i, g in enumerate(groups) for b in g.ballots}
    own = [Vote(leg=c.leg, group=index.get(c.leg), weight=_weight(c.seat, kind)) for c in found]
    cast = [_vote(check, index, found, index[speaker], kind) for check in checks]
    flags = candidates.override_flags([each.reply for each in found])
    basis = Basis(
        aggregator=composition.aggregator,
        method="cross-validation" if comparable else "checks",
        confidence=scoring.confidence(winner, groups, kind) if comparable else _upheld(checks, place[speaker]),
        votes=(*own, *cast),
        flags=(*(() if checks else (CHECKS_FAILED,)), *flags),
    )
    return Final(leg=speaker, basis=basis)


def _checked(
    group: Group, members: Sequence[int], checks: Sequence[_Check], kind: AnswerKind | None, comparable: bool
) -> Group:
    """A group with the verdicts on it; a checker counts once for a group, however many gave its answer."""
    score = group.score if comparable else 0.0
    for check in checks:
        given = [1 if check.verdicts[i] else -1 for i in members if i in check.verdicts]
        if given:
            weight = scoring.weight(check.seat.reliability, kind)
            score += CHECK_SHARE * weight * sum(given) / len(given)
    return replace(group, score=score)


def _vote(
    check: _Check, index: Mapping[str, int], found: Sequence[Candidate], winner: int, kind: AnswerKind | None
) -> Vote:
    """A checker's vote on record: for the answer that won if it upheld that, else for the first that it upheld."""
    upheld = [index[found[i].leg] for i, right in sorted(check.verdicts.items()) if right and found[i].leg in index]
    group = winner if winner in upheld else upheld[0] if upheld else None
    return Vote(leg=check.seat.leg, group=group, weight=round(CHECK_SHARE * _weight(check.seat, kind)))


def _upheld(checks: Sequence[_Check], winner: int) -> int:
    """Share of the verdicts on a text that call it right, millionths, never certainty."""
    given = [check.verdicts[winner] for check in checks if winner in check.verdicts]
    return min(sum(given) * MILLIONTHS // len(given), MILLIONTHS - 1) if given else 0


def _weight(seat: Seat, kind: AnswerKind | None) -> int:
    return scoring.millionths(scoring.weight(seat.reliability, kind))
