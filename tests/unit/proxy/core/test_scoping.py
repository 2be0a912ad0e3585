"""Which logs a request's records go into: by tenant, by the groups its codes lie in that day, by the UTC year."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from audit import scope
from policies import facts
from proxy.core import scoping
from proxy.core.scoping import Scoping

TERRITORIES = facts.load([]).territories
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def names(rule: Scoping, *codes: str, now: datetime = NOW, tenant: str = "acme") -> tuple[str, ...]:
    """Names of the logs of a request."""
    return scope.logs(scoping.scopes(rule, tenant, codes, territories=TERRITORIES, now=now))


def test_nothing_is_scoped_unless_it_is_asked_for() -> None:
    assert names(Scoping(), "DE") == ()


def test_a_record_is_in_every_scope_that_applies_once() -> None:
    rule = Scoping(tenants=True, groups=("EU", "US", "FR"))
    assert names(rule, "DE", "FR", "US") == ("acme-2026", "acme-eu-2026", "acme-us-2026", "acme-fr-2026")
    eu = scoping.scopes(rule, "acme", ("FR", "DE"), territories=TERRITORIES, now=NOW)[1]
    assert (eu.group, eu.codes) == ("EU", ("DE", "FR"))


def test_a_group_lies_in_itself_and_a_wider_code_in_no_part_of_it() -> None:
    rule = Scoping(groups=("EU", "DE"))
    assert (names(rule, "EU"), names(rule, "DE"), names(rule, "CN")) == (
        ("acme-eu-2026",),
        ("acme-eu-2026", "acme-de-2026"),
        (),
    )


def test_memberships_are_those_of_the_day() -> None:
    rule = Scoping(groups=("EU",))
    before = datetime(2019, 6, 1, tzinfo=UTC)
    assert (names(rule, "GB", now=before), names(rule, "GB")) == (("acme-eu-2019",), ())


@pytest.mark.parametrize(("moment", "year"), [(timedelta(0), 2027), (-timedelta(microseconds=1), 2026)])
def test_a_new_year_in_utc_is_a_new_log(moment: timedelta, year: int) -> None:
    now = datetime(2027, 1, 1, tzinfo=UTC) + moment
    for elsewhere in (UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=8))):
        assert names(Scoping(tenants=True), now=now.astimezone(elsewhere)) == (f"acme-{year}",)


def test_a_refused_request_of_nowhere_is_in_its_tenants_log_alone() -> None:
    assert names(Scoping(tenants=True, groups=("EU",))) == ("acme-2026",)


def test_tenants_whose_scopes_would_be_one_are_told() -> None:
    assert scoping.collisions(Scoping(tenants=True), ("Acme", "acme", "acme-eu", "b")) == ("acme",)
    assert scoping.collisions(Scoping(), ("Acme", "acme")) == ()
