"""What a provider's report of its place proves: silence and vagueness prove nothing."""

from datetime import UTC, datetime

import pytest

from policies import facts, residency, shipped
from policies.residency import Residency

TERRITORIES = facts.load([]).territories
AT = datetime(2026, 11, 25, tzinfo=UTC)
FINE, BROKEN, SILENT = Residency.AS_DECLARED, Residency.VIOLATED, Residency.NOT_EVIDENCED


@pytest.mark.parametrize(
    ("declared", "reported", "said"),
    [
        (("DE",), "DE", FINE),
        (("DE",), "de", FINE),
        (("EU",), "DE", FINE),
        (("EEA",), "EU", FINE),
        (("EU",), "eu-central-1", FINE),
        (("EU",), "Sweden Central", FINE),
        (("EU",), "eu-west-2", BROKEN),
        (("EU",), "us-east-1", BROKEN),
        (("EU",), "US", BROKEN),
        (("US",), "us", FINE),
        (("US-TX",), "US", SILENT),
        (("DE",), "EU", SILENT),
        (("DE",), "global", SILENT),
        (("DE",), "", SILENT),
        (("DE",), "mars-north-1", SILENT),
        (("WORLD",), "CN", FINE),
        ((), "CN", SILENT),
        (("GB",), "UK", FINE),
    ],
)
def test_a_report_proves_no_more_than_it_says(declared: tuple[str, ...], reported: str, said: Residency) -> None:
    assert residency.verdict(declared, reported, TERRITORIES, AT) is said


def test_membership_counts_as_of_the_day() -> None:
    before = datetime(2020, 1, 1, tzinfo=UTC)
    assert residency.verdict(("EU",), "GB", TERRITORIES, before) is FINE
    assert residency.verdict(("EU",), "GB", TERRITORIES, AT) is BROKEN


def test_every_region_of_the_table_is_in_a_known_country() -> None:
    assert all(code in TERRITORIES and name == name.lower() for name, code in shipped.regions().items())


def test_a_declared_code_may_be_an_alias() -> None:
    assert residency.verdict(("UK",), "GB", TERRITORIES, AT) is FINE
