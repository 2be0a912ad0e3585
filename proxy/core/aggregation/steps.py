"""The aggregation protocol: a replayable loop over values.

``next_step(composition, replies)`` is a pure function. The driver calls it with the replies of every leg settled so far and
does what it says: it either asks for more legs (all at once, in parallel) or gives the final answer with its basis. Replaying
the replies of a record therefore gives the recorded answer. Nothing here can add a deployment: legs are named, and every leg
was admitted before the first call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from audit.vocabulary import Role
from proxy.core.aggregation import calibration
from proxy.core.aggregation.calibration import Calibration
from proxy.core.replies import Reply
from proxy.core.request import JsonObject, TaskClass


class AggregatorName(StrEnum):
    """Aggregators by their permanent name in configuration and records."""

    SINGLE = "single"
    AGREEMENT_GATE = "agreement-gate"
    MAJORITY = "majority"
    WEIGHTED_VOTE = "weighted-vote"
    JUDGE_AUTHOR = "judge-author"
    SELF_FUSION = "self-fusion"
    CROSS_VALIDATION = "cross-validation"
    BEST_OF_N = "best-of-n"
    MIXTURE = "mixture-of-agents"
    CASCADE = "cascade"
    EXAMPLES = "examples"
    PARTS = "parts"


CHOOSABLE = tuple(name for name in AggregatorName if name is not AggregatorName.PARTS)
"""Those that a request or a configuration may name; ``parts`` comes from the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One leg that a composition may ask, and how much its vote counts.

    ``reliability``: share of right answers in this task class, millionths (prior-shrunken by the planner).
    ``make``: developer of the weights, so that two seats of one make are not counted as independent.
    ``stand_ins``: the same leg in the hands of other models, by deployment.
    """

    leg: str
    role: Role
    model: str
    make: str
    reliability: int
    stand_ins: Mapping[str, "Seat"] = field(default_factory=dict)

    def taken_by(self, deployment: str) -> "Seat":
        """The seat as the vote of whoever took it counts."""
        return self.stand_ins.get(deployment, self)


STAGES = ("first", "rest", "further", "judge", "author", "verifier")
"""Stages of a composition that may have a deadline of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """Everything an aggregator may know. The plan was fixed and decided before any call.

    ``first`` are asked at once; ``rest`` only when the gate opens, best first (where another model reads the answers, they are the
    reserve). ``further``: stages after those, each asked at once: the checks of cross-validation, the further layers of a mixture.
    ``order_seed`` and ``nonce`` come from the
    edge (randomness is an argument): they shuffle candidates and mark their limits in a judge's prompt.
    ``threshold``: confidence in millionths below which the gate opens, and below which an answer is checked (``verify``), by the
    ``verifier`` where policy left one. ``fallback``: asked where there is no answer that holds. ``deadlines_ms``: longest time of a
    stage, by its name (``STAGES``). ``parts``: of a prompt that was taken apart, each with
    its own seats, messages and ``label``.
    """

    aggregator: AggregatorName
    task: TaskClass
    messages: tuple[JsonObject, ...]
    first: tuple[Seat, ...]
    rest: tuple[Seat, ...] = ()
    further: tuple[tuple[Seat, ...], ...] = ()
    judge: Seat | None = None
    author: Seat | None = None
    threshold: int = 0
    order_seed: int = 0
    nonce: str = ""
    calibration: Calibration = calibration.NONE
    parts: tuple["Composition", ...] = ()
    label: str = ""

    verify: bool = False
    verifier: Seat | None = None
    fallback: "Composition | None" = None
    deadlines_ms: Mapping[str, int] = field(default_factory=dict)

    def own_seats(self) -> tuple[Seat, ...]:
        """Seats that the aggregator itself may ask."""
        if self.parts:
            return tuple(seat for part in self.parts for seat in part.seats())
        return tuple(seat for seats in self._stages().values() for seat in seats)

    def seats(self) -> tuple[Seat, ...]:
        """Every seat that may be asked: a step never names another."""
        verifier = () if self.verifier is None else (self.verifier,)
        return (*self.own_seats(), *verifier, *(self.fallback.seats() if self.fallback else ()))

    def authors(self) -> frozenset[str]:
        """Legs whose reply is the answer whatever it says: authors that nobody checks."""
        own = frozenset() if self.author is None or self.verify else frozenset({self.author.leg})
        return own | (self.fallback.authors() if self.fallback else frozenset())

    def limit_ms(self, leg: str) -> int | None:
        """Longest time of the stage that a leg belongs to, or None."""
        if self.parts:
            return next((found for part in self.parts if (found := part.limit_ms(leg)) is not None), None)
        stages = {**self._stages(), "verifier": () if self.verifier is None else (self.verifier,)}
        for name, seats in stages.items():
            if any(seat.leg == leg for seat in seats):
                return self.deadlines_ms.get(name)
        return self.fallback.limit_ms(leg) if self.fallback else None

    def _stages(self) -> Mapping[str, tuple[Seat, ...]]:
        """Seats by the name of their stage, in the order in which stages come."""
        return {
            "first": self.first,
            "rest": self.rest,
            "further": tuple(seat for stage in self.further for seat in stage),
            "judge": () if self.judge is None else (self.judge,),
            "author": () if self.author is None else (self.author,),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Start this leg. ``messages`` None means the client's own; ``sample`` varies repeated sampling of one deployment."""

    leg: str
    messages: tuple[JsonObject, ...] | None = None
    sample: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Start these legs in parallel and come back when all have settled."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """How one reply counted. ``group``: index of its canonical answer among the distinct ones; None: no answer found."""

    leg: str
    group: int | None
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """Why this answer: goes into the record. ``gate`` is the reason the confidence gate opened, or None.

    ``confidence`` in millionths; ``confidence_method`` says what it is, "" where there is none. ``flags``: e.g. ``override-attempt``,
    ``no-majority``, ``dissent:panel-2``.
    """

    aggregator: AggregatorName
    method: str
    confidence: int
    votes: tuple[Vote, ...] = ()
    gate: str | None = None
    flags: tuple[str, ...] = ()
    confidence_method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """The answer is the reply of ``leg``, as it stands; None: every leg failed and there is no answer.

    ``joined``: legs whose replies, one for each part of the prompt, are the answer together, in order; ``leg`` is the first.
    """

    leg: str | None
    basis: Basis
    joined: tuple[str, ...] = ()


Step = Calls | Final


class Aggregator(Protocol):
    """One way of composing; implementations hold no state."""

    def __call__(self, composition: Composition, replies: tuple[Reply, ...]) -> Step:
        """Next step after these replies, in the order in which legs were asked."""
        ...
