"""Which deployments would answer, in which seats: a plan over whatever part of the catalogue is allowed.

Pure. The same function plans twice: over everything (what the client asked for) and over what the policy permits (what may
happen); ``enforcement`` compares the two, so that exclusions name what would have been called. A plan permits nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from audit.vocabulary import Role
from proxy.core import cost, seats
from proxy.core.aggregation.steps import AggregatorName
from proxy.core.catalogue import Deployment
from proxy.core.intent import IntentKind
from proxy.core.question import Allowed, Question
from proxy.core.ranking import expert, ranked, reliability, substitutes, within
from proxy.core.request import OnOutage, OnRefusal, OnRestricted, TaskClass
from proxy.core.routing import cascade, preferred, trials
from proxy.core.routing.cascade import Mode
from proxy.core.seats import MAX_FALLBACKS, READ_BY_OTHERS, Plan, Readers, Slot

SELF_SAMPLES = 3
"""Samples of the one permitted model where policy leaves no panel: the smallest number with a majority."""
JUDGED_PANEL = 3
"""Candidates that another model reads: more cost more, and judges grow less reliable with length."""
MAX_PROGRAMS = 3
"""Models that are asked for a program before the best of what they wrote is taken."""
ABOUT_AS_LITTLE, ABOUT_AS_GOOD = 1.25, 50_000
"""What a stand-in of those asked at once may cost against the model whose seat it takes, and by how much it may be right less often,
millionths."""
MAX_RUNGS = 4
"""Steps of a cascade that the router makes."""


def plan(question: Question, allowed: Allowed) -> Plan | None:
    """The best plan over the allowed deployments; None if nobody may answer."""
    if question.parts:
        return _apart(question, allowed)
    match question.intent.kind:
        case IntentKind.NAMED:
            return _named(question, allowed)
        case IntentKind.AUTO:
            pool = tuple(filter(allowed, question.pool()))
            experts = tuple(expert(each, question.task) for each in pool)
            order = preferred.order(experts, question.preference)
            if order is None:
                return _single(question, ranked(question, pool))
            return _single(question, [pool[i] for i in order])
        case IntentKind.COMPOSITE:
            return _composite(question, allowed)


def _apart(question: Question, allowed: Allowed) -> Plan | None:
    """A plan for each part, as if it had come alone."""
    plans = [
        plan(
            replace(question, task=TaskClass(part.task), comparable=part.comparable, examples=False, parts=()), allowed
        )
        for part in question.parts
    ]
    found = [each for each in plans if each is not None]
    return seats.together(found) if len(found) == len(plans) else None


# --- one model --------------------------------------------------------------------------------------------------------


def _named(question: Question, allowed: Allowed) -> Plan | None:
    named = question.intent.named
    options = tuple(filter(allowed, named))
    if not options and question.on_restricted is OnRestricted.SUBSTITUTE:
        options = substitutes(question, named, allowed)
    elif options and question.may_hop():
        options = (*options[:MAX_FALLBACKS], *substitutes(question, named, allowed))
    if question.on_outage is OnOutage.FAIL and question.on_refusal is OnRefusal.REFUSE:
        options = options[:1]
    return _single(question, options)


def _single(question: Question, options: Sequence[Deployment]) -> Plan | None:
    if not options:
        return None
    slot = Slot(leg="author", role=Role.AUTHOR, options=tuple(options[: MAX_FALLBACKS + 1]))
    return Plan(aggregator=AggregatorName.SINGLE, first=(slot,))


# --- composites -------------------------------------------------------------------------------------------------------


def _composite(question: Question, allowed: Allowed) -> Plan | None:
    found = _composed(question, allowed)
    return None if found is None else _secured(question, allowed, found)


def _secured(question: Question, allowed: Allowed, found: Plan) -> Plan:
    """A plan with what its pipeline declares besides: a check, a fallback, deadlines of stages."""
    intent = question.intent
    behind = None if intent.fallback is None else _composite(replace(question, intent=intent.fallback), allowed)
    return replace(
        found,
        verify=intent.verifier is not None,
        verifier=None if intent.verifier is None else _verifier(question, allowed, found, intent.verifier),
        fallback=None if behind is None else behind.behind(),
        deadlines_ms=intent.deadlines_ms,
    )


def _verifier(question: Question, allowed: Allowed, found: Plan, name: str) -> Slot | None:
    """Who checks: the model that was named, else a stand-in; nobody that may have written the answer."""
    answering = (*found.first, *found.rest, *(() if found.author is None else (found.author,)))
    writing = {deployment.model for slot in answering for deployment in slot.options}
    named = question.catalogue.named(name)
    options = [d for d in filter(allowed, named) if d.model not in writing]
    if not options and question.on_restricted is OnRestricted.SUBSTITUTE:
        others = [d for d in substitutes(question, named, allowed) if d.model not in writing]
        options = list(seats.same_model(others[0], others)) if others else []
    return Slot(leg="verifier", role=Role.VERIFIER, options=tuple(options[: MAX_FALLBACKS + 1])) if options else None


def _composed(question: Question, allowed: Allowed) -> Plan | None:
    permitted = ranked(question, filter(allowed, question.pool()))
    if not permitted:
        return None
    if not question.intent.panel:
        return _chosen(question, permitted) or _self_fusion(question, permitted)
    found = _seated(question, allowed)
    members = {slot.primary.model for slot in (*found.first, *found.rest)} if found else set()
    if found is not None and (
        found.aggregator in (AggregatorName.SINGLE, AggregatorName.SELF_FUSION)
        or len(members) >= _wanted(question, found)
    ):
        return found
    # nobody answers that was not named, or stands in for one that was
    named = {d.id: d for slot in ((*found.first, *found.rest) if found else ()) for d in slot.options}
    if named or question.on_restricted is OnRestricted.REFUSE:
        permitted = ranked(question, named.values())
    return _self_fusion(question, permitted) if permitted else None


def _least(question: Question) -> int:
    """Members that a panel must have, by the request or else by the operator."""
    return question.min_panel or question.defaults.min_panel


def _wanted(question: Question, found: Plan) -> int:
    """Models that a named panel must have. Where the best of several samples is asked for by name, as many as were named."""
    wanted = _least(question)
    if found.aggregator is not AggregatorName.BEST_OF_N or not question.intent.panel:
        return wanted
    named = (*question.intent.panel, *question.intent.rest)
    models = {deployment.model for name in named for deployment in question.catalogue.named(name)}
    return min(wanted, len(models)) if len(named) > len(models) else wanted


def _self_fusion(question: Question, permitted: Sequence[Deployment]) -> Plan:
    """Policy left no panel: sample the best permitted model several times (the measured best substitute)."""
    options = seats.same_model(permitted[0], permitted)
    aggregator = AggregatorName.EXAMPLES if question.examples else AggregatorName.SELF_FUSION
    first = tuple(Slot(leg=f"sample-{i + 1}", role=Role.PANEL, options=options) for i in range(SELF_SAMPLES))
    if aggregator is AggregatorName.EXAMPLES:
        return Plan(aggregator=aggregator, first=first[:1], rest=first[1:], threshold=_threshold(question))
    return Plan(aggregator=aggregator, first=first, threshold=_threshold(question))


def _filling(question: Question, seated: Sequence[Slot], permitted: Sequence[Deployment]) -> tuple[Slot, ...]:
    """Samples of the best model for the seats that a panel must have besides, where nobody else is permitted."""
    options = seats.same_model(permitted[0], permitted)
    numbers = range(len(seated) + 1, _least(question) + 1)
    return tuple(Slot(leg=f"panel-{i}", role=Role.PANEL, options=options) for i in numbers)


def _chosen(question: Question, permitted: Sequence[Deployment]) -> Plan | None:
    """The router's composition: a cascade where answers can be compared, else the best model or a judged panel."""
    wanted = question.intent.aggregator
    open_ended = not question.comparable
    if wanted in (None, AggregatorName.EXAMPLES) and question.examples:
        return _tried(question, permitted)
    wanted = None if wanted is AggregatorName.EXAMPLES else wanted
    if wanted is None and open_ended and question.intent.mode is Mode.HIGH:
        wanted = AggregatorName.JUDGE_AUTHOR
    if wanted is AggregatorName.SINGLE or (wanted is None and open_ended):
        return _single(question, _behind(question, permitted[0], permitted))
    if wanted in READ_BY_OTHERS:
        return _read_by_others(question, wanted, permitted)
    if wanted is AggregatorName.SELF_FUSION:
        return _self_fusion(question, permitted)
    if wanted is AggregatorName.CASCADE:
        return _rungs(question, permitted)
    return _cascade(question, permitted, wanted or AggregatorName.AGREEMENT_GATE)


def _tried(question: Question, permitted: Sequence[Deployment]) -> Plan | None:
    """Models whose programs are run, one after the other, until one passes the examples of its task."""
    models = {d.id: d for d in seats.distinct(permitted)}
    if len(models) < 2:
        return None
    order = trials.order(
        [expert(d, question.task) for d in models.values()],
        question.intent.mode,
        question.defaults.ratio(question.intent.mode),
        cost.reference(question, permitted),
        max(MAX_PROGRAMS, _least(question)),
    )
    found = seats.panel((models[each] for each in order), permitted)
    found += _filling(question, found, permitted)
    return Plan(aggregator=AggregatorName.EXAMPLES, first=found[:1], rest=found[1:], threshold=_threshold(question))


def _rungs(question: Question, permitted: Sequence[Deployment]) -> Plan | None:
    """A cascade over models, cheapest first, each measured better than the one before it, as far as the best; then, where nobody is
    cheaper than the best or the panel must have more, the next best."""
    models = seats.distinct(permitted)
    if len(models) < 2:
        return None
    best, others = models[0], models[1:]
    most = expert(best, question.task).cost
    cheaper = sorted(
        (d for d in others if expert(d, question.task).cost < most), key=lambda d: expert(d, question.task).cost
    )
    rungs: list[Deployment] = []
    for each in cheaper:
        floor = reliability(rungs[-1], question.task) if rungs else -1
        if floor < reliability(each, question.task) < reliability(best, question.task):
            rungs.append(each)
    many = max(MAX_RUNGS, _least(question))
    steps = [*rungs[: many - 1], best] if rungs else [best, *others[: many - 1]]
    steps += [d for d in others if d not in steps][: max(0, _least(question) - len(steps))]
    found = seats.panel(steps, permitted)
    found += _filling(question, found, permitted)
    return Plan(aggregator=AggregatorName.CASCADE, first=found[:1], rest=found[1:], threshold=_threshold(question))


def _cascade(question: Question, permitted: Sequence[Deployment], aggregator: AggregatorName) -> Plan | None:
    best_of = {d.model: d for d in reversed(seats.distinct(permitted))}
    if len(best_of) < 2:
        return None
    experts = {d.id: expert(d, question.task) for d in best_of.values()}
    free = question.intent.aggregator is None and question.min_panel is None
    measured = tuple(experts[d.id] for d in best_of.values() if free and d.share(question.task) is not None)
    chosen = cascade.choose(
        tuple(experts.values()),
        question.task,
        question.intent.mode,
        ratio=question.defaults.ratio(question.intent.mode),
        reference=cost.reference(question, permitted),
        alone=measured,
        seats=_least(question),
    )
    by_id = {d.id: d for d in best_of.values()}
    if len(chosen.first) == 1:
        return _single(question, _behind(question, by_id[chosen.first[0]], permitted))
    first = seats.panel((by_id[each] for each in chosen.first), permitted)
    rest = seats.panel((by_id[each] for each in chosen.rest), permitted, start=1 + len(chosen.first))
    first, rest = seats.with_stand_ins(first, rest, permitted, partial(_alike, question), partial(within, question))
    rest += _filling(question, (*first, *rest), permitted)
    return Plan(aggregator=aggregator, first=first, rest=rest, threshold=_threshold(question))


def _behind(question: Question, best: Deployment, permitted: Sequence[Deployment]) -> tuple[Deployment, ...]:
    """A model that a composite asks alone, then the same elsewhere, then others that keep the tenant's bounds, best first."""
    others = [d for d in permitted if d.model != best.model and within(question, best, d)]
    return (*seats.same_model(best, permitted), *others)


def _alike(question: Question, seated: Deployment, other: Deployment) -> bool:
    """Whether another model is about as good for the task, and costs about as little."""
    has, would_have = expert(seated, question.task), expert(other, question.task)
    cheap = would_have.cost <= has.cost * ABOUT_AS_LITTLE
    return cheap and would_have.reliability >= has.reliability - ABOUT_AS_GOOD


def _seated(question: Question, allowed: Allowed) -> Plan | None:
    """Seats by name; a seat whose models are all barred goes to a stand-in that has no seat yet, or stays empty."""
    intent = question.intent
    everyone = frozenset(d.model for name in (*intent.panel, *intent.rest) for d in question.catalogue.named(name))
    taken: set[str] = set()

    def seat(leg: str, name: str, role: Role = Role.PANEL) -> Slot | None:
        named = question.catalogue.named(name)
        options = tuple(filter(allowed, named))
        if not options and question.on_restricted is OnRestricted.SUBSTITUTE:
            free = [d for d in substitutes(question, named, allowed) if role is not Role.PANEL or d.model not in taken]
            fresh = [d for d in free if d.model not in everyone] if role is Role.PANEL else free
            options = seats.same_model(fresh[0], fresh) if fresh else ()
        if not options:
            return None
        if role is Role.PANEL:
            taken.add(options[0].model)
        return Slot(leg=leg, role=role, options=options[: MAX_FALLBACKS + 1])

    members = [seat(f"panel-{i + 1}", name) for i, name in enumerate((*intent.panel, *intent.rest))]
    first = tuple(s for s in members[: len(intent.panel)] if s is not None)
    rest = tuple(s for s in members[len(intent.panel) :] if s is not None)
    if not first:
        first, rest = rest, ()
    if not first:
        return None
    best = ranked(question, filter(allowed, question.pool()))
    readers = Readers(
        judge=seat("judge", intent.judge, Role.JUDGE) if intent.judge else seats.writer("judge", Role.JUDGE, best),
        author=seat("author", intent.author, Role.AUTHOR)
        if intent.author
        else seats.writer("author", Role.AUTHOR, best),
        layers=intent.layers,
    )
    aggregator = intent.aggregator
    if aggregator is None or (aggregator is AggregatorName.EXAMPLES and not question.examples):
        aggregator = _default_aggregator(question)
    return seats.composed(aggregator, first, rest, readers, _threshold(question))


def _default_aggregator(question: Question) -> AggregatorName:
    if question.examples:
        return AggregatorName.EXAMPLES
    return AggregatorName.WEIGHTED_VOTE if question.comparable else AggregatorName.JUDGE_AUTHOR


def _read_by_others(question: Question, aggregator: AggregatorName, permitted: Sequence[Deployment]) -> Plan | None:
    """The best models of the task, read by the very best, but for those that are dearer and hardly better.

    What such a panel costs is not bounded by the mode's ratio: an author that reads three candidates costs more than
    that by itself, at the price of the model that is the measure.
    """
    permitted = cost.worthwhile(question, permitted)
    chosen = seats.distinct(permitted)[: max(JUDGED_PANEL, _least(question))]
    if len(chosen) < 2:
        return None
    panel = seats.panel(chosen, permitted)
    panel += _filling(question, panel, permitted)
    readers = Readers(
        judge=seats.writer("judge", Role.JUDGE, permitted),
        author=seats.writer("author", Role.AUTHOR, permitted),
        layers=question.intent.layers,
    )
    return seats.composed(aggregator, panel, (), readers, _threshold(question))


def _threshold(question: Question) -> int:
    own = question.intent.threshold
    return question.defaults.threshold if own is None else own
