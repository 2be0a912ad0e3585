"""Open circuits put deployments behind others of their leg: only where an outage would lead, and nobody is added or lost."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core import passing_over
from proxy.core.enforcement import AdmittedPlan
from proxy.core.request import OnOutage, OnRefusal
from tests.unit.proxy.core.test_enforcement import FOUR, FUSION, catalogue, deployment, enforced, named, question

PLACES = catalogue(
    deployment("n/a", model="a", quality=900_000),
    deployment("s/a", model="a", quality=900_000),
    deployment("n/b", model="b", quality=700_000),
)


def order(on_outage: OnOutage, on_refusal: OnRefusal, *opened: str) -> tuple[list[str], list[str]]:
    """The order of the author's leg of a request for model ``a``, and what was passed over."""
    asked = question(PLACES, named(PLACES, "a"), on_outage=on_outage, on_refusal=on_refusal)
    asked = replace(asked, open_circuits=frozenset(opened))
    plan = enforced(asked)
    assert isinstance(plan, AdmittedPlan)
    found = passing_over.pass_over(asked, plan)
    return [c.deployment.id for c in found.calls["author"]], [each.deployment for each in found.passed_over]


@pytest.mark.parametrize(
    ("on_outage", "on_refusal", "opened", "wanted", "passed"),
    [
        (OnOutage.SAME_MODEL, OnRefusal.REFUSE, ["n/a"], ["s/a", "n/a"], ["n/a"]),
        (OnOutage.SAME_MODEL, OnRefusal.REFUSE, ["s/a"], ["n/a", "s/a"], []),
        (OnOutage.SAME_MODEL, OnRefusal.REFUSE, ["n/a", "s/a"], ["n/a", "s/a"], []),
        (OnOutage.SUBSTITUTE, OnRefusal.REFUSE, ["n/a", "s/a"], ["n/b", "n/a", "s/a"], ["n/a", "s/a"]),
        (OnOutage.SAME_MODEL, OnRefusal.SUBSTITUTE, ["n/a", "s/a"], ["n/a", "s/a", "n/b"], []),
        (OnOutage.FAIL, OnRefusal.SUBSTITUTE, ["n/a"], ["n/a", "s/a", "n/b"], []),
    ],
)
def test_an_open_circuit_leads_where_an_outage_would(
    on_outage: OnOutage, on_refusal: OnRefusal, opened: list[str], wanted: list[str], passed: list[str]
) -> None:
    assert order(on_outage, on_refusal, *opened) == (wanted, passed)


@settings(deadline=None)
@given(
    denied=st.sets(st.sampled_from(sorted(FOUR.deployments))),
    opened=st.frozensets(st.sampled_from(sorted(FOUR.deployments))),
)
def test_nobody_is_added_and_nobody_lost(denied: set[str], opened: frozenset[str]) -> None:
    asked = replace(question(FOUR, FUSION), open_circuits=opened)
    plan = enforced(asked, denied)
    if not isinstance(plan, AdmittedPlan):
        return
    found = passing_over.pass_over(asked, plan)
    assert found.outcome is plan.outcome
    assert found.excluded == plan.excluded
    for leg, calls in plan.calls.items():
        assert sorted(c.deployment.id for c in found.calls[leg]) == sorted(c.deployment.id for c in calls)
        assert not denied & {c.deployment.id for c in found.calls[leg]}
    assert {each.deployment for each in found.passed_over} <= opened
