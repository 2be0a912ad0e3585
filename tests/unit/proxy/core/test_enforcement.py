"""The enforcement point: what is admitted, what is excluded and named, what stands in, and that nobody else makes a call."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.records import Bounds
from audit.vocabulary import DecisionOutcome, Role, Verdict
from policies.decision import Action, Decision, Query
from proxy.core import enforcement
from proxy.core.aggregation.steps import AggregatorName
from proxy.core.catalogue import Capabilities, Catalogue, Deployment, Price, TransportKind
from proxy.core.enforcement import AdmittedCall, AdmittedPlan, Refused
from proxy.core.intent import Intent, IntentKind
from proxy.core.question import Defaults, Question
from proxy.core.request import Needs, OnOutage, OnRestricted, TaskClass
from proxy.core.routing.cascade import Mode
from proxy.core.seats import Slot


def deployment(identifier: str, *, quality: int = 700_000, price: int = 1_000_000, **changes: Any) -> Deployment:
    """A deployment ``operator/model`` of a catalogue."""
    operator, model = identifier.split("/")
    fields: dict[str, Any] = {
        "id": identifier,
        "model": model,
        "developer": f"maker-{model}",
        "operator": operator,
        "provider": operator,
        "regions": ("DE",),
        "transport": TransportKind.OPENAI,
        "base_url": "http://127.0.0.1:1/v1",
        "upstream_model": model,
        "api_key_env": None,
        "price": Price(input_micro_usd=price, output_micro_usd=price),
        "capabilities": Capabilities(context=8000, max_output=1000, tools=True),
        "measured": {TaskClass.MATH: quality},
    }
    return Deployment(**{**fields, **changes})


def catalogue(*deployments: Deployment) -> Catalogue:
    return Catalogue(deployments={d.id: d for d in deployments}, digest="0" * 64)


def question(found: Catalogue, intent: Intent, **changes: Any) -> Question:
    fields: dict[str, Any] = {
        "intent": intent,
        "task": TaskClass.MATH,
        "comparable": True,
        "needs": Needs(),
        "catalogue": found,
        "on_restricted": OnRestricted.SUBSTITUTE,
        "defaults": Defaults(),
    }
    return Question(**{**fields, **changes})


def decisions(
    asked: Question, denied: Iterable[str], obligations: Mapping[str, tuple[str, ...]] | None = None
) -> list[Decision]:
    """Decisions on everything that is asked: the named deployments are denied by rule ``r.1``."""
    barred, found = set(denied), []
    for query in (q for turn in enforcement.queries(asked) for q in turn):
        if query.deployment in barred:
            found.append(Decision(query=query, verdict=Verdict.DENY, rules=("r.1",)))
        else:
            found.append(
                Decision(query=query, verdict=Verdict.PERMIT, obligations=(obligations or {}).get(query.deployment, ()))
            )
    return found


def enforced(asked: Question, denied: Iterable[str] = (), **more: Any) -> AdmittedPlan | Refused:
    return enforcement.enforce(
        asked,
        decisions(asked, denied, more.pop("obligations", None)),
        legal_basis=lambda rule: f"basis of {rule}",
        human_oversight=more.pop("human_oversight", False),
    )


def named(found: Catalogue, name: str) -> Intent:
    return Intent(model=name, kind=IntentKind.NAMED, named=found.named(name))


FUSION = Intent(model="apostille/fusion", kind=IntentKind.COMPOSITE)
FOUR = catalogue(
    deployment("n/small", quality=600_000, price=100_000),
    deployment("n/middle", quality=650_000, price=200_000),
    deployment("n/large", quality=800_000, price=3_000_000),
    deployment("x/best", quality=900_000, price=5_000_000),
)


def test_nobody_else_makes_an_admitted_call() -> None:
    with pytest.raises(PermissionError):
        AdmittedCall(leg="a", role=Role.AUTHOR, deployment=deployment("n/a"), obligations=(), seal=object())


def test_a_plan_that_names_what_is_not_permitted_makes_no_call() -> None:
    """The planner never does; the seal does not rest on it."""
    slot = Slot(leg="author", role=Role.AUTHOR, options=(deployment("n/a"),))
    with pytest.raises(PermissionError):
        enforcement._admit(slot, {"n/a": enforcement._Verdict(False, (), ())}, lambda _: False)


def test_what_is_permitted_is_admitted_with_its_fallbacks() -> None:
    found = catalogue(deployment("n/a"), deployment("s/a"), deployment("n/b"))
    plan = enforced(question(found, named(found, "a")))
    assert isinstance(plan, AdmittedPlan)
    assert [c.deployment.id for c in plan.calls["author"]] == ["n/a", "s/a"]
    assert (plan.excluded, plan.substituted, plan.outcome) == ((), (), DecisionOutcome.PERMITTED)


def test_a_missing_decision_denies() -> None:
    found = catalogue(deployment("n/a"))
    refused = enforcement.enforce(
        question(found, named(found, "a")), (), legal_basis=lambda rule: "", human_oversight=False
    )
    assert isinstance(refused, Refused)


def test_a_composite_needs_a_permit_for_each_action() -> None:
    asked = question(FOUR, FUSION)
    found = [d for d in decisions(asked, ()) if d.query != Query(deployment="n/small", action=Action.COMPOSE)]
    plan = enforcement.enforce(asked, found, legal_basis=lambda rule: "", human_oversight=False)
    assert isinstance(plan, AdmittedPlan)
    assert all(c.deployment.id != "n/small" for calls in plan.calls.values() for c in calls)


def test_a_declared_alternate_stands_in_first_and_the_reason_is_recorded() -> None:
    found = catalogue(deployment("x/a", alternates=("n/c",)), deployment("n/b", quality=990_000), deployment("n/c"))
    plan = enforced(question(found, named(found, "a")), ["x/a"])
    assert isinstance(plan, AdmittedPlan)
    (substitution,) = plan.substituted
    assert (substitution.excluded, substitution.substitute, substitution.reason) == ("x/a", "n/c", "declared-alternate")
    assert plan.excluded[0].legal_basis == ("basis of r.1",)
    assert plan.outcome is DecisionOutcome.SUBSTITUTED


def test_a_substitute_never_lacks_what_the_request_needs() -> None:
    plain = Capabilities(context=8000, max_output=1000, tools=False)
    found = catalogue(deployment("x/a", alternates=("n/b",)), deployment("n/b", capabilities=plain), deployment("n/c"))
    plan = enforced(question(found, named(found, "a"), needs=Needs(tools=True)), ["x/a"])
    assert isinstance(plan, AdmittedPlan)
    assert [s.substitute for s in plan.substituted] == ["n/c"]


def test_who_refuses_substitutes_gets_none() -> None:
    found = catalogue(deployment("x/a", alternates=("n/b",)), deployment("n/b"))
    refused = enforced(question(found, named(found, "a"), on_restricted=OnRestricted.REFUSE), ["x/a"])
    assert isinstance(refused, Refused)
    assert (refused.code, refused.rules) == ("restricted-by-policy", ("r.1",))


def test_a_model_that_must_answer_alone_has_no_stand_in() -> None:
    found = catalogue(deployment("x/a", alternates=("n/b",)), deployment("n/b"))
    refused = enforced(question(found, named(found, "a")), ["x/a"], obligations={"n/b": ("single-model",)})
    assert isinstance(refused, Refused)


def test_an_obligation_that_cannot_be_discharged_denies() -> None:
    found = catalogue(deployment("n/a"))
    refused = enforced(question(found, named(found, "a")), obligations={"n/a": ("redact:personal",)})
    assert isinstance(refused, Refused)
    assert refused.excluded[0].errors == ("undischarged:redact:personal",)


def test_oversight_is_discharged_where_a_person_reviews() -> None:
    found = catalogue(deployment("n/a"))
    asked = question(found, named(found, "a"))
    assert isinstance(enforced(asked, obligations={"n/a": ("human-oversight",)}), Refused)
    assert isinstance(enforced(asked, obligations={"n/a": ("human-oversight",)}, human_oversight=True), AdmittedPlan)


def test_a_cascade_loses_its_strong_model_and_names_it() -> None:
    plan = enforced(question(FOUR, FUSION), ["x/best"])
    assert isinstance(plan, AdmittedPlan)
    assert plan.plan.aggregator is AggregatorName.AGREEMENT_GATE
    assert [e.deployment for e in plan.excluded] == ["x/best"]
    assert plan.calls.keys() == {"panel-1", "panel-2", "panel-3"}


def test_what_a_composite_stands_in_for_says_what_it_may_cost() -> None:
    """The best barred model is the measure where it is nearly as good as the best of all; else the best of all is."""
    dear = deployment("n/dear", quality=910_000, price=40_000_000)
    for quality, strong in ((890_000, "n/large"), (700_000, "n/dear")):
        barred = deployment("x/best", quality=quality, price=5_000_000)
        four = catalogue(*(d for d in FOUR.deployments.values() if d.id != "x/best"), barred, dear)
        plan = enforced(question(four, FUSION), ["x/best"])
        assert isinstance(plan, AdmittedPlan)
        assert [slot.primary.id for slot in plan.plan.rest] == [strong]


def test_every_seat_of_a_cascade_has_a_stand_in_of_its_own() -> None:
    """One that is about as good and costs about as little, where models are asked at once; a model that stood in for two would agree
    with itself, and a poor one would disagree."""
    six = catalogue(
        *FOUR.deployments.values(),
        deployment("n/cheap", quality=600_000, price=124_000),
        deployment("n/next", quality=850_000, price=4_000_000),
    )
    plan = enforced(question(six, FUSION))
    assert isinstance(plan, AdmittedPlan)
    behind = {leg: [c.deployment.id for c in calls[1:]] for leg, calls in plan.calls.items()}
    assert [slot.primary.id for slot in (*plan.plan.first, *plan.plan.rest)] == ["n/middle", "n/small", "x/best"]
    assert behind == {"panel-1": ["n/cheap"], "panel-2": [], "panel-3": ["n/next", "n/large"]}


def test_a_stand_in_of_a_cascade_keeps_the_tenants_bounds() -> None:
    """What would be worse, or dearer, than the tenant allows stands behind no seat; the cascade's own models stay."""
    strict = Bounds(min_quality=950_000, max_price=1_000_000)
    plan = enforced(question(FOUR, FUSION, bounds=strict))
    assert isinstance(plan, AdmittedPlan)
    assert plan.calls.keys() == {"panel-1", "panel-2", "panel-3"}
    assert all(len(calls) == 1 for calls in plan.calls.values())
    free = enforced(question(FOUR, FUSION))
    assert isinstance(free, AdmittedPlan)
    assert [len(calls) for calls in free.calls.values()] == [1, 1, 2]


def test_policy_that_leaves_one_model_means_self_fusion_and_a_degraded_outcome() -> None:
    plan = enforced(question(FOUR, FUSION), ["x/best", "n/large", "n/middle"])
    assert isinstance(plan, AdmittedPlan)
    assert plan.plan.aggregator is AggregatorName.SELF_FUSION
    assert {c.deployment.id for calls in plan.calls.values() for c in calls} == {"n/small"}
    assert plan.outcome is DecisionOutcome.DEGRADED


def test_a_seat_on_a_panel_goes_to_a_stand_in_that_has_none() -> None:
    board = Intent(
        model="board",
        kind=IntentKind.COMPOSITE,
        panel=("best", "small"),
        aggregator=AggregatorName.WEIGHTED_VOTE,
        mode=Mode.STANDARD,
    )
    plan = enforced(question(FOUR, board), ["x/best"])
    assert isinstance(plan, AdmittedPlan)
    assert [s.primary.id for s in plan.plan.first] == ["n/large", "n/small"]
    assert plan.substituted[0].reason == "capability-match"


@settings(max_examples=200, deadline=None)
@given(
    denied=st.sets(st.sampled_from(sorted(FOUR.deployments))),
    kind=st.sampled_from(["named", "auto", "fusion", "high", "panel", "judged"]),
    comparable=st.booleans(),
    substitute=st.booleans(),
)
def test_no_plan_ever_names_a_denied_deployment(
    denied: set[str], kind: str, comparable: bool, substitute: bool
) -> None:
    intents = {
        "named": named(FOUR, "best"),
        "auto": Intent(model="apostille/auto", kind=IntentKind.AUTO),
        "fusion": FUSION,
        "high": Intent(model="apostille/fusion-high", kind=IntentKind.COMPOSITE, mode=Mode.HIGH),
        "panel": Intent(model="p", kind=IntentKind.COMPOSITE, panel=("best", "large", "small"), rest=("middle",)),
        "judged": Intent(
            model="j",
            kind=IntentKind.COMPOSITE,
            panel=("best", "small"),
            judge="best",
            author="large",
            aggregator=AggregatorName.JUDGE_AUTHOR,
        ),
    }
    on_restricted = OnRestricted.SUBSTITUTE if substitute else OnRestricted.REFUSE
    plan = enforced(question(FOUR, intents[kind], comparable=comparable, on_restricted=on_restricted), denied)
    if isinstance(plan, Refused):
        assert denied
        return
    reached = {c.deployment.id for calls in plan.calls.values() for c in calls}
    assert reached
    assert not reached & denied
    assert not {e.deployment for e in plan.excluded} - denied
    assert {s.excluded for s in plan.substituted} <= denied
    assert {s.leg for s in plan.plan.slots()} == set(plan.calls)


def test_a_stand_in_keeps_the_bounds_and_a_declared_one_need_not() -> None:
    found = catalogue(
        deployment("x/a", quality=900_000, price=1_000_000, latency_ms=100, alternates=("n/declared",)),
        deployment("n/declared", quality=100_000, price=9_000_000),
        deployment("n/dear", quality=950_000, price=3_000_000, latency_ms=100),
        deployment("n/slow", quality=940_000, price=1_000_000, latency_ms=900),
        deployment("n/poor", quality=500_000, price=1_000_000, latency_ms=100),
        deployment("n/unmeasured", price=1_000_000, latency_ms=100, measured={}),
        deployment("n/fit", quality=850_000, price=1_500_000, latency_ms=150),
    )
    bounds = Bounds(min_quality=900_000, max_price=2_000_000, max_latency=2_000_000)
    plan = enforced(question(found, named(found, "a"), bounds=bounds), ["x/a"])
    assert isinstance(plan, AdmittedPlan)
    assert [c.deployment.id for c in plan.calls["author"]] == ["n/declared", "n/fit"]
    refused = enforced(question(found, named(found, "a"), bounds=Bounds(max_price=1)), ["x/a", "n/declared"])
    assert isinstance(refused, Refused)


def test_a_stand_in_is_never_one_that_lacks_what_the_request_needs() -> None:
    small = Capabilities(context=100, max_output=10)
    found = catalogue(deployment("x/a", alternates=("n/small",)), deployment("n/small", capabilities=small))
    refused = enforced(question(found, named(found, "a"), needs=Needs(tools=True)), ["x/a"])
    assert isinstance(refused, Refused)


def test_what_nobody_can_do_is_named() -> None:
    found = catalogue(
        deployment("n/a"), deployment("n/b", capabilities=Capabilities(context=100, max_output=10, vision=True))
    )
    needs = Needs(tools=True, json_mode=True, max_output_tokens=2000, prompt_tokens_estimate=9000)
    assert question(found, named(found, "a"), needs=needs).unmet() == (
        "a JSON format",
        "an answer of 2000 tokens",
        "a prompt of about 9000 tokens",
    )
    assert question(found, named(found, "a"), needs=Needs(tools=True, vision=True)).unmet() == ()


def test_an_outage_goes_as_far_as_the_tenant_says() -> None:
    found = catalogue(deployment("n/a"), deployment("s/a"), deployment("n/b"))
    reached = {
        outage: [c.deployment.id for c in _calls(question(found, named(found, "a"), on_outage=outage))]
        for outage in OnOutage
    }
    assert reached == {
        OnOutage.FAIL: ["n/a"],
        OnOutage.SAME_MODEL: ["n/a", "s/a"],
        OnOutage.SUBSTITUTE: ["n/a", "s/a", "n/b"],
    }


def test_what_stands_in_on_an_outage_was_permitted_too() -> None:
    found = catalogue(deployment("n/a"), deployment("n/b"), deployment("n/c"))
    plan = enforced(question(found, named(found, "a"), on_outage=OnOutage.SUBSTITUTE), ["n/b"])
    assert isinstance(plan, AdmittedPlan)
    assert [c.deployment.id for c in plan.calls["author"]] == ["n/a", "n/c"]
    single = {"n/b": ("single-model",), "n/c": ("single-model",)}
    alone = enforced(question(found, named(found, "a"), on_outage=OnOutage.SUBSTITUTE), obligations=single)
    assert isinstance(alone, AdmittedPlan)
    assert [c.deployment.id for c in alone.calls["author"]] == ["n/a"]


def _calls(asked: Question) -> tuple[AdmittedCall, ...]:
    plan = enforced(asked)
    assert isinstance(plan, AdmittedPlan)
    return plan.calls["author"]


def test_an_outage_of_a_model_that_must_answer_alone_leads_to_no_other() -> None:
    found = catalogue(deployment("n/a"), deployment("s/a"), deployment("n/b"))
    asked = question(found, named(found, "a"), on_outage=OnOutage.SUBSTITUTE)
    alone = enforced(asked, obligations={"n/a": ("single-model",)})
    assert isinstance(alone, AdmittedPlan)
    assert [c.deployment.id for c in alone.calls["author"]] == ["n/a", "s/a"]


def test_several_models_do_not_discharge_that_one_must_answer_alone() -> None:
    everyone = dict.fromkeys(FOUR.deployments, ("single-model",))
    refused = enforced(question(FOUR, FUSION), obligations=everyone)
    assert isinstance(refused, Refused)
    assert "undischarged:single-model" in refused.excluded[0].errors
