"""The catalogues that come with the package load, decide, and say what they are."""

from pathlib import Path

import pytest

from policies import facts, packs, shipped
from policies.decision import Action, Context, Query
from policies.point import PolicyPoint
from proxy.core import loading
from proxy.settings import DEFAULTS, read_yaml

NOW = "2026-11-25T12:00:00+00:00"
KEYS = [
    "OPENAI_API_KEY", "OPENAI_US_API_KEY", "OPENAI_EU_API_KEY", "AZURE_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY",
    "AWS_BEARER_TOKEN_BEDROCK", "MISTRAL_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY", "OPENROUTER_EU_API_KEY",
    "OWN_OPENAI_COMPATIBLE_API_KEY",
]  # fmt: skip


def documents() -> list[tuple[str, dict[str, object]]]:
    return [(path.name, read_yaml(path)) for path in sorted(Path(DEFAULTS).glob("*.yaml"))]


def permitted(codes: set[str], names: tuple[str, ...], classes: set[str]) -> set[str]:
    from datetime import datetime

    point = PolicyPoint(packs.load((), names), facts.load(documents()))
    context = Context(
        tenant="t",
        packs=names,
        jurisdictions=frozenset(codes),
        data_classes=frozenset(classes),
        purpose="general",
        now=datetime.fromisoformat(NOW),
    )
    queries = [Query(deployment=d, action=Action.INVOKE) for d in point.facts.deployments]
    return {d.query.deployment for d in point.decide_all(context, queries) if d.verdict.value == "permit"}


def test_without_a_credential_only_the_embedded_pool_is_there() -> None:
    found = loading.load(documents(), available=[])
    assert {d.transport.value for d in found.deployments.values()} == {"local"}


def test_every_provider_joins_with_its_credential() -> None:
    found = loading.load(documents(), available=KEYS)
    named = {v for d in found.deployments.values() if (v := d.api_key_env)}
    assert named == set(KEYS)


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
