"""The candidates of a composition whose answers are read by another model: who is asked, who answered, what was found in them.

Pure. The reserve (``rest``) is asked only if fewer than two of the first answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.core.aggregation import orders
from proxy.core.aggregation.steps import Ask, Basis, Calls, Composition, Final, Seat
from proxy.core.replies import Reply

OVERRIDE = "override-attempt"
"""A text that another model was to read gives it orders; with the leg behind a colon for every one that does."""
ONE_CANDIDATE, NO_CANDIDATE = "one-candidate", "no-candidate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A seat with the good reply of its leg."""

    seat: Seat
    reply: Reply

    @property
    def leg(self) -> str:
        """The leg that wrote it."""
        return self.seat.leg


def by_leg(replies: Sequence[Reply]) -> Mapping[str, Reply]:
    """Replies by their leg, whatever order they came in."""
    return {reply.leg: reply for reply in replies}


def good(seats: Sequence[Seat], settled: Mapping[str, Reply]) -> tuple[Candidate, ...]:
    """Those of some seats that answered, in the order of the seats."""
    return tuple(Candidate(seat=s, reply=settled[s.leg]) for s in seats if s.leg in settled and settled[s.leg].ok)


def gathered(composition: Composition, settled: Mapping[str, Reply]) -> Calls | tuple[Candidate, ...]:
    """The candidates, or whom to ask for them."""
    if not all(seat.leg in settled for seat in composition.first):
        return ask(composition.first)
    found = good(composition.first, settled)
    if len(found) >= 2 or not composition.rest:
        return found
    if not all(seat.leg in settled for seat in composition.rest):
        return ask(composition.rest, composition.first)
    return (*found, *good(composition.rest, settled))


def ask(seats: Sequence[Seat], after: Sequence[Seat] = ()) -> Calls:
    """Ask seats at once. Seats of one model, those asked before too (``after``), are samples of it, and differ by their number."""
    numbers = samples((*after, *seats))[len(after) :]
    return Calls(asks=tuple(Ask(leg=seat.leg, sample=n) for seat, n in zip(seats, numbers, strict=True)))


def samples(seats: Sequence[Seat]) -> tuple[int, ...]:
    """For every seat how many before it have the same model."""
    models = [seat.model for seat in seats]
    return tuple(models[:i].count(model) for i, model in enumerate(models))


def texts(found: Sequence[Candidate]) -> list[str]:
    """What candidates say, without tool calls and reasoning."""
    return [each.reply.text for each in found]


def override_flags(replies: Sequence[Reply]) -> tuple[str, ...]:
    """Flags for replies that give orders to their reader."""
    legs = [reply.leg for reply in replies if orders.override_attempt(reply.text)]
    return (OVERRIDE, *(f"{OVERRIDE}:{leg}" for leg in legs)) if legs else ()


def best_of(composition: Composition, found: Sequence[Candidate], *flags: str) -> Final:
    """The candidate whose model is measured best, where nobody can compare them; None without a candidate."""
    best = max(found, key=lambda each: each.seat.reliability, default=None)
    flags = flags or (ONE_CANDIDATE if found else NO_CANDIDATE,)
    basis = Basis(
        aggregator=composition.aggregator,
        method="best-candidate",
        confidence=0,
        flags=(*flags, *override_flags([each.reply for each in found] if len(found) > 1 else ())),
    )
    return Final(leg=best.leg if best else None, basis=basis)
