"""Aggregators that compare canonical answers: the agreement gate, majority, weighted vote, self-fusion.

Pure functions of the composition and the replies so far. A failed leg is an abstention; an answer that nobody gave twice is
no majority. Rule and figures of the gate: ``docs/explanation/fusion.md``.
"""

from collections.abc import Callable, Sequence

from proxy.core.aggregation import answers, scoring
from proxy.core.aggregation.candidates import ask
from proxy.core.aggregation.expected import AnswerKind, expected
from proxy.core.aggregation.scoring import Ballot, Group
from proxy.core.aggregation.steps import Basis, Composition, Final, Seat, Step, Vote
from proxy.core.replies import Reply
from proxy.core.request import JsonObject

Extract = Callable[[Reply, AnswerKind | None], str | None]
"""Canonical answer of a reply, or None."""

AGREEMENT, WEIGHTED = "agreement", "weighted-vote"
"""Ways of ending a vote whose confidence a gate reads."""
MAJORITY, NO_MAJORITY = "majority", "no-majority"
DISAGREE, ABSTAINED, UNSURE = "disagreement", "no-answer", "low-confidence"
"""Why the confidence gate opened."""


def extract(reply: Reply, kind: AnswerKind | None) -> str | None:
    """What a good reply says; nothing for a failed one."""
    return answers.canonical_of(reply.message, reply.text, kind) if reply.ok else None


def kind_of(composition: Composition) -> AnswerKind | None:
    """The kind of answer that the conversation's last user message asks for."""
    for message in reversed(composition.messages):
        if message.get("role") == "user":
            return expected(_text(message))
    return None


def _text(message: JsonObject) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(str(p.get("text", "")) for p in parts if isinstance(p, dict))


class Tally:
    """Ballots of one composition, grouped. Refers to replies by seat, whatever order they came in."""

    def __init__(self, composition: Composition, replies: Sequence[Reply], read: Extract) -> None:
        self.kind = kind_of(composition)
        by_leg = {reply.leg: reply for reply in replies}
        seats = [seat for seat in (*composition.first, *composition.rest) if seat.leg in by_leg]
        self.good = {seat.leg for seat in seats if by_leg[seat.leg].ok}
        self.ballots = tuple(
            Ballot(seat=s.taken_by(by_leg[s.leg].deployment), answer=read(by_leg[s.leg], self.kind)) for s in seats
        )
        self.groups = scoring.groups(self.ballots, self.kind)

    def votes(self) -> tuple[Vote, ...]:
        """Every ballot as it goes on record."""
        index = {group.answer: i for i, group in enumerate(self.groups)}
        return tuple(
            Vote(
                leg=b.seat.leg,
                group=None if b.answer is None else index[b.answer],
                weight=scoring.millionths(scoring.weight(b.seat.reliability, self.kind)),
            )
            for b in self.ballots
        )

    def best(self, order: Sequence[Seat]) -> Group | None:
        """The group with the highest score; ties go to the group of the seat that comes first in ``order``."""
        if not self.groups:
            return None
        place = {seat.leg: i for i, seat in enumerate(order)}
        return min(self.groups, key=lambda g: (-round(g.score, 9), min(place[b.seat.leg] for b in g.ballots)))

    def final(
        self,
        composition: Composition,
        leg: str | None,
        method: str,
        *,
        gate: str | None = None,
        flags: tuple[str, ...] = (),
    ) -> Final:
        """The end of a vote: the answer of ``leg``, with the confidence of its group."""
        score = self.confidence_of(leg)
        basis = Basis(
            aggregator=composition.aggregator,
            method=method,
            confidence=0 if score is None else composition.calibration.of(method, score),
            votes=self.votes(),
            gate=gate,
            flags=flags,
            confidence_method="" if score is None else composition.calibration.name(method),
        )
        return Final(leg=leg, basis=basis)

    def confidence_of(self, leg: str | None) -> int | None:
        """Confidence in the answer of a leg, millionths; None if it gave none that can be compared."""
        own = next((g for g in self.groups if any(b.seat.leg == leg for b in g.ballots)), None)
        return None if own is None else scoring.confidence(own, self.groups, self.kind)

    def spokesman(self, group: Group) -> str:
        """The leg whose text stands for a group: the first that was asked."""
        return group.ballots[0].seat.leg

    def any_good(self, order: Sequence[Seat]) -> str | None:
        """The first seat in ``order`` that answered at all."""
        return next((seat.leg for seat in order if seat.leg in self.good), None)


def asked(replies: Sequence[Reply], seats: Sequence[Seat]) -> bool:
    """Whether every one of the seats has settled."""
    settled = {reply.leg for reply in replies}
    return all(seat.leg in settled for seat in seats)


def agreement_gate(composition: Composition, replies: tuple[Reply, ...], read: Extract = extract) -> Step:
    """Ask the first seats; if they agree, and that makes us sure enough, it is the answer; else ask the rest.

    Then an answer given by two or more wins (ties by log-odds, then the rest in order, then the first); without a majority
    the best of the rest answers, and if it has no answer the first seat does; of two answers alone the likelier wins.
    """
    if not replies:
        return ask(composition.first)
    tally = Tally(composition, replies, read)
    if not composition.rest or not asked(replies, composition.rest):
        gate = _gate(composition, tally)
        if gate is None:
            return tally.final(composition, tally.spokesman(tally.groups[0]), AGREEMENT)
        if composition.rest:
            return ask(composition.rest, composition.first)
        return _without_rest(composition, tally, gate)
    order = (*composition.rest, *composition.first)
    gate = _gate(composition, Tally(composition, [r for r in replies if _is_first(composition, r)], read))
    agreed = _agreed(composition, tally, order, gate)
    if agreed is not None:
        return agreed
    leg = _settling(composition, tally, order)
    return tally.final(composition, leg, "escalation", gate=gate, flags=(NO_MAJORITY,))


def _agreed(composition: Composition, tally: Tally, order: Sequence[Seat], gate: str | None) -> Final | None:
    """The end where two or more gave one answer: that of the most, then the likelier, then of whoever is first in ``order``."""
    groups = [g for g in tally.groups if len(g.ballots) >= 2]
    if not groups:
        return None
    place = {seat.leg: i for i, seat in enumerate(order)}
    best = min(groups, key=lambda g: (-len(g.ballots), -round(g.score, 9), min(place[b.seat.leg] for b in g.ballots)))
    speaker = min(best.ballots, key=lambda b: place[b.seat.leg]).seat.leg  # the strongest of those who agree
    return tally.final(composition, speaker, MAJORITY, gate=gate)


def _settling(composition: Composition, tally: Tally, order: Sequence[Seat]) -> str | None:
    """Whose answer stands where no two gave the same: the strong one's, which settles what the first disagree about.

    Where one of the first gave none, nothing was disagreed about: of two answers the likelier stands.
    """
    answering = [b.seat.leg for b in tally.ballots if b.answer is not None]
    likelier = tally.best(order)
    if likelier is not None and len(answering) == 2:
        return tally.spokesman(likelier)
    strong, first = composition.rest[0].leg, composition.first[0].leg
    return strong if strong in answering else first if first in tally.good else tally.any_good(order)


def _is_first(composition: Composition, reply: Reply) -> bool:
    return any(seat.leg == reply.leg for seat in composition.first)


def _gate(composition: Composition, tally: Tally) -> str | None:
    """Why the gate opens after the first seats; None if it stays shut."""
    if any(b.answer is None for b in tally.ballots) or not tally.ballots:
        return ABSTAINED
    if len(tally.groups) > 1:
        return DISAGREE
    score = scoring.confidence(tally.groups[0], tally.groups, tally.kind)
    if composition.calibration.of(AGREEMENT, score) < composition.threshold and composition.rest:
        return UNSURE
    return None


def _without_rest(composition: Composition, tally: Tally, gate: str) -> Final:
    order = sorted(composition.first, key=lambda seat: -seat.reliability)
    agreed = _agreed(composition, tally, order, gate)
    if agreed is not None:
        return agreed
    best = tally.best(order)
    leg = tally.spokesman(best) if best else tally.any_good(order)
    return tally.final(composition, leg, WEIGHTED, gate=gate, flags=(NO_MAJORITY,))


def weighted_vote(composition: Composition, replies: tuple[Reply, ...], read: Extract = extract) -> Step:
    """All first seats at once, the highest sum of log-odds wins; below the threshold the rest are asked too."""
    if not replies:
        return ask(composition.first)
    tally = Tally(composition, replies, read)
    order = sorted((*composition.rest, *composition.first), key=lambda seat: -seat.reliability)
    best = tally.best(order)
    gate = None
    if composition.rest and not asked(replies, composition.rest):
        score = 0 if best is None else scoring.confidence(best, tally.groups, tally.kind)
        if (composition.calibration.of(WEIGHTED, score) if score else 0) < composition.threshold:
            return ask(composition.rest, composition.first)
    elif composition.rest:
        gate = UNSURE if best is not None else ABSTAINED
    leg = tally.spokesman(best) if best else tally.any_good(order)
    return tally.final(composition, leg, WEIGHTED, gate=gate, flags=() if best else ("no-answer",))


def majority(composition: Composition, replies: tuple[Reply, ...], read: Extract = extract) -> Step:
    """One seat, one vote; ties by log-odds, then by reliability. Self-fusion is this over samples of one deployment."""
    if not replies:
        return ask(composition.first)
    if composition.rest and not asked(replies, composition.rest):
        return ask(composition.rest, composition.first)
    tally = Tally(composition, replies, read)
    order = sorted((*composition.first, *composition.rest), key=lambda seat: -seat.reliability)
    if not tally.groups:
        return tally.final(composition, tally.any_good(order), "first-answer", flags=("no-answer",))
    place = {seat.leg: i for i, seat in enumerate(order)}
    best = min(
        tally.groups,
        key=lambda g: (-len(g.ballots), -round(g.score, 9), min(place[b.seat.leg] for b in g.ballots)),
    )
    flags = () if len(best.ballots) * 2 > len(tally.ballots) else (NO_MAJORITY,)
    return tally.final(composition, tally.spokesman(best), MAJORITY, flags=flags)


def self_fusion(composition: Composition, replies: tuple[Reply, ...], read: Extract = extract) -> Step:
    """The same deployment sampled several times: a majority over its own answers."""
    return majority(composition, replies, read)
