"""Seats of a plan: which legs a composition has, and which deployments may take each of them.

Pure. Every leg that an aggregator may ask is a slot here before the first call, the checks of cross-validation and the layers of a
mixture as well: so each is decided, counted and admitted like any other. An aggregator gets no seat that it does not use.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audit.vocabulary import Role
from proxy.core.aggregation.steps import AggregatorName
from proxy.core.catalogue import Deployment

MAX_FALLBACKS = 3
"""Most further deployments behind a leg's first choice."""
DEFAULT_LAYERS = 2
"""Proposing layers of a mixture of agents, the panel counted."""

FALLBACK_LEG = "fallback-"
"""What names of legs of a fallback begin with."""

READ_BY_OTHERS = frozenset(
    {
        AggregatorName.JUDGE_AUTHOR,
        AggregatorName.BEST_OF_N,
        AggregatorName.CROSS_VALIDATION,
        AggregatorName.MIXTURE,
    }
)
"""Aggregators in which a model reads what others answered; ``rest`` is their reserve."""
_JUDGED = frozenset({AggregatorName.JUDGE_AUTHOR, AggregatorName.BEST_OF_N})
_WRITTEN = frozenset({AggregatorName.JUDGE_AUTHOR, AggregatorName.MIXTURE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A leg with the deployments that may take it, first choice first; never empty."""

    leg: str
    role: Role
    options: tuple[Deployment, ...]

    @property
    def primary(self) -> Deployment:
        """First choice."""
        return self.options[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Seats of one request. ``first`` are asked at once, ``rest`` when the confidence gate opens, ``further`` stage by stage.
    ``verify``: an answer below the threshold is checked, by the ``verifier`` where policy left one; ``fallback``: another plan, asked
    where there is no answer that holds; ``deadlines_ms``: by stage (``steps.STAGES``).

    ``parts``: a plan for each part of a prompt that was taken apart; their seats are then this plan's ``first``.
    """

    aggregator: AggregatorName
    first: tuple[Slot, ...]
    rest: tuple[Slot, ...] = ()
    further: tuple[tuple[Slot, ...], ...] = ()
    judge: Slot | None = None
    author: Slot | None = None
    threshold: int = 0
    parts: tuple["Plan", ...] = ()
    verify: bool = False
    verifier: Slot | None = None
    fallback: "Plan | None" = None
    deadlines_ms: Mapping[str, int] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether one model answers, and nobody reads what it says."""
        return self.aggregator is AggregatorName.SINGLE and not self.verify and self.fallback is None

    def slots(self) -> tuple[Slot, ...]:
        """All seats."""
        return (*self.first, *self.rest, *self.readers(), *(self.fallback.slots() if self.fallback else ()))

    def readers(self) -> tuple[Slot, ...]:
        """Seats that read what others answered, without those of the fallback."""
        if not (self.further or self.judge or self.author or self.verifier):
            return ()
        writers = tuple(s for s in (self.judge, self.author, self.verifier) if s is not None)
        return (*(slot for stage in self.further for slot in stage), *writers)

    def reading(self) -> frozenset[str]:
        """Legs that read what others answered, those of the parts and of the fallback too."""
        within = (*self.parts, *(() if self.fallback is None else (self.fallback,)))
        return frozenset(slot.leg for slot in self.readers()).union(*(each.reading() for each in within))

    def behind(self) -> "Plan":
        """The same plan as another's fallback: its legs have names of their own."""
        return self.named(FALLBACK_LEG)

    def named(self, prefix: str) -> "Plan":
        """The same plan, whose legs' names begin with ``prefix``."""

        def one(slot: Slot | None) -> Slot | None:
            return None if slot is None else replace(slot, leg=prefix + slot.leg)

        def every(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
            return tuple(replace(slot, leg=prefix + slot.leg) for slot in slots)

        return replace(
            self,
            first=every(self.first),
            rest=every(self.rest),
            further=tuple(map(every, self.further)),
            judge=one(self.judge),
            author=one(self.author),
            verifier=one(self.verifier),
            fallback=None if self.fallback is None else self.fallback.named(prefix),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """Who may judge and who may write, and how many layers propose."""

    judge: Slot | None
    author: Slot | None
    layers: int = DEFAULT_LAYERS


def composed(
    aggregator: AggregatorName, first: tuple[Slot, ...], rest: tuple[Slot, ...], readers: Readers, threshold: int
) -> Plan:
    """A plan with the seats that its aggregator uses."""
    return Plan(
        aggregator=aggregator,
        first=first,
        rest=rest,
        further=_further(aggregator, first, rest, readers.layers),
        judge=readers.judge if aggregator in _JUDGED else None,
        author=readers.author if aggregator in _WRITTEN else None,
        threshold=threshold,
    )


def together(plans: Sequence[Plan]) -> Plan:
    """One plan of the plans of parts, in order; their legs are told apart by the part's number."""
    parts = tuple(plan.named(f"part-{i}.") for i, plan in enumerate(plans, start=1))
    return Plan(
        aggregator=AggregatorName.PARTS, first=tuple(slot for part in parts for slot in part.slots()), parts=parts
    )


def _further(
    aggregator: AggregatorName, first: Sequence[Slot], rest: Sequence[Slot], layers: int
) -> tuple[tuple[Slot, ...], ...]:
    """Stages after the panel, by the same deployments: one check for each member, or the panel again in each layer."""
    if aggregator is AggregatorName.CROSS_VALIDATION:
        members = enumerate((*first, *rest), start=1)
        return (tuple(Slot(leg=f"check-{i}", role=Role.VERIFIER, options=slot.options) for i, slot in members),)
    if aggregator is AggregatorName.MIXTURE:
        return tuple(
            tuple(
                Slot(leg=f"layer-{layer}-{i}", role=Role.PANEL, options=slot.options)
                for i, slot in enumerate(first, start=1)
            )
            for layer in range(2, layers + 1)
        )
    return ()


def panel(members: Iterable[Deployment], permitted: Sequence[Deployment], start: int = 1) -> tuple[Slot, ...]:
    """Panel seats, numbered; each may fail over to the very same model elsewhere, and to no other."""
    return tuple(
        Slot(leg=f"panel-{i}", role=Role.PANEL, options=same_model(member, permitted))
        for i, member in enumerate(members, start=start)
    )


def with_stand_ins(
    first: tuple[Slot, ...],
    rest: tuple[Slot, ...],
    permitted: Sequence[Deployment],
    alike: Callable[[Deployment, Deployment], bool],
    within: Callable[[Deployment, Deployment], bool],
) -> tuple[tuple[Slot, ...], tuple[Slot, ...]]:
    """A cascade's seats, with other models behind those that have to be taken; no model is behind two of them.

    ``permitted``: best first. Behind the first of an escalation is the best without a seat: somebody has to answer. Behind each
    of those asked at once is the best of the others that is about as good and costs about as little (``alike``): one provider's
    outage is no disagreement, and with a poor stand-in it would be one. Without a stand-in the strong one is asked instead.
    ``within``: whether the second keeps the tenant's bounds where it stands in for the first.
    """
    taken = {slot.primary.model for slot in (*first, *rest)}
    free = [d for d in distinct(permitted) if d.model not in taken]
    strong = [d for d in free if within(rest[0].primary, d)][:1] if rest else []
    free = [d for d in free if d not in strong]
    backed = []
    for slot in first:
        stand_in = next((d for d in free if alike(slot.primary, d) and within(slot.primary, d)), None)
        free = [d for d in free if d is not stand_in]
        backed.append(slot if stand_in is None else _behind(slot, (stand_in,)))
    if not rest:
        return tuple(backed), ()
    others = [d for d in free if within(rest[0].primary, d)]
    return tuple(backed), (_behind(rest[0], (*strong, *others)), *rest[1:])


def _behind(slot: Slot, others: Sequence[Deployment]) -> Slot:
    return replace(slot, options=(*slot.options, *others)[: MAX_FALLBACKS + 1])


def writer(leg: str, role: Role, best: Sequence[Deployment]) -> Slot | None:
    """A judge or an author: the best that there is, and others behind it."""
    return Slot(leg=leg, role=role, options=tuple(best[: MAX_FALLBACKS + 1])) if best else None


def same_model(primary: Deployment, permitted: Iterable[Deployment]) -> tuple[Deployment, ...]:
    """The deployment with others of the very same model behind it: a panel member may fail over, not change."""
    others = [d for d in permitted if d.model == primary.model and d.id != primary.id]
    return (primary, *others[:MAX_FALLBACKS])


def distinct(deployments: Iterable[Deployment]) -> tuple[Deployment, ...]:
    """First deployment of every model, order kept."""
    found: dict[str, Deployment] = {}
    for deployment in deployments:
        found.setdefault(deployment.model, deployment)
    return tuple(found.values())
