"""A judge reads the candidates: one of them is chosen (best of n), or an author writes one answer from the comparison.

Pure. How candidates are put before a reader, and what that does not prevent: ``quoting``. The form of the reports: ``verdicts``.
Dissent goes on record as flags: which legs contradicted the consensus, and never what they said.
"""

from collections.abc import Mapping, Sequence

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation import candidates, quoting, verdicts, voting
from proxy.core.aggregation.candidates import Candidate
from proxy.core.aggregation.steps import Ask, Basis, Calls, Composition, Final, Step, Vote
from proxy.core.replies import Reply

JUDGE_FAILED, AUTHOR_FAILED, NO_VERDICT = "judge-failed", "author-failed", "no-verdict"
DISSENT = "dissent"
"""The judge found contradictions; with the leg behind a colon for every one that contradicts what most say."""

COMPARE_TEXT = (
    "You compare candidate answers to the conversation above. Report consensus (what all say), contradictions (where they differ, "
    "and which is right), unique points (worth keeping), blind spots (what all miss), and the labels of candidates that contradict "
    f"what most of them say. Reply with this JSON object and nothing else: {verdicts.COMPARISON_FORM} Do not write the answer itself."
)
CHOOSE_TEXT = (
    "You choose the best of several candidate answers to the conversation above: right first, then complete, then clear. Their order "
    f"and length mean nothing. Reply with this JSON object and nothing else: {verdicts.BEST_FORM}"
)
AUTHOR_TEXT = (
    "Write the best possible answer to the conversation above from candidate answers and a comparison of them. Keep what is right, "
    "drop what is wrong, add what is missing. Answer directly, as if you were alone: do not mention candidates, judges, markers or "
    "this instruction."
)


def judge_author(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """Panel, then judge, then author; each stage that fails falls back on the one before it."""
    settled = candidates.by_leg(replies)
    found = candidates.gathered(composition, settled)
    if isinstance(found, Calls):
        return found
    judge, author = composition.judge, composition.author
    if len(found) < 2:
        return candidates.best_of(composition, found, *((AUTHOR_FAILED,) if not found else ()))
    if author is None:
        return _most_given(composition, found, AUTHOR_FAILED)
    texts = candidates.texts(found)
    if judge is not None and judge.leg not in settled:
        shown = quoting.quoted(composition, judge.leg, texts)
        return Calls(asks=(Ask(leg=judge.leg, messages=quoting.asked(composition, COMPARE_TEXT, shown)),))
    verdict = settled[judge.leg] if judge is not None else None
    if author.leg not in settled:
        return Calls(asks=(_author_ask(composition, author.leg, texts, verdict),))
    if not settled[author.leg].ok:
        return _most_given(composition, found, AUTHOR_FAILED, *_dissent(composition, found, verdict))
    return Final(leg=author.leg, basis=_synthesis(composition, found, settled))


def _author_ask(composition: Composition, leg: str, texts: Sequence[str], verdict: Reply | None) -> Ask:
    shown = quoting.quoted(composition, leg, texts)
    more = () if verdict is None or not verdict.ok else (quoting.fenced(shown.marker, "comparison", verdict.text),)
    return Ask(leg=leg, messages=quoting.asked(composition, AUTHOR_TEXT, shown, *more))


def _synthesis(composition: Composition, found: Sequence[Candidate], settled: Mapping[str, Reply]) -> Basis:
    judge, author = composition.judge, composition.author
    writers = [seat for seat in (judge, author) if seat is not None and settled[seat.leg].ok]
    verdict = settled[judge.leg] if judge is not None else None
    failed = (JUDGE_FAILED,) if verdict is not None and not verdict.ok else ()
    read = [each.reply for each in found]
    return Basis(
        aggregator=composition.aggregator,
        method="synthesis",
        confidence=0,
        votes=tuple(Vote(leg=s.leg, group=0, weight=MILLIONTHS) for s in (*(c.seat for c in found), *writers)),
        flags=(*failed, *candidates.override_flags(read), *_dissent(composition, found, verdict)),
    )


def _dissent(composition: Composition, found: Sequence[Candidate], verdict: Reply | None) -> tuple[str, ...]:
    """Which candidates contradicted the others, as the judge reported it."""
    if verdict is None or not verdict.ok:
        return ()
    shown = quoting.quoted(composition, verdict.leg, candidates.texts(found))
    report = verdicts.comparison(verdict.text, shown.labels, candidates.texts(found))
    if report is None or not (report.contradictions or report.dissenting):
        return ()
    legs = sorted(found[shown.index(label)].leg for label in report.dissenting)
    return (DISSENT, *(f"{DISSENT}:{leg}" for leg in legs))


def best_of_n(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """Panel, then a judge that names one of them: its reply is the answer, as it stands."""
    settled = candidates.by_leg(replies)
    found = candidates.gathered(composition, settled)
    if isinstance(found, Calls):
        return found
    judge = composition.judge
    if len(found) < 2:
        return candidates.best_of(composition, found)
    if judge is None:
        return _most_given(composition, found, JUDGE_FAILED)
    shown = quoting.quoted(composition, judge.leg, candidates.texts(found))
    if judge.leg not in settled:
        return Calls(asks=(Ask(leg=judge.leg, messages=quoting.asked(composition, CHOOSE_TEXT, shown)),))
    verdict = settled[judge.leg]
    label = verdicts.best(verdict.text, shown.labels, candidates.texts(found)) if verdict.ok else None
    if label is None:
        return _most_given(composition, found, NO_VERDICT if verdict.ok else JUDGE_FAILED)
    chosen = shown.index(label)
    votes = [Vote(leg=each.leg, group=i, weight=0) for i, each in enumerate(found)]
    basis = Basis(
        aggregator=composition.aggregator,
        method="best-of-n",
        confidence=0,
        votes=(*votes, Vote(leg=judge.leg, group=chosen, weight=MILLIONTHS)),
        flags=candidates.override_flags([each.reply for each in found]),
    )
    return Final(leg=found[chosen].leg, basis=basis)


def _most_given(composition: Composition, found: Sequence[Candidate], *flags: str) -> Final:
    """Without a reader: the answer that most candidates gave (ties: of the more reliable), in the most reliable one's words.

    Where no answer can be compared, the most reliable candidate.
    """
    tally = voting.Tally(composition, [each.reply for each in found], voting.extract)
    if not tally.groups:
        return candidates.best_of(composition, found, *flags)
    speakers = [(group, max(group.ballots, key=lambda b: b.seat.reliability).seat) for group in tally.groups]
    most, speaker = max(speakers, key=lambda each: (len(each[0].ballots), each[1].reliability))
    split = () if len(most.ballots) * 2 > len(found) else (voting.NO_MAJORITY,)
    overriding = candidates.override_flags([each.reply for each in found])
    return tally.final(composition, speaker.leg, voting.MAJORITY, flags=(*flags, *split, *overriding))
