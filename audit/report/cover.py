"""First page of a report: what it is about, which log it was computed from, and whether that log held.

Pure. A report of a log that does not hold, or that nobody verified, says so before any figure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from audit.obligations import Outcome, Report

DISCLAIMER = "example, not legal advice"


class Verification(StrEnum):
    """What is known about the log that the figures come from."""

    HELD = "held"
    FAILED = "failed"
    UNDECIDED = "undecided"
    NOT_CHECKED = "not-checked"
    """The report was asked for without verification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One obligation of the verification and what was found; see ``audit.obligations``."""

    id: str
    name: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """A log that the figures come from, with the checkpoint that they were computed at: the final one of a log that ended.

    ``first``: number of its first entry, where several logs are numbered through.
    """

    origin: str
    size: int
    root: str
    first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """The first page. ``begin`` and ``end``: first and last day (UTC). ``codes``: what counts as the jurisdiction; empty: all.

    ``size`` and ``root``: the newest tree that the figures were computed at; ``logs``: every log, oldest first, empty in a bundle,
    whose report is of the one log above. ``entries``: its records by kind. ``unreadable``: envelopes
    that are not signed statements; ``unmatched``: results without their decision; neither is in any figure.
    """

    jurisdiction: str
    codes: tuple[str, ...]
    begin: str
    end: str
    origin: str
    size: int
    root: str
    verification: Verification
    checks: tuple[Check, ...]
    entries: Mapping[str, int]
    unreadable: int
    unmatched: int
    made: str
    version: str
    logs: tuple[LogRow, ...] = ()
    disclaimer: str = DISCLAIMER


_VERIFICATIONS = {
    Outcome.OK: Verification.HELD,
    Outcome.FAILED: Verification.FAILED,
    Outcome.UNDECIDED: Verification.UNDECIDED,
    Outcome.NOT_CHECKED: Verification.NOT_CHECKED,
}


def verification(found: Report | None) -> Verification:
    """What a verification found; None: there was none."""
    return Verification.NOT_CHECKED if found is None else _VERIFICATIONS[found.outcome]


def checks(found: Report | None) -> tuple[Check, ...]:
    """Its findings, one by one."""
    return tuple(
        Check(id=each.obligation.id, name=each.obligation.name, outcome=each.outcome.value, reason=each.reason)
        for each in (found.findings if found is not None else ())
    )
