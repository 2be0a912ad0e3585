"""What an evidence bundle says that it holds: the file ``bundle.txt``.

Pure. It is a claim, and nothing is believed because of it: verification holds the evidence to what is claimed, and its last line
repeats the claim, so that a bundle which was made to say less is seen to say less.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from audit.errors import MalformedError

MAX_BYTES = 400
UNBOUNDED = "-"
_FORM = "%Y-%m-%dT%H:%M:%S.%fZ"
_TIME = r"(-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"
_CONTENTS = re.compile(
    r"apostille-bundle/1\nmade (\d{4}-\d\d-\d\d \d\d:\d\d UTC)\nderivation ([0-9.]{1,20})\n"
    rf"(?:requests|entries (0|[1-9][0-9]{{0,18}}) (0|[1-9][0-9]{{0,18}}))\n(?:period {_TIME} {_TIME}\n)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time of which nothing is to be missing: from ``begin`` on and before ``end`` (aware).

    None: since the first log that there was; up to now.
    """

    begin: datetime | None
    end: datetime | None

    def __str__(self) -> str:
        since = "the first log" if self.begin is None else _day(self.begin)
        return f"from {since} to {'now' if self.end is None else _day(self.end)}"


EVERYTHING = Period(begin=None, end=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a bundle says it holds. ``entries``: the part of the log of which every record is here; None: of chosen requests.

    ``derivation``: version of what traces and report were derived by. ``made``: when, for people. ``period``: what the bundle, with
    those of the logs before its own, reaches over; None: that is not said.
    """

    made: str
    derivation: str
    entries: range | None
    period: Period | None = None


def render(contents: Contents) -> bytes:
    """The file ``bundle.txt``."""
    entries, period = contents.entries, contents.period
    held = "requests" if entries is None else f"entries {entries.start} {entries.stop}"
    reach = "" if period is None else f"period {_written(period.begin)} {_written(period.end)}\n"
    return f"apostille-bundle/1\nmade {contents.made}\nderivation {contents.derivation}\n{held}\n{reach}".encode()


def parse(content: bytes) -> Contents:
    """What ``bundle.txt`` says; raises ``MalformedError``. What it leaves out is said, not hidden."""
    found = _CONTENTS.fullmatch(content[:MAX_BYTES].decode("ascii", "replace"))
    if found is None or len(content) > MAX_BYTES:
        raise MalformedError(
            "expected `apostille-bundle/1`, `made`, `derivation`, `entries` or `requests`, and perhaps `period`",
            code="contents",
        )
    made, derivation, first, stop, begin, end = found.groups()
    entries = None if first is None else range(int(first), int(stop))
    period = None if begin is None else Period(begin=_read(begin), end=_read(end))
    return Contents(made=made, derivation=derivation, entries=entries, period=period)


def _day(moment: datetime) -> str:
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return text.removesuffix(" 00:00:00")


def _written(moment: datetime | None) -> str:
    return UNBOUNDED if moment is None else moment.astimezone(UTC).strftime(_FORM)


def _read(text: str) -> datetime | None:
    if text == UNBOUNDED:
        return None
    try:
        return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError as cause:
        raise MalformedError("expected `period` of times that exist", code="contents") from cause
