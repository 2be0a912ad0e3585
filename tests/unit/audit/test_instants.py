"""Times of records."""

from datetime import UTC, datetime

import pytest

from audit import instants
from audit.errors import MalformedError


def test_microseconds_are_kept() -> None:
    assert instants.micros("1970-01-01T00:00:01.000002Z") == 1_000_002


def test_another_zone_is_the_same_moment() -> None:
    assert instants.moment("2026-03-01T01:30:00+02:00") == datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
    assert instants.moment("2026-03-01T01:30:00+02:00").tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_text_that_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(MalformedError, match="expected"):
        instants.moment(text)


def test_a_time_before_1970_is_refused() -> None:
    with pytest.raises(MalformedError, match="1970"):
        instants.micros("1969-12-31T23:59:59Z")
