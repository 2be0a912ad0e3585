"""Which records a bundle has of each of several logs that follow one another, oldest first.

Pure. What one log is for a bundle, its entries from the first of a period to the last, the logs of a chain are together: every record
from there to there, over their ends, so that nothing can be missing between them. The last record of the log before and the first
ones of the log after come along where the period reaches up to them: they show that it goes no further.
"""

from collections.abc import Sequence

from audit import bundle_selection, dsse, statement, succession
from audit.bundle import Select, Source, StoredRecord
from audit.bundle_contents import EVERYTHING, Period
from audit.errors import MalformedError
from audit.succession import LogStart
from audit.vocabulary import RecordKind

Parts = tuple[tuple[Source, Select], ...]
"""Logs of a bundle, oldest first, with what is chosen of each."""


def whole(logs: Sequence[Source]) -> tuple[Parts, Period | None]:
    """All of some logs, and what they reach over: everything, unless one before or after them is elsewhere."""
    start = _start(logs[0])
    complete = (start is None or start.previous is None) and not any(logs[-1].of_kind(RecordKind.LOG_END))
    return tuple((each, bundle_selection.whole) for each in logs), EVERYTHING if complete else None


def of_period(logs: Sequence[Source], sizes: Sequence[int], period: Period) -> Parts:
    """What was written in a period. ``sizes``: of the logs as published.

    Raises ``MalformedError`` (``period-empty``).
    """
    found = [
        bundle_selection.within(log, size, period.begin, period.end) for log, size in zip(logs, sizes, strict=True)
    ]
    touched = [number for number, entries in enumerate(found) if entries]
    if not touched:
        raise MalformedError("expected a period with records in the published logs", code="period-empty")
    chosen = _joined(found, sizes, touched[0], touched[-1])
    first, last = touched[0], touched[-1]
    if found[first].start == 0 and first > 0:
        chosen = {first - 1: range(sizes[first - 1] - 1, sizes[first - 1]), **chosen}
    if chosen[last].stop == sizes[last] and last + 1 < len(logs):
        chosen[last + 1] = range(min(_beginning(logs[last + 1]), sizes[last + 1]))
    return tuple((logs[number], bundle_selection.of_entries(entries)) for number, entries in chosen.items())


def _joined(found: Sequence[range], sizes: Sequence[int], first: int, last: int) -> dict[int, range]:
    """Entries by number of the log, each up to the end of its log and from its beginning where another is beside it."""
    return {
        number: range(
            found[number].start if number == first else 0, found[number].stop if number == last else sizes[number]
        )
        for number in range(first, last + 1)
    }


def _beginning(log: Source) -> int:
    """How many entries a log begins with, published or not: those up to its ``log-start``."""
    return next((each.index + 1 for each in log.of_kind(RecordKind.LOG_START) if each.index is not None), 1)


def _start(log: Source) -> LogStart | None:
    return next((succession.start_of(_said(each)) for each in log.of_kind(RecordKind.LOG_START)), None)


def _said(record: StoredRecord) -> statement.Statement:
    return statement.parse(dsse.parse(record.envelope).payload)
