"""Seats of the aggregators: every leg that may be asked is a slot of the plan, decided and admitted; none is more than it needs."""

from dataclasses import replace

import pytest

from audit.records import Bounds, Part
from audit.vocabulary import DecisionOutcome, Role
from proxy.core.aggregation import next_step
from proxy.core.aggregation.steps import CHOOSABLE, AggregatorName, Calls, Composition, Seat
from proxy.core.enforcement import AdmittedPlan, Refused
from proxy.core.intent import Intent, IntentKind
from proxy.core.request import OnRestricted, TaskClass
from proxy.core.routing.cascade import Mode
from tests.unit.proxy.core.test_enforcement import FOUR, catalogue, deployment, enforced, question


def chosen(aggregator: AggregatorName) -> Intent:
    return Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE, aggregator=aggregator)


def declared(aggregator: AggregatorName, *panel: str, layers: int = 2) -> Intent:
    return Intent(model="own", kind=IntentKind.COMPOSITE, aggregator=aggregator, panel=panel, layers=layers)


def admitted(intent: Intent, denied: tuple[str, ...] = ()) -> AdmittedPlan:
    found = enforced(question(FOUR, intent), denied)
    assert isinstance(found, AdmittedPlan)
    return found


@pytest.mark.parametrize(
    ("aggregator", "legs"),
    [
        (AggregatorName.BEST_OF_N, "panel-1 panel-2 panel-3 judge"),
        (AggregatorName.JUDGE_AUTHOR, "panel-1 panel-2 panel-3 judge author"),
        (AggregatorName.CROSS_VALIDATION, "panel-1 panel-2 panel-3 check-1 check-2 check-3"),
        (AggregatorName.MIXTURE, "panel-1 panel-2 panel-3 layer-2-1 layer-2-2 layer-2-3 author"),
        (AggregatorName.CASCADE, "panel-1 panel-2 panel-3 panel-4"),
        (AggregatorName.MAJORITY, "panel-1 panel-2 panel-3"),
        (AggregatorName.SELF_FUSION, "sample-1 sample-2 sample-3"),
        (AggregatorName.SINGLE, "author"),
    ],
)
def test_the_legs_of_an_aggregator_that_the_router_seats(aggregator: AggregatorName, legs: str) -> None:
    found = admitted(chosen(aggregator))
    assert found.plan.aggregator is aggregator
    assert list(found.calls) == legs.split()


def test_the_members_of_a_panel_check_and_propose_again_with_their_own_deployments() -> None:
    found = admitted(declared(AggregatorName.CROSS_VALIDATION, "small", "large"))
    assert {leg: calls[0].deployment.id for leg, calls in found.calls.items()} == {
        "panel-1": "n/small",
        "panel-2": "n/large",
        "check-1": "n/small",
        "check-2": "n/large",
    }
    assert found.calls["check-1"][0].role is Role.VERIFIER


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_mixture_has_the_layers_that_were_declared(layers: int) -> None:
    found = admitted(declared(AggregatorName.MIXTURE, "small", "large", layers=layers))
    assert len(found.plan.further) == layers - 1
    assert found.calls["author"][0].deployment.id == "x/best"


def test_a_cascade_goes_from_the_cheapest_to_the_best() -> None:
    found = admitted(chosen(AggregatorName.CASCADE))
    order = [slot.primary.id for slot in (*found.plan.first, *found.plan.rest)]
    assert order == ["n/small", "n/middle", "n/large", "x/best"]
    assert len(found.plan.first) == 1


def test_a_cascade_begins_with_nobody_who_is_dearer_than_the_best() -> None:
    cheap_best = catalogue(
        deployment("n/best", quality=900_000, price=100_000),
        deployment("n/dear", quality=700_000, price=9_000_000),
        deployment("n/cheaper", quality=600_000, price=50_000),
    )
    alone = catalogue(*(d for d in cheap_best.deployments.values() if d.id != "n/cheaper"))
    for found, order in ((cheap_best, ["n/cheaper", "n/best"]), (alone, ["n/best", "n/dear"])):
        plan = enforced(question(found, chosen(AggregatorName.CASCADE)))
        assert isinstance(plan, AdmittedPlan)
        assert [slot.primary.id for slot in (*plan.plan.first, *plan.plan.rest)] == order


def test_a_composite_that_spoils_its_best_model_is_that_model_unless_a_panel_is_asked_for() -> None:
    spoilt = catalogue(
        deployment("n/best", quality=920_000, price=100_000),
        deployment("n/poor", quality=500_000, price=9_000_000),
        deployment("n/fair", quality=600_000, price=1_000_000),
    )
    fusion = Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE)
    for asked, aggregator in (
        (question(spoilt, fusion), AggregatorName.SINGLE),
        (question(spoilt, fusion, min_panel=2), AggregatorName.AGREEMENT_GATE),
        (question(spoilt, chosen(AggregatorName.AGREEMENT_GATE)), AggregatorName.AGREEMENT_GATE),
        (question(spoilt, fusion, task=TaskClass.FACTUAL), AggregatorName.AGREEMENT_GATE),
    ):
        plan = enforced(asked)
        assert isinstance(plan, AdmittedPlan)
        assert plan.plan.aggregator is aggregator
        assert plan.plan.first[0].primary.id == "n/best" or aggregator is not AggregatorName.SINGLE


@pytest.mark.parametrize("comparable", [True, False])
def test_behind_a_model_that_a_composite_asks_alone_are_the_same_elsewhere_then_those_within_the_bounds(
    comparable: bool,
) -> None:
    spoilt = catalogue(
        deployment("n/best", quality=920_000, price=100_000),
        deployment("n/poor", quality=500_000, price=9_000_000),
        deployment("n/fair", quality=600_000, price=110_000),
        deployment("dear/best", quality=920_000, price=8_000_000, measured={TaskClass.MATH: 400_000}),
    )
    fusion = Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE)
    for bounds, behind in ((Bounds(), ["n/fair", "n/poor"]), (Bounds(max_price=2_000_000), ["n/fair"])):
        plan = enforced(question(spoilt, fusion, bounds=bounds, comparable=comparable))
        assert isinstance(plan, AdmittedPlan)
        assert [d.id for d in plan.plan.first[0].options] == ["n/best", "dear/best", *behind]


@pytest.mark.parametrize("panel", [("small",), ("small", "small"), ("small", "best")])
def test_where_a_named_panel_shrinks_nobody_answers_that_was_not_named(panel: tuple[str, ...]) -> None:
    asked = question(FOUR, declared(AggregatorName.MAJORITY, *panel), on_restricted=OnRestricted.REFUSE)
    found = enforced(asked, ("x/best",))
    assert isinstance(found, AdmittedPlan)
    assert {call.deployment.id for calls in found.calls.values() for call in calls} == {"n/small"}
    nobody = question(FOUR, declared(AggregatorName.MAJORITY, "best"), on_restricted=OnRestricted.REFUSE)
    assert isinstance(enforced(nobody, ("x/best",)), Refused)


def test_programs_are_tried_with_different_models_where_the_best_is_cheap() -> None:
    """Nobody is cheaper than a share of the cheapest: the composite is of several models all the same."""
    cheap = catalogue(
        deployment("n/best", quality=880_000, price=100_000),
        deployment("n/next", quality=850_000, price=500_000),
        deployment("n/poor", quality=500_000, price=20_000),
    )
    asked = replace(question(cheap, Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE)), examples=True)
    found = enforced(asked)
    assert isinstance(found, AdmittedPlan)
    assert [slot.primary.id for slot in (*found.plan.first, *found.plan.rest)] == ["n/best", "n/next", "n/poor"]
    assert len(found.plan.first) == 1


def test_samples_of_one_model_may_be_asked_for_by_name() -> None:
    found = admitted(declared(AggregatorName.BEST_OF_N, "small", "small", "small"))
    assert found.plan.aggregator is AggregatorName.BEST_OF_N
    assert [slot.primary.id for slot in found.plan.first] == ["n/small"] * 3


@pytest.mark.parametrize("aggregator", sorted(set(CHOOSABLE) - {AggregatorName.SINGLE}))
def test_a_panel_that_policy_shrinks_to_one_becomes_samples_of_it_and_is_degraded(aggregator: AggregatorName) -> None:
    found = admitted(chosen(aggregator), ("x/best", "n/large", "n/middle"))
    assert found.plan.aggregator is AggregatorName.SELF_FUSION
    if aggregator is not AggregatorName.SELF_FUSION:
        assert found.outcome is DecisionOutcome.DEGRADED


@pytest.mark.parametrize("aggregator", sorted(CHOOSABLE))
def test_a_barred_deployment_has_no_seat_in_any_stage(aggregator: AggregatorName) -> None:
    found = admitted(chosen(aggregator), ("x/best",))
    assert "x/best" not in {call.deployment.id for calls in found.calls.values() for call in calls}


@pytest.mark.parametrize("aggregator", sorted(CHOOSABLE))
def test_a_composition_never_asks_a_leg_that_was_not_admitted(aggregator: AggregatorName) -> None:
    found = admitted(chosen(aggregator))
    seats = {
        slot.leg: Seat(leg=slot.leg, role=slot.role, model=slot.primary.model, make="m", reliability=700_000)
        for slot in found.plan.slots()
    }
    composition = Composition(
        aggregator=aggregator,
        task=TaskClass.MATH,
        messages=(),
        first=tuple(seats[slot.leg] for slot in found.plan.first),
        rest=tuple(seats[slot.leg] for slot in found.plan.rest),
        further=tuple(tuple(seats[slot.leg] for slot in stage) for stage in found.plan.further),
        judge=seats.get("judge"),
        author=seats.get("author") if found.plan.author else None,
    )
    assert {seat.leg for seat in composition.seats()} == found.calls.keys()
    step = next_step(composition, ())
    assert isinstance(step, Calls)
    assert {ask.leg for ask in step.asks} <= found.calls.keys()


PARTS = (Part(task="math", comparable=True), Part(task="creative", comparable=False))


def taken_apart(denied: tuple[str, ...] = ()) -> AdmittedPlan:
    intent = Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE, decompose=True)
    found = enforced(replace(question(FOUR, intent), parts=PARTS), denied)
    assert isinstance(found, AdmittedPlan)
    return found


def test_each_part_has_the_seats_that_it_would_have_alone_under_its_own_number() -> None:
    found = taken_apart()
    assert found.plan.aggregator is AggregatorName.PARTS
    assert [part.aggregator for part in found.plan.parts] == [AggregatorName.AGREEMENT_GATE, AggregatorName.SINGLE]
    assert list(found.calls) == ["part-1.panel-1", "part-1.panel-2", "part-1.panel-3", "part-2.author"]
    assert [slot for part in found.plan.parts for slot in part.slots()] == list(found.plan.slots())


def test_a_barred_deployment_has_no_seat_in_any_part() -> None:
    found = taken_apart(("x/best",))
    assert "x/best" not in {call.deployment.id for calls in found.calls.values() for call in calls}
    assert {each.deployment for each in found.excluded} == {"x/best"}


def test_a_part_that_policy_leaves_one_model_is_degraded() -> None:
    denied = tuple(FOUR.deployments)[1:]
    found = taken_apart(denied)
    assert [part.aggregator for part in found.plan.parts] == [AggregatorName.SELF_FUSION, AggregatorName.SINGLE]
    assert found.outcome is DecisionOutcome.DEGRADED


def test_each_part_of_a_pipeline_has_a_verifier_and_a_fallback_of_its_own() -> None:
    """Under one name, a part would be given what the verifier said of another's answer."""
    behind = replace(declared(AggregatorName.JUDGE_AUTHOR, "middle", "large"), judge="large", author="large")
    intent = replace(declared(AggregatorName.SINGLE, "small"), verifier="best", fallback=behind)
    found = enforced(replace(question(FOUR, intent), parts=PARTS))
    assert isinstance(found, AdmittedPlan)
    alone = ["panel-1", "verifier", "fallback-panel-1", "fallback-panel-2", "fallback-judge", "fallback-author"]
    assert list(found.calls) == [f"part-{i}.{leg}" for i in (1, 2) for leg in alone]
    assert found.plan.reading() == {
        f"part-{i}.{leg}" for i in (1, 2) for leg in ("verifier", "fallback-judge", "fallback-author")
    }


SEVEN = catalogue(
    deployment("a/tiny", quality=600_000, price=100_000),
    deployment("a/small", quality=650_000, price=150_000),
    deployment("a/fair", quality=700_000, price=300_000),
    deployment("a/good", quality=720_000, price=400_000),
    deployment("a/large", quality=800_000, price=3_000_000),
    deployment("x/great", quality=880_000, price=4_500_000),
    deployment("x/best", quality=900_000, price=5_000_000),
)
BY_ROUTER = sorted(set(CHOOSABLE) - {AggregatorName.SINGLE, AggregatorName.SELF_FUSION})


def members(found: AdmittedPlan) -> list[str]:
    return [slot.primary.id for slot in (*found.plan.first, *found.plan.rest)]


@pytest.mark.parametrize("examples", [False, True])
@pytest.mark.parametrize("aggregator", BY_ROUTER)
@pytest.mark.parametrize("least", [4, 5])
def test_a_panel_has_as_many_different_models_as_were_asked_for(
    aggregator: AggregatorName, least: int, *, examples: bool
) -> None:
    asked = question(SEVEN, chosen(aggregator), min_panel=least, examples=examples)
    found = enforced(asked, ("x/best",))
    assert isinstance(found, AdmittedPlan)
    assert found.plan.aggregator is (
        AggregatorName.AGREEMENT_GATE if aggregator == "examples" and not examples else aggregator
    )
    assert len(set(members(found))) == len(members(found)) >= least


@pytest.mark.parametrize("aggregator", BY_ROUTER)
def test_samples_of_the_best_take_the_seats_that_no_other_model_may_have(aggregator: AggregatorName) -> None:
    found = enforced(question(FOUR, chosen(aggregator), min_panel=5, examples=True), ("x/best",))
    assert isinstance(found, AdmittedPlan)
    assert sorted(members(found)) == ["n/large"] * 3 + ["n/middle", "n/small"]
    assert found.outcome is DecisionOutcome.DEGRADED


@pytest.mark.parametrize("aggregator", [AggregatorName.JUDGE_AUTHOR, AggregatorName.BEST_OF_N, AggregatorName.MIXTURE])
def test_what_is_dearer_and_hardly_better_has_no_seat_among_those_that_are_read_nor_reads(
    aggregator: AggregatorName,
) -> None:
    priced = catalogue(
        deployment("n/luxury", quality=905_000, price=60_000_000),
        deployment("n/best", quality=900_000, price=2_000_000),
        deployment("n/good", quality=880_000, price=1_500_000),
        deployment("n/fair", quality=860_000, price=1_000_000),
        deployment("n/poor", quality=500_000, price=10_000),
    )
    for asked in (
        question(priced, chosen(aggregator)),
        question(priced, replace(chosen(aggregator), mode=Mode.HIGH)),
    ):
        found = enforced(asked)
        assert isinstance(found, AdmittedPlan)
        assert members(found) == ["n/best", "n/good", "n/fair"]
        for reader in (found.plan.judge, found.plan.author):
            assert reader is None or reader.primary.id == "n/best"


@pytest.mark.parametrize("mode", list(Mode))
def test_where_nobody_was_measured_the_large_models_are_read_and_read(mode: Mode) -> None:
    prices = {"n/tiny": 50_000, "n/small": 400_000, "n/large": 2_000_000, "n/larger": 4_000_000}
    unmeasured = catalogue(*(deployment(name, price=price, measured={}) for name, price in prices.items()))
    found = enforced(question(unmeasured, replace(chosen(AggregatorName.JUDGE_AUTHOR), mode=mode)))
    assert isinstance(found, AdmittedPlan)
    assert found.plan.author is not None
    assert found.plan.author.primary.id in ("n/large", "n/larger")
    assert {"n/large", "n/larger"} <= set(members(found))
