"""What is expected of a composite beside one model alone, and that it is said where it degrades."""

from typing import Any

import pytest

from proxy.core.aggregation.steps import AggregatorName
from proxy.core.enforcement import AdmittedPlan
from proxy.core.expectation import Alone, Expectation, expectation
from proxy.core.intent import Intent, IntentKind
from proxy.core.ranking import expert
from proxy.core.request import TaskClass
from proxy.core.routing import cascade
from proxy.core.routing.cascade import Mode
from tests.unit.proxy.core.test_enforcement import FOUR, catalogue, deployment, enforced, named, question

JUNK = catalogue(
    deployment("n/poor", quality=450_000, price=100_000),
    deployment("n/worse", quality=400_000, price=120_000),
    deployment("n/weak", quality=420_000, price=150_000),
    deployment("x/good", quality=900_000, price=5_000_000),
)


def fusion(mode: Mode = Mode.STANDARD, aggregator: AggregatorName | None = None) -> Intent:
    return Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE, mode=mode, aggregator=aggregator)


def expected(found: Any, intent: Intent, denied: tuple[str, ...] = (), **changes: Any) -> Expectation | None:
    asked = question(found, intent, **changes)
    plan = enforced(asked, denied)
    assert isinstance(plan, AdmittedPlan)
    return expectation(asked, plan.plan, plan.permitted)


def test_a_composite_of_poor_models_that_alone_keep_within_the_cost_is_said_to_degrade() -> None:
    found = expected(JUNK, fusion())
    assert found is not None
    assert found.permitted == Alone("good", 900_000)
    assert found.barred is None
    assert found.shortfall == 900_000 - found.accuracy > 200_000
    assert found.summary == f"degrades by about {round(found.shortfall / 10_000)} points against good"


def test_what_is_expected_is_what_the_planner_counts_with() -> None:
    asked = question(FOUR, fusion())
    plan = enforced(asked)
    assert isinstance(plan, AdmittedPlan)
    found = expectation(asked, plan.plan, plan.permitted)
    seated = [expert(slot.primary, TaskClass.MATH) for slot in (*plan.plan.first, *plan.plan.rest)]
    assert found is not None
    assert found.accuracy == round(1_000_000 * cascade.expected_accuracy(seated[:2], seated[2:], TaskClass.MATH))


def test_the_best_barred_model_counts_too() -> None:
    found = expected(JUNK, fusion(), ("x/good",))
    assert found is not None
    assert (found.permitted, found.barred) == (Alone("poor", 450_000), Alone("good", 900_000))
    assert found.summary.endswith("points against good")


def test_one_model_alone_or_samples_of_it_count_as_the_model() -> None:
    for denied in (("n/poor", "n/worse", "n/weak"), ()):
        found = expected(JUNK, fusion(aggregator=AggregatorName.SELF_FUSION), denied)
        assert found == Expectation(
            accuracy=900_000, permitted=Alone("good", 900_000), barred=found.barred if found else None
        )
        assert found.summary == ""
    single = expected(JUNK, fusion(), comparable=False)
    assert single is not None
    assert single.accuracy == 900_000


@pytest.mark.parametrize(("shortfall", "said"), [(0, ""), (19_999, ""), (20_000, "2 points "), (25_000, "3 points ")])
def test_less_than_the_estimate_tells_is_not_said(shortfall: int, said: str) -> None:
    found = Expectation(accuracy=900_000 - shortfall, permitted=Alone("m", 900_000), barred=None)
    assert found.summary == (f"degrades by about {said}against m" if said else "")


def test_where_something_was_not_measured_or_cannot_be_estimated_there_is_none() -> None:
    unmeasured = catalogue(*FOUR.deployments.values(), deployment("n/tiny", price=10, measured={}))
    assert expected(FOUR, fusion(), task=TaskClass.FACTUAL) is None
    assert expected(FOUR, fusion(), task=TaskClass.MATH_HARD) is None
    assert expected(FOUR, fusion(aggregator=AggregatorName.MAJORITY)) is None
    assert expected(FOUR, fusion(Mode.HIGH), comparable=False) is None
    assert expected(unmeasured, fusion(), ("n/small", "n/middle", "x/best")) is None
    assert expected(FOUR, named(FOUR, "small")) is None
    barred = expected(unmeasured, fusion(), ("n/tiny",))
    assert barred is not None
    assert barred.barred is None
