"""What every shipped rule has, and what the packs must decide over the shipped catalogue of real providers."""

from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest

from audit.vocabulary import Verdict
from policies import cedar, facts, packs, plain, shipped
from policies.decision import Action, Context, Query
from policies.point import PolicyPoint
from policies.rules import NEVER_DECIDES, Rule, Status
from proxy.settings import DEFAULTS

NAMES = tuple(sorted(p.name for p in shipped.PACKS.iterdir() if p.is_dir()))
FILES = sorted(shipped.PACKS.rglob("*.cedar"))
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@cache
def everything() -> packs.PolicySet:
    """All shipped packs."""
    return packs.load((), NAMES)


@cache
def point() -> PolicyPoint:
    """All shipped packs over the shipped catalogue of providers."""
    document = shipped.read_yaml(DEFAULTS / "providers.yaml")
    return PolicyPoint(everything(), facts.load([("providers.yaml", document)]))


def every_rule() -> list[Rule]:
    """Every shipped rule, drafts included."""
    return [*everything().parsed.values(), *everything().silent.values()]


def verdict(deployment: str, *names: str, jurisdiction: str = "DE", flowdown: tuple[str, ...] = ()) -> Verdict:
    """Whether a deployment of the catalogue may be called under the corporate pack and some others."""
    context = Context(
        tenant="t",
        packs=("corporate", *names),
        jurisdictions=frozenset({jurisdiction}),
        data_classes=frozenset(),
        purpose="general",
        now=NOW,
        flowdown=frozenset(flowdown),
    )
    (decision,) = point().decide_all(context, [Query(deployment=deployment, action=Action.INVOKE)])
    return decision.verdict


def test_there_are_at_least_45_rules() -> None:
    assert len(every_rule()) >= 45


def test_every_rule_has_a_date_a_source_a_legal_basis_a_status_and_an_object() -> None:
    for rule in every_rule():
        for name in ("checked_on", "source", "legal_basis", "status", "object"):
            assert rule.annotations.get(name), f"`{rule.id}` has no `@{name}`"
        date.fromisoformat(rule.annotations["checked_on"])
        assert rule.text().disclaimer == "example, not legal advice", rule.id


def test_every_rule_that_is_not_the_companys_own_says_who_made_the_law_and_how_sure_we_are() -> None:
    for rule in every_rule():
        if rule.status is not Status.COMPANY:
            assert rule.annotations.get("authority"), rule.id
            assert rule.annotations.get("confidence"), rule.id


@pytest.mark.parametrize("file", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_pack_file_says_that_it_is_an_example(file: Path) -> None:
    assert "Example, not legal advice." in file.read_text(encoding="utf-8").split("@id", 1)[0]


def test_what_was_never_in_force_decides_on_no_day() -> None:
    assert {"us.09", "us.13"} <= everything().silent.keys()
    assert all(rule.status in NEVER_DECIDES for rule in everything().silent.values())
    assert everything().silent.keys().isdisjoint(everything().parsed)


def test_every_condition_of_a_shipped_rule_has_words() -> None:
    for rule in every_rule():
        assert "(resource." not in plain.reading(rule), rule.id
        assert "(context." not in plain.reading(rule), rule.id


def test_a_ban_on_a_service_is_no_ban_on_the_weights_and_a_ban_on_a_lineage_is_one() -> None:
    """No rule with the object `svc` reads where weights come from; `lin` reads nothing else about the model."""
    for rule in every_rule():
        objects = rule.annotations["object"].split("+")
        if "svc" in objects:
            assert rule.reads.isdisjoint({"developer", "lineageDevelopers", "lineageHomes", "model"}), rule.id
        if "lin" in objects and rule.status not in NEVER_DECIDES:
            family = rule.body["resource"]["op"] == "in"
            assert family or rule.reads & {"lineageDevelopers", "lineageHomes"}, rule.id


# Residency over the providers' own pools and profiles.


def test_strict_eu_residency_denies_a_profile_that_may_process_anywhere_though_called_through_an_eu_region() -> None:
    assert verdict("bedrock-global/claude-sonnet-4-5") is Verdict.PERMIT
    assert verdict("bedrock-global/claude-sonnet-4-5", "residency-eea") is Verdict.DENY


def test_strict_eu_residency_permits_a_profile_whose_destinations_all_lie_in_the_eea() -> None:
    assert verdict("bedrock-eu/claude-sonnet-4-5", "residency-eea") is Verdict.PERMIT


@pytest.mark.parametrize(
    ("pack", "expected"),
    [("residency-europe", Verdict.PERMIT), ("residency-eea", Verdict.DENY), ("eu", Verdict.PERMIT)],
)
def test_a_pool_with_the_united_kingdom_and_switzerland_is_europe_and_not_the_eea(pack: str, expected: Verdict) -> None:
    assert verdict("openrouter-eu/llama-3.3-70b", pack) is expected


def test_residency_binds_whatever_the_jurisdictions_of_the_request_are() -> None:
    for code in ("US", "CN", "BR"):
        assert verdict("bedrock-us/claude-sonnet-4-5", "residency-eea", jurisdiction=code) is Verdict.DENY
    assert verdict("bedrock-us/claude-sonnet-4-5", "residency-us", jurisdiction="DE") is Verdict.PERMIT


def test_two_residencies_permit_only_what_lies_in_both() -> None:
    assert verdict("bedrock-eu/claude-sonnet-4-5", "residency-eea", "residency-us") is Verdict.DENY


def test_a_state_device_clause_hits_the_service_and_not_the_weights_elsewhere() -> None:
    assert verdict("deepseek/deepseek-chat", "us-tx", jurisdiction="US-TX") is Verdict.PERMIT
    for name in ("deepseek/deepseek-chat", "openrouter/deepseek-v3"):
        expected = Verdict.DENY if name.startswith("deepseek/") else Verdict.PERMIT
        assert verdict(name, "us-tx", jurisdiction="US-TX", flowdown=("tx-state-device",)) is expected


# Plain readings of what no shipped rule says.


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("resource has retentionDays", "where `retentionDays` is known."),
        ("!(resource has scc)", "where no clauses for the transfer are on file."),
        ("resource has trainingUse && !resource.trainingUse", "where it is known not to train on what it is sent."),
        ("resource has retentionDays && resource.retentionDays > 30", "`retentionDays` is known and `"),
        ("context.humanOversight || resource.processingKnown", "each answer or it is known where it processes."),
        ('resource.mayProcessIn.containsAll([Jurisdiction::"DE", Jurisdiction::"FR"])', "`DE` and `FR`"),
    ],
)
def test_a_condition_is_read_in_words_and_nothing_of_it_is_left_out(condition: str, said: str) -> None:
    body = cedar.parse_rule(f'@id("x") forbid (principal, action, resource) when {{ {condition} }};')
    found = plain.reading(packs.rules.of(body, pack="x", file="x", line=1))
    assert found.startswith("Any use is denied where ")
    assert said in found
