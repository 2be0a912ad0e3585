"""The report on a catalogue's facts, over invented deployments with known dates."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies import inventory, packs, staleness
from policies.rules import Rule
from policies.staleness import Report
from tests.simulators.rules import STATED, deployment, known, rule, write

AT = date(2026, 11, 25)
READS_BAA = rule('context.dataClasses.contains(DataClass::"phi")', identifier="t.baa").replace(
    "};", "} unless { resource has baa && resource.baa };"
)


def dated(expires_on: str | None, checked_on: str = "2026-11-01") -> dict[str, Any]:
    fact = {**STATED, "value": ["DE"], "checked_on": checked_on}
    return fact if expires_on is None else {**fact, "expires_on": expires_on}


@pytest.fixture
def rules(tmp_path: Path) -> tuple[Rule, ...]:
    return tuple(packs.load(write(tmp_path, READS_BAA), ["corporate-test", "extra"]).parsed.values())


def report(deployments: dict[str, Any], rules: tuple[Rule, ...] = (), *, at: date = AT, within: int = 90) -> Report:
    return staleness.report(known(deployments), rules, at, within=within)


@pytest.mark.parametrize(
    ("expires_on", "expired", "expiring", "later"),
    [
        ("2026-11-24", 1, 0, 0),
        ("2026-11-25", 1, 0, 0),  # a fact is unknown from the first instant of the day
        ("2026-11-26", 0, 1, 0),
        ("2027-02-23", 0, 1, 0),  # the ninetieth day
        ("2027-02-24", 0, 0, 1),
    ],
)
def test_a_fact_expires_on_its_day_and_is_announced_before(
    expires_on: str, expired: int, expiring: int, later: int
) -> None:
    found = report({"d": deployment("gamma", storage=dated(expires_on))})
    assert (len(found.expired), len(found.expiring), found.later) == (expired, expiring, later)


def test_expired_facts_come_oldest_first_with_source_and_assurance() -> None:
    found = report(
        {
            "a": deployment("gamma", storage=dated("2026-11-20"), processing=dated("2026-11-10")),
            "b": deployment("gamma", storage=dated("2026-11-15")),
        }
    )
    assert [(s.deployment, s.fact) for s in found.expired] == [("a", "processing"), ("b", "storage"), ("a", "storage")]
    assert {(s.source, s.assurance.value) for s in found.expired} == {("test", "configuration")}


def test_the_first_later_day_is_told() -> None:
    found = report({"d": deployment("gamma", storage=dated("2027-09-01"), processing=dated("2027-08-01"))}, within=0)
    assert (found.later, found.next_expiry) == (2, date(2027, 8, 1))


def test_a_fact_without_an_expiry_is_listed() -> None:
    found = report({"d": deployment("gamma", storage=dated("2027-09-01"))})
    assert [s.fact for s in found.undated] == ["opaque_composite", "processing", "training_use"]


@pytest.mark.parametrize(("checked_on", "named"), [("2026-05-29", False), ("2026-05-28", True)])
def test_a_fact_that_nobody_checked_for_180_days_is_listed(checked_on: str, named: bool) -> None:
    found = report({"d": deployment("gamma", storage=dated(None, checked_on))})
    assert [s.fact for s in found.unchecked] == (["storage"] if named else [])


def test_only_facts_that_a_rule_reads_are_missing(rules: tuple[Rule, ...]) -> None:
    deployments = {"with": deployment("gamma", baa=True), "without": deployment("gamma", storage=None)}
    found = report(deployments, rules)
    assert [(m.deployment, m.facts) for m in found.missing] == [("without", ("baa",))]
    assert dict(found.readers) == {"baa": ("t.baa",)}


def test_an_expired_fact_is_expired_and_not_missing(rules: tuple[Rule, ...]) -> None:
    expired = {**STATED, "value": True, "expires_on": "2026-11-20"}
    found = report({"d": deployment("gamma", baa=expired)}, rules)
    assert [s.fact for s in found.expired] == ["baa"]
    assert found.missing == ()


def test_models_without_a_stated_lineage_are_listed_with_their_deployments() -> None:
    found = report({"d": deployment("secret"), "e": deployment("gamma")})
    assert [(u.model, u.deployments) for u in found.lineage] == [("secret", ("d",))]


def test_a_row_keeps_the_three_axes_apart(rules: tuple[Rule, ...]) -> None:
    facts = known({"d": deployment("alpha-1", "lake", ("DE", "FR")), "e": deployment("gamma", processing=None)})
    first, second = inventory.rows(facts, rules, AT)
    assert (first.developer, first.developer_home, first.operator, first.operator_home) == ("delta", "CN", "lake", "US")
    assert (first.processing, first.unknown) == (("DE", "FR"), ("baa",))
    assert (second.processing, second.unknown) == (None, ("baa", "processing"))


@given(
    days=st.lists(st.integers(min_value=-400, max_value=400), max_size=12),
    within=st.integers(min_value=0, max_value=500),
)
def test_every_dated_fact_is_in_exactly_one_place(days: list[int], within: int) -> None:
    deployments = {
        f"d{i}": deployment("gamma", storage=dated(str(AT + timedelta(days=day)), "2020-01-01"))
        for i, day in enumerate(days)
    }
    found = report(deployments or {"d": deployment("gamma")}, within=within)
    assert len(found.expired) == sum(day <= 0 for day in days)
    assert len(found.expiring) == sum(0 < day <= within for day in days)
    assert found.later == sum(day > within for day in days)
    assert len(found.expired) + len(found.expiring) + found.later + len(found.undated) == found.facts
