"""Seats of the aggregators: every leg that may be asked is a slot of the plan, decided and admitted; none is more than it needs."""

import pytest

from audit.vocabulary import DecisionOutcome, Role
from proxy.core.aggregation import next_step
from proxy.core.aggregation.steps import AggregatorName, Calls, Composition, Seat
from proxy.core.enforcement import AdmittedPlan
from proxy.core.intent import Intent, IntentKind
from proxy.core.request import TaskClass
from tests.unit.proxy.core.test_enforcement import FOUR, enforced, question


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


def test_samples_of_one_model_may_be_asked_for_by_name() -> None:
    found = admitted(declared(AggregatorName.BEST_OF_N, "small", "small", "small"))
    assert found.plan.aggregator is AggregatorName.BEST_OF_N
    assert [slot.primary.id for slot in found.plan.first] == ["n/small"] * 3


@pytest.mark.parametrize("aggregator", sorted(set(AggregatorName) - {AggregatorName.SINGLE}))
def test_a_panel_that_policy_shrinks_to_one_becomes_samples_of_it_and_is_degraded(aggregator: AggregatorName) -> None:
    found = admitted(chosen(aggregator), ("x/best", "n/large", "n/middle"))
    assert found.plan.aggregator is AggregatorName.SELF_FUSION
    if aggregator is not AggregatorName.SELF_FUSION:
        assert found.outcome is DecisionOutcome.DEGRADED


@pytest.mark.parametrize("aggregator", sorted(AggregatorName))
def test_a_barred_deployment_has_no_seat_in_any_stage(aggregator: AggregatorName) -> None:
    found = admitted(chosen(aggregator), ("x/best",))
    assert "x/best" not in {call.deployment.id for calls in found.calls.values() for call in calls}


@pytest.mark.parametrize("aggregator", sorted(AggregatorName))
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
