"""The catalogues that come with the package load, decide, and say what they are."""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from audit.vocabulary import Verdict
from policies import entities, facts, packs, shipped, staleness
from policies.decision import Action, Context, Decision, Query
from policies.facts import Facts
from policies.point import PolicyPoint
from proxy import settings, snapshot
from proxy.core import loading
from proxy.core.ranking import reliability
from proxy.core.request import TaskClass
from proxy.settings import DEFAULTS, read_yaml
from tests.simulators.rules import rule

AT = datetime.fromisoformat("2026-11-25T12:00:00+00:00")
PROVIDERS = "providers.yaml"
DEMO = ("demo-de", "demo-fr", "demo-ie", "demo-us", "demo-cn")


@cache
def documents() -> list[tuple[str, dict[str, Any]]]:
    """Read-only by convention."""
    return [(path.name, read_yaml(path)) for path in sorted(Path(DEFAULTS).glob("*.yaml"))]


def asked(names: tuple[str, ...], **changes: Any) -> Context:
    """A request context in Germany; ``changes`` replace fields."""
    fields: dict[str, Any] = {
        "tenant": "t",
        "packs": names,
        "jurisdictions": frozenset({"DE"}),
        "data_classes": frozenset(),
        "purpose": "general",
        "now": AT,
    }
    return Context(**{**fields, **changes})


def verdicts(found: PolicyPoint, names: tuple[str, ...], **changes: Any) -> dict[str, Decision]:
    """A decision on every deployment."""
    queries = [Query(deployment=d, action=Action.INVOKE) for d in found.facts.deployments]
    return {d.query.deployment: d for d in found.decide_all(asked(names, **changes), queries)}


def permitted(codes: set[str], names: tuple[str, ...], classes: set[str]) -> set[str]:
    point = PolicyPoint(packs.load((), names), facts.load(documents()))
    decided = verdicts(point, names, jurisdictions=frozenset(codes), data_classes=frozenset(classes))
    return {name for name, decision in decided.items() if decision.verdict is Verdict.PERMIT}


def test_without_a_credential_only_the_embedded_pool_is_there() -> None:
    found = loading.load(documents(), available=[])
    assert {d.transport.value for d in found.deployments.values()} == {"local"}


def test_every_provider_joins_with_its_credential_and_no_other_does() -> None:
    names = loading.credential_names(documents())
    assert {"OPENAI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "VERTEX_ACCESS_TOKEN"} <= names
    assert len(loading.load(documents(), available=names).deployments) == len(facts.load(documents()).deployments)
    for name in names:
        found = loading.load(documents(), available=[name])
        assert {d.api_key_env for d in found.deployments.values()} == {None, name}


@pytest.mark.parametrize("task", TaskClass)
def test_the_demonstration_goes_before_no_real_provider(task: TaskClass) -> None:
    found = loading.load(documents(), available=loading.credential_names(documents())).deployments.values()
    shares = {local: [reliability(d, task) for d in found if (d.operator in DEMO) is local] for local in (True, False)}
    assert max(shares[True]) < min(shares[False])


@pytest.mark.parametrize("name", ["local.yaml", "providers.yaml"])
def test_a_catalogue_says_that_it_is_an_example(name: str) -> None:
    assert read_yaml(DEFAULTS / name)["disclaimer"] == "example, not legal advice"
    assert "DEMONSTRATION" in (DEFAULTS / name).read_text() or "EXAMPLE" in (DEFAULTS / name).read_text()


def test_the_german_demo_tenant_keeps_a_panel_of_three_and_the_american_one_all() -> None:
    german = permitted({"DE"}, ("corporate", "eu", "it", "composite"), {"personal"})
    assert {d for d in german if d.startswith("local-")} == {"local-de/steady", "local-fr/lively", "local-ie/careful"}
    american = permitted({"US"}, ("corporate", "us", "composite"), set())
    assert len({d for d in american if d.startswith("local-")}) == 6


def test_personal_data_of_germany_goes_to_no_open_pool_and_to_no_unknown_trainer() -> None:
    german = permitted({"DE"}, ("corporate", "eu"), {"personal"})
    assert {"bedrock-eu/claude-sonnet-4-5", "openai-eu/gpt-4o", "azure-eu/gpt-4o"} <= german
    barred = {"bedrock-global/claude-sonnet-4-5", "openai/gpt-4o", "deepseek/deepseek-chat", "gemini/gemini-2.5-pro"}
    assert not german & barred
    assert "mistral/mistral-large" not in german  # whether it trains is not stated, and unknown denies


def test_the_examples_that_cases_ask_about_are_apart_from_the_catalogues() -> None:
    assert shipped.registry()["disclaimer"] == "example, not legal advice"


# --- the catalogue of real providers ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known() -> Facts:
    return facts.load(documents())


def offers() -> dict[str, Any]:
    """Deployments of the catalogue of real providers, as written."""
    found: dict[str, Any] = dict(documents())[PROVIDERS]["deployments"]
    return found


def named(known: Facts, prefix: str) -> list[str]:
    found = [d for d in known.deployments if d.startswith(prefix)]
    assert found, f"expected deployments that begin with `{prefix}`"
    return found


def may_process_in(known: Facts, deployment: str) -> frozenset[str]:
    """Codes and groups as rules are told."""
    (entity,) = (e for e in entities.build(known, AT) if e["uid"] == {"type": "Deployment", "id": deployment})
    return frozenset(each["__entity"]["id"] for each in entity["attrs"]["mayProcessIn"])


def test_the_catalogue_covers_many_offers_of_many_models() -> None:
    deployments = offers()
    assert len(deployments) >= 60
    assert len({d["model"] for d in deployments.values()}) >= 30


def test_every_fact_of_a_real_provider_is_asserted_sourced_and_expires() -> None:
    for name, entry in offers().items():
        for fact, stated in entry["facts"].items():
            assert stated["assurance"] == ("configuration" if name.startswith("own/") else "asserted"), (name, fact)
            assert str(stated["checked_on"]) <= "2026-11-25", (name, fact)
            assert str(stated["expires_on"]) == "2027-05-25", (name, fact)


@pytest.mark.parametrize("prefix", ["bedrock-global/", "azure-global/", "vertex-global/", "alibaba-global/", "openai/"])
def test_a_global_deployment_may_process_anywhere(known: Facts, prefix: str) -> None:
    for name in named(known, prefix):
        assert known.deployments[name].value("processing", AT) == ("WORLD",), name
    assert {"US", "CN", "DE", "IN"} <= may_process_in(known, name)


def test_every_upstream_name_that_says_global_is_catalogued_as_anywhere(known: Facts) -> None:
    calls = {n: d["call"] for n, d in offers().items()}
    wide = [
        n for n, c in calls.items() if "bedrock/global." in c["model"] or "/locations/global/" in c.get("base_url", "")
    ]
    assert len(wide) >= 4
    assert {known.deployments[n].value("processing", AT) for n in wide} == {("WORLD",)}


def test_a_european_profile_lists_countries_of_the_union_and_no_other(known: Facts) -> None:
    for name in named(known, "bedrock-eu/"):
        places = known.deployments[name].value("processing", AT)
        assert isinstance(places, tuple)
        assert set(places) == {"DE", "IE", "FR", "SE", "IT", "ES"}, name
        assert set(places) <= known.territories.below(("EU",), AT)


def test_a_profile_names_more_places_than_the_region_that_is_called(known: Facts) -> None:
    calls = {n: d["call"] for n, d in offers().items()}
    assert calls["bedrock-apac/nova-pro"]["defaults"] == {"aws_region_name": "ap-southeast-1"}
    assert {"AU", "IN", "JP", "KR", "SG"} <= may_process_in(known, "bedrock-apac/nova-pro")


def test_the_europe_of_openrouter_reaches_beyond_the_union(known: Facts) -> None:
    for name in named(known, "openrouter-eu/"):
        touched = may_process_in(known, name)
        assert {"GB", "CH", "DE"} <= touched
        assert not touched & {"US", "CN"}


def test_a_host_whose_place_is_not_established_states_none(known: Facts) -> None:
    for prefix in ("together/", "deepinfra/", "fireworks/", "openai-jp/"):
        for name in named(known, prefix):
            assert "processing" not in known.deployments[name].facts
            assert "CN" in may_process_in(known, name), "expected unknown to count as everywhere"


def test_every_distillation_descends_from_its_teacher_and_its_base(known: Facts) -> None:
    distilled = [f for name, f in known.families.items() if "-distill-" in name and name.startswith("deepseek-r1")]
    assert len(distilled) >= 4
    for family in distilled:
        assert family.ancestors is not None
        assert {"deepseek-r1", "deepseek-v3"} <= family.ancestors
        assert any(a.startswith(("qwen2.5", "llama-3")) for a in family.ancestors), family.id
    assert "llama-3.1-70b" in (known.families["deepseek-r1-distill-llama-70b"].ancestors or ())


def test_a_deployment_without_its_credential_is_not_decided_about_and_denies_if_asked(tmp_path: Path) -> None:
    (tmp_path / "apostille.yaml").write_text(
        'version: 1\ncatalogue: ["builtin:local", "builtin:providers"]\ntenants: {acme: {packs: [corporate]}}\n'
    )
    found = snapshot.build(settings.load(tmp_path / "apostille.yaml", environ={}), {"MISTRAL_API_KEY": "k"})
    point = found.rulebook.point
    assert set(point.facts.deployments) == set(found.rulebook.catalogue.deployments)
    assert point.facts_digest == facts.load(documents()).digest
    decided = verdicts(point, ("corporate",))
    assert decided["mistral/mistral-large"].verdict is Verdict.PERMIT
    query = Query(deployment="openai-us/gpt-4o", action=Action.INVOKE)
    (decision,) = point.decide_all(asked(("corporate",)), [query])
    assert (decision.verdict, decision.errors) == (Verdict.DENY, ("unknown-deployment:openai-us/gpt-4o",))


# --- what rules make of it --------------------------------------------------------------------------------------------


def test_a_fact_that_expired_yesterday_denies_and_is_listed() -> None:
    name, content = "bedrock-eu/claude-sonnet-4-6", dict(documents())[PROVIDERS]
    entry = content["deployments"][name]
    old = {"checked_on": (AT - timedelta(days=90)).date(), "expires_on": (AT - timedelta(days=1)).date()}
    stale = {**entry, "facts": {**entry["facts"], "processing": {**entry["facts"]["processing"], **old}}}
    changed = {**content, "deployments": {**content["deployments"], name: stale}}
    found = PolicyPoint(packs.load((), ("corporate", "eu")), facts.load([(PROVIDERS, changed)]))
    personal = {"data_classes": frozenset({"personal"})}
    decided = verdicts(found, ("corporate", "eu"), **personal)[name]
    assert decided.verdict is Verdict.DENY
    assert "processing" in decided.unknown
    report = staleness.report(found.facts, found.policy_set.parsed.values(), AT.date(), within=90)
    assert (name, "processing") in {(s.deployment, s.fact) for s in report.expired}
    before = PolicyPoint(packs.load((), ("corporate", "eu")), facts.load(documents()).only({name}))
    assert verdicts(before, ("corporate", "eu"), **personal)[name].verdict is Verdict.PERMIT


def banned(folder: Path, head: str, condition: str = "true") -> dict[str, Decision]:
    (folder / "ban").mkdir()
    (folder / "ban" / "rules.cedar").write_text(rule(condition, identifier="ban.01", scope=head))
    found = PolicyPoint(packs.load(folder, ("corporate", "eu", "ban")), facts.load(documents()))
    return verdicts(found, ("corporate", "eu", "ban"))


def test_a_ban_on_a_model_reaches_its_distillations_wherever_they_are_hosted(tmp_path: Path) -> None:
    decided = banned(tmp_path, 'resource in ModelFamily::"deepseek-r1"')
    hit = {name for name, d in decided.items() if "ban.01" in d.rules}
    assert {
        "bedrock-us/deepseek-r1",
        "together/deepseek-r1-0528",
        "deepinfra/deepseek-r1-distill-llama-70b",
        "deepinfra/deepseek-r1-distill-qwen-32b",
        "fireworks/deepseek-r1-distill-qwen-14b",
        "ovh/deepseek-r1-distill-llama-70b",
        "openrouter/deepseek-r1-distill-llama-70b",
        "own/deepseek-r1-distill-llama-8b",
        "own/deepseek-r1-distill-qwen-32b",
        "own/r1-1776",
    } <= hit
    assert hit & {"own/llama-3.3-70b", "own/qwq-32b", "bedrock-eu/deepseek-v3.2"} == set()  # bases, and the older model
    assert {"own/gemma-3-27b", "deepseek/deepseek-v4-flash"} <= hit  # lineage unknown: it may descend from it
    assert all(decided[name].verdict is Verdict.DENY for name in hit)


def test_a_ban_on_an_operator_leaves_the_same_weights_elsewhere_to_their_own_rules(tmp_path: Path) -> None:
    decided = banned(tmp_path, "resource", 'resource.operator == Company::"deepseek"')
    hit = {name for name, d in decided.items() if "ban.01" in d.rules}
    assert hit == {"deepseek/deepseek-chat", "deepseek/deepseek-v4-flash"}
    assert decided["deepseek/deepseek-chat"].verdict is Verdict.DENY
    for name in ("bedrock-eu/deepseek-v3.2", "bedrock-us/deepseek-r1", "openrouter/deepseek-v3", "own/r1-1776"):
        assert decided[name].verdict is Verdict.PERMIT, name
    elsewhere = decided["together/deepseek-r1-0528"]  # its place is unknown, so the base permit does not hold
    assert (elsewhere.verdict, elsewhere.rules) == (Verdict.DENY, ())
    assert "processing" in elsewhere.unknown


def test_an_order_against_one_class_of_models_reaches_the_model_in_its_window_and_no_other(known: Facts) -> None:
    two = {"anthropic/claude-fable-5", "anthropic/claude-opus-4-6"}
    found = PolicyPoint(packs.load((), ("corporate", "us")), known.only(two))
    inside = {"jurisdictions": frozenset({"US"}), "now": datetime.fromisoformat("2026-06-20T12:00:00+00:00")}
    during = verdicts(found, ("corporate", "us"), **inside)
    assert during["anthropic/claude-fable-5"].verdict is Verdict.DENY
    assert during["anthropic/claude-opus-4-6"].verdict is Verdict.PERMIT
    after = verdicts(found, ("corporate", "us"), jurisdictions=frozenset({"US"}))
    assert after["anthropic/claude-fable-5"].verdict is Verdict.PERMIT
