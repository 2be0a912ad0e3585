"""The engine's traps that would be security holes, each with the guard that closes it.

``docs/explanation/decisions.md`` lists the guards; ``tests/removal`` takes each away and sees its test fail.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit.vocabulary import Verdict
from policies import cedar, entities, facts, lint, packs
from policies.decision import Action, Query
from policies.errors import FactsError, PackError
from policies.point import PolicyPoint
from tests.simulators.rules import NOW, STATED, context, decide, deployment, document, known, point, rule, write

OVERFLOW = "!context.humanOversight && 9223372036854775807 + 1 > 0"


# 1. The engine skips a rule that errs: a forbid disappears.


def test_an_erring_forbid_denies_and_is_named(tmp_path: Path) -> None:
    found = point(tmp_path, rule(OVERFLOW), {"d": deployment(retention_days=30)})
    decision = decide(found, context())
    assert decision.verdict is Verdict.DENY
    assert decision.errors == ("t.rule",)


def test_the_engine_alone_would_have_permitted_it(tmp_path: Path) -> None:
    """What the guard is for: without it the erring forbid is gone and the base permit holds."""
    found = point(tmp_path, rule(OVERFLOW), {"d": deployment(retention_days=30)})
    (outcome,) = cedar.evaluate(
        [("invoke", "d")],
        context='{"humanOversight": false}',
        rules=cedar.compile_rules({r.id: r.body for r in found.policy_set.parsed.values()}),
        entities=cedar.compile_entities(entities.build(found.facts, NOW), found.policy_set.schema),
    )
    assert outcome.allowed
    assert outcome.errors == ("t.rule",)


def test_a_rule_that_errs_is_not_left_out_for_what_comes_after_its_error(tmp_path: Path) -> None:
    """Left to itself the engine evaluates from the left, and errs before it sees that the clause is not there."""
    found = point(tmp_path, rule(f'{OVERFLOW} && context.flowdown.contains(Clause::"dod")'))
    decision = decide(found, context())
    assert (decision.verdict, decision.errors) == (Verdict.DENY, ("t.rule",))


def test_a_request_that_the_engine_cannot_read_is_an_error(tmp_path: Path) -> None:
    found = point(tmp_path, rule("context.humanOversight"))
    (outcome,) = cedar.evaluate(
        [("invoke", "d")],
        context="{broken",
        rules=cedar.compile_rules({r.id: r.body for r in found.policy_set.parsed.values()}),
        entities=cedar.compile_entities(entities.build(found.facts, NOW), found.policy_set.schema),
    )
    assert (outcome.allowed, outcome.errors) == (False, ("engine",))


def test_a_context_that_does_not_fit_the_schema_denies(tmp_path: Path) -> None:
    """Though no rule reads the attribute that is wrong."""
    found = point(tmp_path, rule('context.audience == Audience::"public"'))
    decision = decide(found, context(human_oversight="yes"))
    assert (decision.verdict, decision.errors) == (Verdict.DENY, ("engine",))


def test_no_base_permit_denies(tmp_path: Path) -> None:
    found = point(tmp_path, rule("context.humanOversight"), {"d": deployment()})
    decision = decide(found, context(packs=("extra",)))  # no base permit at all
    assert (decision.verdict, decision.rules) == (Verdict.DENY, ())


# 2. An unknown id evaluates without an error, as one that no rule is about.


@pytest.mark.parametrize(
    "change",
    [
        {"jurisdictions": frozenset({"EUU"})},
        {"jurisdictions": frozenset({"DE", "XX"})},
        {"jurisdictions": frozenset()},
        {"data_classes": frozenset({"helath"})},
        {"purpose": "world-rule"},
        {"flowdown": frozenset({"dodd"})},
        {"audience": "everybody"},
        {"packs": ("corporate-test", "nowhere")},
    ],
)
def test_a_name_that_nothing_knows_denies_before_evaluation(tmp_path: Path, change: dict[str, object]) -> None:
    found = point(tmp_path, rule('context.jurisdictions.contains(Jurisdiction::"EU")', extra='@jurisdiction("EU")'))
    decision = decide(found, context("US", **change) if "jurisdictions" not in change else context(**change))
    assert decision.verdict is Verdict.DENY
    assert decision.errors[0].startswith("unknown-")


def test_an_unknown_deployment_denies(tmp_path: Path) -> None:
    found = point(tmp_path, rule("context.humanOversight"))
    assert decide(found, context(), "nobody").errors == ("unknown-deployment:nobody",)


def test_a_hostile_name_is_not_put_on_record(tmp_path: Path) -> None:
    found = point(tmp_path, rule("context.humanOversight"))
    (decision,) = found.decide_all(context(), [Query(deployment="a\nb<script>", action=Action.INVOKE)])
    assert decision.errors == ("unknown-deployment:malformed",)


# 3. The validator accepts names that do not exist, dangling parents, contradictions, misspelt annotations.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule('context.jurisdictions.contains(Jurisdiction::"EUU")', extra='@jurisdiction("EUU")'), "EUU"),
        (rule('resource.operator == Company::"zzz"'), "expected a name of the registry or of a catalogue in use"),
        (rule('resource.operator == Company::"nroth"'), "did you mean `north`"),
        (rule('resource in ModelFamily::"deepseek-r9"'), "deepseek-r9"),
        (rule('context.dataClasses.contains(DataClass::"helath")'), "did you mean `health`"),
        (rule('context.purpose == Purpose::"genral"'), "did you mean `general`"),
        (rule("context.humanOversight", extra='@legal_bases("x")'), "did you mean `@legal_basis`"),
        (rule("context.humanOversight && !context.humanOversight"), "contradict"),
        (rule("false"), "contradict"),
        (rule("context.humanOversihgt"), "humanOversihgt"),
        (rule('resource.operatr == Company::"north"'), "operatr"),
    ],
)
def test_the_lint_refuses_what_the_validator_lets_pass(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PackError, match=said.replace("(", r"\(")):
        point(tmp_path, text)


def test_a_dangling_parent_is_refused() -> None:
    broken = document({})
    broken["models"]["beta"]["parents"].append({"model": "alhpa", "relation": "distill"})
    with pytest.raises(FactsError, match="alhpa"):
        facts.load([("test.yaml", broken)])


# 4. A missing optional attribute makes a rule not fire.


@pytest.mark.parametrize(
    "text",
    [
        rule("resource has trainingUse && resource.trainingUse"),
        rule("resource has baa && !resource.baa"),
        rule('resource.processesOnlyIn.contains(Jurisdiction::"CN")'),
        rule("resource.processingKnown"),
    ],
)
def test_a_forbid_that_an_unknown_fact_would_switch_off_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PackError, match="would not deny"):
        point(tmp_path, text)


def test_an_unknown_fact_denies_and_is_listed(tmp_path: Path) -> None:
    text = rule('context.dataClasses.contains(DataClass::"personal")').replace(
        "};", "} unless { resource has trainingUse && !resource.trainingUse };"
    )
    found = point(tmp_path, text, {"d": deployment(training_use=None)})
    decision = decide(found, context(data_classes=frozenset({"personal"})))
    assert decision.verdict is Verdict.DENY
    assert decision.unknown == ("training_use",)
    assert decide(found, context()).verdict is Verdict.PERMIT


def test_a_fact_that_expired_yesterday_denies_and_is_listed(tmp_path: Path) -> None:
    expired = {"value": ["DE"], **STATED, "expires_on": "2026-11-25"}
    found = point(tmp_path, rule("context.humanOversight"), {"d": deployment(processing=expired)})
    decision = decide(found, context())
    assert (decision.verdict, decision.unknown) == (Verdict.DENY, ("processing",))
    before = datetime(2026, 11, 24, 23, 59, 59, tzinfo=UTC)
    assert decide(found, context(now=before)).verdict is Verdict.PERMIT


# 5. Parse errors have no line; facts errors are vague.


def test_a_rule_that_does_not_parse_is_named_with_its_line(tmp_path: Path) -> None:
    text = rule("context.humanOversight") + '\n@id("t.two")\nforbid (principal, action, resource) when { context.x ;\n'
    with pytest.raises(PackError) as caught:
        point(tmp_path, text)
    assert caught.value.line >= 4
    assert caught.value.file.endswith("rules.cedar")


def test_a_wrong_fact_names_document_and_place() -> None:
    with pytest.raises(FactsError, match=r"test\.yaml.*processing"):
        known({"d": deployment(processing={"value": "everywhere", **STATED})})


# 6. Text parsing gives positional ids; only the id comes back with a decision.


def test_a_decision_names_the_rules_own_id_and_its_annotations(tmp_path: Path) -> None:
    text = rule("context.humanOversight", identifier="z.last") + rule(
        'resource.operator == Company::"north"', identifier="a.first"
    )
    found = point(tmp_path, text)
    decision = decide(found, context())
    assert decision.rules == ("a.first",)
    assert found.rule("a.first").legal_basis == "law, article 1, 2026-01-01"


def test_two_rules_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="taken"):
        point(tmp_path, rule("context.humanOversight") + rule("!context.humanOversight"))


# 7. FLOP overflow a long; dates in annotations can differ from dates in conditions.

MANY_FLOP = rule("true").replace(
    "};", '} unless { resource has trainingFlopLog10 && resource.trainingFlopLog10.lessThan(decimal("25.0")) };'
)


def test_training_compute_is_compared_as_a_decimal_logarithm(tmp_path: Path) -> None:
    stated = document({name: deployment(name) for name in ("gamma", "base-7b", "alpha")})
    stated["models"]["gamma"]["training_flop_log10"] = "24.9999"
    stated["models"]["base-7b"]["training_flop_log10"] = "25.0001"
    found = PolicyPoint(
        packs.load(write(tmp_path, MANY_FLOP.replace("when { true } ", "")), ["corporate-test", "extra"]),
        facts.load([("test.yaml", stated)]),
    )
    verdicts = {name: decide(found, context(), name).verdict for name in ("gamma", "base-7b", "alpha")}
    assert verdicts == {"gamma": Verdict.PERMIT, "base-7b": Verdict.DENY, "alpha": Verdict.DENY}  # unknown denies


def test_training_compute_as_a_count_is_refused(tmp_path: Path) -> None:
    """10^25 is more than a long holds: as a fact it would break evaluation, in a rule it does not parse."""
    stated = document({"d": deployment("gamma")})
    stated["models"]["gamma"]["training_flop_log10"] = 10**25
    with pytest.raises(FactsError, match="training_flop_log10"):
        facts.load([("test.yaml", stated)])
    with pytest.raises(PackError, match="number too large"):
        point(tmp_path, rule(f"resource.retentionDays > {10**25}"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule('context.now >= datetime("2026-08-02")'), "effective_from"),
        (rule('context.now >= datetime("2026-08-03")', extra='@effective_from("2026-08-02")'), "2026-08-02"),
        (rule("context.humanOversight", extra='@effective_from("2026-08-02")'), "2026-08-02"),
        (rule('context.now < datetime("2026-08-02")', extra='@effective_until("2026-09-02")'), "2026-09-02"),
        (rule('context.now > datetime("2026-08-02")', extra='@effective_from("2026-08-02")'), "now"),
        (rule('context.now > datetime("2026-08-02")'), "may only be compared"),
        (rule('context.humanOversight || context.now >= datetime("2026-08-02")'), "may only be compared"),
    ],
)
def test_dates_of_annotations_and_conditions_must_agree(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PackError, match=said):
        point(tmp_path, text)


# A verdict is kept for a context: whatever a rule may read must be in what it is kept under.

VARIATIONS: dict[str, tuple[str, object, object]] = {
    "now": (
        rule('context.now >= datetime("2026-12-01")', extra='@effective_from("2026-12-01")'),
        NOW,
        datetime(2026, 12, 1, tzinfo=UTC),
    ),
    "packs": (rule("!context.humanOversight"), ("corporate-test",), ("corporate-test", "extra")),
    "jurisdictions": (
        rule('context.jurisdictions.contains(Jurisdiction::"EU")'),
        frozenset({"US"}),
        frozenset({"US", "FR"}),
    ),
    "data_classes": (rule('context.dataClasses.contains(DataClass::"special")'), frozenset(), frozenset({"health"})),
    "purpose": (rule('context.purpose == Purpose::"credit-scoring"'), "general", "credit-scoring"),
    "human_oversight": (rule("context.humanOversight"), False, True),
    "user_us_person": (
        rule("!context.humanOversight").replace("};", "} unless { context has userUsPerson && context.userUsPerson };"),
        True,
        None,
    ),
    "flowdown": (rule('context.flowdown.contains(Clause::"dod")'), frozenset(), frozenset({"dod"})),
    "audience": (rule('context.audience == Audience::"public"'), "internal", "public"),
}


@pytest.mark.parametrize("name", VARIATIONS)
def test_a_verdict_is_kept_for_all_that_rules_read(tmp_path: Path, name: str) -> None:
    text, permitted, denied = VARIATIONS[name]
    found = point(tmp_path, text)
    verdicts = [decide(found, context(**{name: value})).verdict for value in (permitted, denied, permitted)]
    assert verdicts == [Verdict.PERMIT, Verdict.DENY, Verdict.PERMIT]


# Others that belong here: who may permit, and what a ban on a model reaches.


def test_only_the_base_pack_permits(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="only packs named"):
        packs.load(write(tmp_path, rule("context.humanOversight", effect="permit")), ["extra"])


def test_an_obligations_permit_widens_nothing(tmp_path: Path) -> None:
    text = rule("!context.humanOversight", effect="permit", extra='@obligation("disclose-ai")')
    found = point(tmp_path, text, {"d": deployment(processing=None)})
    assert decide(found, context()).verdict is Verdict.DENY


def test_a_ban_on_a_model_reaches_what_was_distilled_from_it_and_not_the_vendors_other_models(tmp_path: Path) -> None:
    text = rule("true", scope='resource in ModelFamily::"alpha"').replace(" when { true }", "")
    everything = {m: deployment(m) for m in ("alpha", "alpha-1", "beta", "gamma", "base-7b")}
    found = point(tmp_path, text, everything)
    denied = {m for m in everything if decide(found, context(), m).verdict is Verdict.DENY}
    assert denied == {"alpha", "alpha-1", "beta"}


def test_an_obligations_permit_does_not_hide_the_unknown_fact_that_a_denial_is_for(tmp_path: Path) -> None:
    duty = rule("true", effect="permit", extra='@obligation("disclose-ai")')
    found = point(tmp_path, duty, {"d": deployment("gamma", processing=None)})
    decision = decide(found, context())
    assert (decision.verdict, decision.rules, decision.unknown) == (Verdict.DENY, (), ("processing",))


def test_unknown_lineage_counts_as_descending_from_everything_banned(tmp_path: Path) -> None:
    text = rule('resource.lineageDevelopers.contains(Company::"delta")')
    found = point(tmp_path, text, {"d": deployment("secret"), "g": deployment("gamma")})
    assert decide(found, context()).verdict is Verdict.DENY
    assert decide(found, context(), "g").verdict is Verdict.PERMIT


def test_a_ban_on_a_model_reaches_a_model_of_unknown_lineage(tmp_path: Path) -> None:
    text = rule("true", scope='resource in ModelFamily::"alpha"').replace(" when { true }", "")
    declared = deployment("secret", opaque_composite=False)
    found = point(tmp_path, text, {"d": declared, "g": deployment("gamma")})
    assert decide(found, context()).rules == ("t.rule",)
    assert decide(found, context(), "g").verdict is Verdict.PERMIT


def test_health_data_is_special_and_personal_too(tmp_path: Path) -> None:
    text = rule('context.dataClasses.contains(DataClass::"special")')
    found = point(tmp_path, text)
    assert decide(found, context(data_classes=frozenset({"phi"}))).rules == ("t.rule",)
    assert decide(found, context(data_classes=frozenset({"personal"}))).verdict is Verdict.PERMIT


def test_a_ban_on_an_operator_leaves_the_same_weights_elsewhere_alone(tmp_path: Path) -> None:
    text = rule('resource.operator == Company::"delta"')
    found = point(tmp_path, text, {"d": deployment("alpha", operator="delta"), "e": deployment("alpha")})
    assert decide(found, context()).verdict is Verdict.DENY
    assert decide(found, context(), "e").verdict is Verdict.PERMIT


def test_an_open_set_of_places_is_everywhere(tmp_path: Path) -> None:
    text = rule('resource.mayProcessIn.contains(Jurisdiction::"CN")')
    found = point(tmp_path, text, {"d": deployment(places=("WORLD",)), "e": deployment(places=("DE", "FR"))})
    assert decide(found, context()).verdict is Verdict.DENY
    assert decide(found, context(), "e").verdict is Verdict.PERMIT


def test_the_obligations_that_the_lint_knows_are_those_the_enforcement_point_was_written_for() -> None:
    from proxy.core.enforcement import DISCHARGED

    assert DISCHARGED <= lint.OBLIGATIONS


# Slicing settles what a rule asks of a request: only where the engine would say the same.


@pytest.mark.parametrize(
    ("condition", "about"),
    [
        ('context.dataClasses == [DataClass::"personal"]', {"data_classes": frozenset({"health"})}),
        ('context.jurisdictions == [Jurisdiction::"DE"]', {}),
        ('context.flowdown == [Clause::"dod", Clause::"federal"]', {"flowdown": frozenset({"dod"})}),
        ('context.purpose == Audience::"internal"', {"purpose": "internal"}),
    ],
)
@pytest.mark.parametrize("sliced", [True, False])
def test_equality_of_sets_and_of_names_of_another_type_is_left_to_the_engine(
    tmp_path: Path, condition: str, about: dict[str, Any], sliced: bool
) -> None:
    stated = {**document({"d": deployment()}), "purposes": {"internal": "named like an audience"}}
    found = PolicyPoint(
        packs.load(write(tmp_path, rule(condition)), ["corporate-test", "extra"]),
        facts.load([("test.yaml", stated)]),
        sliced=sliced,
    )
    assert decide(found, context(**about)).verdict is Verdict.PERMIT  # the rule forbids, and does not fire
