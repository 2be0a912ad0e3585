"""Plans over any catalogue: prices of nothing and of fortunes, shares of none and of all, one maker, nobody measured, some barred."""

from types import MappingProxyType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.records import Bounds
from proxy.core import planning
from proxy.core.aggregation.steps import CHOOSABLE, AggregatorName
from proxy.core.catalogue import Catalogue, Deployment
from proxy.core.intent import Intent, IntentKind
from proxy.core.question import Defaults, Question
from proxy.core.ranking import within
from proxy.core.request import TaskClass
from proxy.core.routing.cascade import Mode
from proxy.core.seats import MAX_FALLBACKS, Plan
from tests.unit.proxy.core.test_enforcement import catalogue, deployment, question

PRICES = st.one_of(st.just(0), st.integers(0, 1_000), st.integers(10**5, 10**8), st.just(10**15))
SHARES = st.one_of(st.just(0), st.just(1_000_000), st.integers(0, 1_000_000))
TASKS = st.sampled_from(list(TaskClass))
ALONE = {AggregatorName.SINGLE, AggregatorName.SELF_FUSION}
"""Of one model. A panel of several samples a model only where nobody else is permitted."""


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    one_maker, models = draw(st.booleans()), draw(st.integers(1, 9))
    return catalogue(
        *(
            deployment(
                f"o{i}/m{draw(st.integers(1, models))}",
                developer="one" if one_maker else f"maker-{i % 4}",
                price=draw(PRICES),
                measured=MappingProxyType(draw(st.dictionaries(TASKS, SHARES, max_size=3))),
                latency_ms=draw(st.sampled_from((0, 1, 500, 10_000_000))),
                typical_output=MappingProxyType(draw(st.dictionaries(TASKS, st.integers(0, 5_000), max_size=2))),
            )
            for i in range(draw(st.integers(1, 8)))
        )
    )


@st.composite
def questions(draw: st.DrawFn) -> Question:
    wanted = Intent(
        model="apostille/fusion",
        kind=IntentKind.COMPOSITE,
        aggregator=draw(st.none() | st.sampled_from(sorted(CHOOSABLE))),
        mode=draw(st.sampled_from(list(Mode))),
    )
    ratios = st.integers(0, 3_000_000)
    return question(
        draw(catalogues()),
        wanted,
        task=draw(TASKS),
        comparable=draw(st.booleans()),
        examples=draw(st.booleans()),
        defaults=Defaults(sandbox=True, standard_ratio=draw(st.sampled_from((0.0, 0.64, 1e6)))),
        min_panel=draw(st.none() | st.integers(1, 16)),
        bounds=Bounds(min_quality=draw(st.none() | ratios), max_price=draw(st.none() | ratios)),
    )


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(questions(), st.data())
def test_a_plan_seats_nobody_barred_or_twice_and_stand_ins_keep_the_bounds(
    asked: Question, data: st.DataObject
) -> None:
    everyone = asked.catalogue.deployments
    barred = data.draw(st.sets(st.sampled_from(sorted(everyone))))
    plan = planning.plan(asked, lambda each: each.id not in barred)
    assert (plan is None) is (len(barred) == len(everyone))
    if plan is None:
        return
    slots = plan.slots()
    assert len({slot.leg for slot in slots}) == len(slots)
    for slot in slots:
        ids = [each.id for each in slot.options]
        assert not barred.intersection(ids)
        assert len(set(ids)) == len(ids) <= MAX_FALLBACKS + 1
    _seats_hold(asked, plan, len({each.model for each in everyone.values() if each.id not in barred}))


def _seats_hold(asked: Question, plan: Plan, permitted: int) -> None:
    members = (*plan.first, *plan.rest)
    models = list(dict.fromkeys(slot.primary.model for slot in members))
    least = asked.min_panel or asked.defaults.min_panel
    if not {plan.aggregator, asked.intent.aggregator} & ALONE:
        assert len(models) >= min(least, permitted)
        assert len(members) >= least or len(models) == 1
        assert len(members) == len(models) or len(models) == permitted
    assert plan.aggregator is not AggregatorName.EXAMPLES or len(members) <= max(planning.MAX_PROGRAMS, least)
    if plan.aggregator is AggregatorName.AGREEMENT_GATE:
        seated = {slot.primary.model: slot for slot in reversed(members)}
        behind = [model for slot in seated.values() for model in {each.model for each in slot.options}]
        assert len(set(behind)) == len(behind)
    for slot in members:
        assert all(_may_stand_in(asked, slot.primary, each) for each in slot.options)


def _may_stand_in(asked: Question, first: Deployment, other: Deployment) -> bool:
    return other.model == first.model or within(asked, first, other)
