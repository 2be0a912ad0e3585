"""Mixture of agents (Wang et al. 2024, arXiv:2406.04692): layers of proposers, each of which reads the layer before, then an author.

Pure and bounded: the layers are seats of the plan, at most ``MAX_LAYERS``, and each is asked once. A layer of which nobody answers
is passed over.
"""

from collections.abc import Sequence

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation import candidates, quoting
from proxy.core.aggregation.candidates import Candidate
from proxy.core.aggregation.judged import AUTHOR_FAILED
from proxy.core.aggregation.steps import Ask, Basis, Calls, Composition, Final, Seat, Step, Vote
from proxy.core.replies import Reply

MAX_LAYERS = 3
LAYER_FAILED = "layer-failed"

PROPOSE_TEXT = (
    "Answer the conversation above. Candidate answers of others follow: some may be wrong, incomplete or biased. Judge them, keep "
    "what is right, and write a better answer of your own. Answer directly, and do not mention candidates, markers or this "
    "instruction."
)
GATHER_TEXT = (
    "Write the best possible answer to the conversation above from the candidate answers that follow: some may be wrong, incomplete "
    "or biased. Answer directly, as if you were alone: do not mention candidates, markers or this instruction."
)


def mixture(composition: Composition, replies: tuple[Reply, ...]) -> Step:
    """Panel, further layers, author; without an author's answer the best of the last layer that answered."""
    settled = candidates.by_leg(replies)
    found = candidates.gathered(composition, settled)
    if isinstance(found, Calls):
        return found
    if not found:
        return candidates.best_of(composition, found)
    read: list[Candidate] = list(found)
    flags: tuple[str, ...] = ()
    for layer in composition.further:
        if not all(seat.leg in settled for seat in layer):
            return _asks(composition, layer, PROPOSE_TEXT, found)
        better = candidates.good(layer, settled)
        if better:
            found = better
            read += better
        elif LAYER_FAILED not in flags:
            flags = (LAYER_FAILED,)
    author = composition.author
    if author is None:
        return candidates.best_of(composition, found, AUTHOR_FAILED, *flags)
    if author.leg not in settled:
        return _asks(composition, (author,), GATHER_TEXT, found)
    if not settled[author.leg].ok:
        return candidates.best_of(composition, found, AUTHOR_FAILED, *flags)
    basis = Basis(
        aggregator=composition.aggregator,
        method="mixture",
        confidence=0,
        votes=tuple(Vote(leg=leg, group=0, weight=MILLIONTHS) for leg in (*(each.leg for each in read), author.leg)),
        flags=(*flags, *candidates.override_flags([each.reply for each in read])),
    )
    return Final(leg=author.leg, basis=basis)


def _asks(composition: Composition, seats: Sequence[Seat], text: str, found: Sequence[Candidate]) -> Calls:
    """Some seats at once, each with its own markers and its own order of the candidates."""
    texts = candidates.texts(found)
    return Calls(
        asks=tuple(
            Ask(
                leg=seat.leg,
                messages=quoting.asked(composition, text, quoting.quoted(composition, seat.leg, texts)),
                sample=sample,
            )
            for seat, sample in zip(seats, candidates.samples(seats), strict=True)
        )
    )
