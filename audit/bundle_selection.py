"""Which records a bundle is of: the whole log, a period of it, or chosen requests.

Pure. A period is the part of the log from the first record that was written in it to the last one: times are the writers' own
claims, and a part of the log without a gap is what can be checked. The other half of a request that reaches out of the period
comes with it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

from audit import dsse, examine, revocation, statement
from audit.bundle import Select, Selection, Source, StoredRecord
from audit.errors import MalformedError
from audit.vocabulary import RecordKind


def whole(source: Source, size: int) -> Selection:
    """The whole log as its checkpoint has it now."""
    return Selection(entries=range(size), records=lambda: source.sequenced(size))


def of_period(begin: datetime | None, end: datetime | None) -> Select:
    """What was written from ``begin`` on and before ``end`` (aware; None: no bound)."""

    def select(source: Source, size: int) -> Selection:
        entries = within(source, size, begin, end)
        if not entries:
            raise MalformedError("expected a period with records in the published log", code="period-empty")
        return of_entries(entries)(source, size)

    return select


def within(source: Source, size: int, begin: datetime | None, end: datetime | None) -> range:
    """The entries from the first that was written in a period to the last one; empty if none was."""
    inside = [each.place for each in _ends(each for each in source.sequenced(size) if _written(each, begin, end))]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def of_entries(entries: range) -> Select:
    """A part of the log, with the other halves of its requests."""

    def select(source: Source, size: int) -> Selection:
        before, after = _halves(source, entries, size)

        def records() -> Iterator[StoredRecord]:
            return chain(before, (each for each in source.sequenced(size) if each.place in entries), after)

        return Selection(entries=entries, records=records)

    return select


def _ends(records: Iterable[StoredRecord]) -> tuple[StoredRecord, ...]:
    """First and last of some records."""
    first = last = None
    for last in records:
        first = first or last
    return () if first is None or last is None else (first, last)


def _written(record: StoredRecord, begin: datetime | None, end: datetime | None) -> bool:
    try:
        at = examine.take_apart(record.envelope).at
    except MalformedError:  # audit.verify names such a record
        return False
    return (begin is None or begin <= at) and (end is None or at < end)


def _halves(source: Source, entries: range, size: int) -> tuple[list[StoredRecord], list[StoredRecord]]:
    """Records before and after ``entries`` of requests whose other record is among them."""
    waiting: set[str] = set()
    early: set[str] = set()
    for each in source.sequenced(size):
        if each.place not in entries:
            continue
        if each.kind is RecordKind.DECISION:
            waiting.add(each.request_id)
        elif each.kind is RecordKind.RESULT and each.request_id in waiting:
            waiting.remove(each.request_id)
        elif each.kind is RecordKind.RESULT:
            early.add(each.request_id)
    found = [
        each
        for request_id in early | waiting
        for each in source.of_request(request_id)
        if each.index is not None and each.index < size and each.index not in entries
    ]
    found.sort(key=lambda each: each.place)
    before = [each for each in found if each.place < entries.start]
    return before, [each for each in found if each.place >= entries.stop]


def of_requests(request_ids: Iterable[str]) -> Select:
    """Chosen requests, each of which must be known and published."""
    wanted = tuple(dict.fromkeys(request_ids))

    def select(source: Source, size: int) -> Selection:
        found = [each for request_id in wanted for each in _published(source, request_id, size)]
        found += _revocations(source, {dsse.parse(each.envelope).keyid for each in found}, size)
        found.sort(key=lambda each: each.place)
        return Selection(entries=None, records=lambda: iter(found))

    return select


def _revocations(source: Source, keyids: set[str], size: int) -> list[StoredRecord]:
    """Records that revoke one of these keys: whoever gets a record has to get what takes it away."""
    found = []
    for each in source.of_kind(RecordKind.KEY_EVENT):
        if each.index is None or each.index >= size:
            continue
        said = revocation.revocation_of(statement.parse(dsse.parse(each.envelope).payload), each.index)
        found += [each] if said is not None and said.event.keyid in keyids else []
    return found


def _published(source: Source, request_id: str, size: int) -> tuple[StoredRecord, ...]:
    found = source.of_request(request_id)
    if not found:
        raise MalformedError(f"expected a known request, got `{request_id[:128]}`", code="record-unknown")
    if any(each.index is None or each.index >= size for each in found):
        raise MalformedError(f"expected `{request_id[:128]}` in the published log already", code="record-unpublished")
    return found
