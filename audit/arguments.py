"""What commands of this package read from a command line in the same way.

Functions of one text raise ``argparse.ArgumentTypeError``.
"""

import argparse
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import scope
from audit.bundle_contents import Period
from audit.errors import AuditError

USAGE, CANNOT_TELL = 2, 3
MAX_JOBS = 256
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
"""Before the first log that there could be, and after the last."""

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def data_directory(argument: str | None) -> Path:
    """The data directory that a command is about."""
    return Path(argument or os.environ.get("APOSTILLE_DATA") or "var/data")


def job_count(text: str) -> int:
    """The number of processes of ``--jobs``."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_JOBS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_JOBS} processes, got `{text[:20]}`")
    return int(text)


def scope_name(text: str) -> str:
    """The name of a scope."""
    try:
        return scope.checked(text)
    except AuditError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# --- periods ----------------------------------------------------------------------------------------------------------


def add_period(parser: argparse.ArgumentParser, what: str) -> None:
    """The options ``--from`` and ``--to``. ``what``: begins their help."""
    parser.add_argument(
        "--from", dest="begin", type=begin_time, metavar="T", help=f"{what}from this day (UTC) or time on"
    )
    parser.add_argument(
        "--to", dest="end", type=end_time, metavar="T", help=f"{what}up to this day (UTC, included) or before this time"
    )


def asked_period(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Period | None:
    """The period of these options; None where neither is given. Ends the command where it is empty."""
    if arguments.begin is None and arguments.end is None:
        return None
    if arguments.begin is not None and arguments.end is not None and arguments.begin >= arguments.end:
        parser.error("expected `--from` before `--to`")
    return Period(begin=arguments.begin, end=arguments.end)


def begin_time(text: str) -> datetime:
    """The moment at which a period begins."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day, or a time with its zone, got `{text[:40]}`") from None
    if found.tzinfo is None and not _DAY.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, or a time with its zone, got `{text[:40]}`")
    if not FIRST.year <= found.year < LAST.year:  # first, so that no zone carries it beyond what there is
        raise argparse.ArgumentTypeError(f"expected a time of the years 1970 to 2999, got `{text[:40]}`")
    return found.replace(tzinfo=found.tzinfo or UTC)


def end_time(text: str) -> datetime:
    """The moment at which a period ends: a day is in it whole."""
    return begin_time(text) + timedelta(days=1 if _DAY.fullmatch(text) else 0)
