"""Days and times of a command line: each is one moment, within what records can state, or a usage error."""

import argparse
from datetime import UTC, datetime

import pytest

from audit.arguments import asked_period, begin_time, end_time
from audit.bundle_contents import Contents, Period, parse, render


def test_a_day_is_in_its_period_whole() -> None:
    assert begin_time("2026-11-25") == datetime(2026, 11, 25, tzinfo=UTC)
    assert end_time("2026-11-25") == datetime(2026, 11, 26, tzinfo=UTC)


def test_a_time_is_what_it_says() -> None:
    assert begin_time("2026-11-25T10:00:00+01:00") == end_time("2026-11-25T09:00:00Z")


@pytest.mark.parametrize(
    "text", ["20261125", "2026W483", "2026-W48-3", "2026-11-25T10", "2026-11-25 10:00", "٢٠٢٦-11-25"]
)
def test_a_day_in_another_form_is_refused(text: str) -> None:
    """Read as a moment, it would leave out what was written on that day."""
    with pytest.raises(argparse.ArgumentTypeError):
        end_time(text)


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00:00+05:00", "9999-12-31", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_no_record_can_state_is_refused(text: str) -> None:
    for read in (begin_time, end_time):
        with pytest.raises(argparse.ArgumentTypeError, match="1970 to 2999"):
            read(text)


@pytest.mark.parametrize(
    ("begin", "end"), [("1970-01-01T00:00:00+14:00", "1970-01-01"), ("2999-12-31", "2999-12-31"), ("1970-01-01", None)]
)
def test_every_period_can_be_stated_in_a_bundle(begin: str, end: str | None) -> None:
    period = Period(begin=begin_time(begin), end=None if end is None else end_time(end))
    stated = Contents(made="2026-11-25 12:00 UTC", derivation="1", entries=range(1), period=period)
    assert parse(render(stated)).period == period


def test_no_options_are_no_period() -> None:
    assert asked_period(argparse.ArgumentParser(), argparse.Namespace(begin=None, end=None)) is None
