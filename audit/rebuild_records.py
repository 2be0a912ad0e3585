"""Records for the entries of a log, from files and old stores: one is taken only if it is the one of its entry.

What goes into the new store follows from the records themselves; the name of a record's request is theirs where they state it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from audit import entry, examine, predicate_reading, scope
from audit.errors import AuditError, MalformedError, VerificationError
from audit.examine import SignedRecord, Trust
from audit.storage import envelopes
from audit.storage.old_stores import OldStore
from audit.storage.renewal import NewStore
from audit.tiles import WIDTH
from audit.vocabulary import RecordKind

_COLUMNS = "id, request_id, kind, epoch, seq, env, leaf, idx"


class Found(NamedTuple):
    """A record that is the one of its entry, ``leaf``."""

    request_id: str
    record: SignedRecord
    envelope: bytes
    leaf: bytes


def checked(request_id: str, envelope: bytes, leaf: bytes) -> Found | None:
    """A record, if it is the one of its entry."""
    try:
        record = examine.take_apart(envelope)
        examine.check_entry(entry.parse(leaf), record)
    except (MalformedError, VerificationError):
        return None
    stated = record.statement.predicate.get("requestId")
    return Found(stated if isinstance(stated, str) else request_id, record, envelope, leaf)


@dataclass(slots=True)
class Source:
    """Records by index. ``damaged``: bundles of which some record is not in its file."""

    folder: Path
    olds: Sequence[OldStore]
    damaged: list[int] = field(default_factory=list)

    def of_bundle(self, first: int, leaves: Sequence[bytes]) -> Iterator[Found | None]:
        """The record of each entry from index ``first`` on, all in one bundle; None where none is at hand."""
        kept: dict[int, list[tuple[str, bytes]]] = {}
        for index, each in envelopes.records_of(self.folder, first // WIDTH):
            kept.setdefault(index, []).append(each)
        stored: list[Mapping[int, tuple[str, bytes]]] | None = None
        for index, leaf in enumerate(leaves, first):
            found = _first(kept.get(index, ()), leaf)
            if found is None:
                if stored is None:
                    self.damaged.append(first // WIDTH)
                    stored = [_placed(old, first, first + len(leaves)) for old in self.olds]
                found = _first([each[index] for each in stored if index in each], leaf)
            yield found

    def waiting(self, trust: Trust, certificates: Mapping[str, bytes]) -> Iterator[Found]:
        """Records that old stores had without a place, oldest store first; each signed by a key that is certified."""
        for old in reversed(self.olds):
            for request_id, envelope, leaf in old.waiting():
                found = checked(request_id, envelope, leaf)
                if found is not None and is_certified(found, trust, certificates):
                    yield found


def _placed(old: OldStore, first: int, end: int) -> Mapping[int, tuple[str, bytes]]:
    return {index: (each.request_id, each.envelope) for index, each in old.placed(first, end).items()}


def _first(given: Iterable[tuple[str, bytes]], leaf: bytes) -> Found | None:
    return next((found for each in given if (found := checked(*each, leaf)) is not None), None)


def is_certified(found: Found, trust: Trust, certificates: Mapping[str, bytes]) -> bool:
    """Whether a certified key signed a record."""
    try:
        examine.certified(found.record, certificates, trust)
        entry.verify(entry.parse(found.leaf))
    except AuditError:
        return False
    return True


class Joined:
    """Logs of scopes that records are in, told one record after another in their order: a result is where its decision is."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, ...]] = {}

    def knows(self, record: SignedRecord) -> bool:
        """Whether the decision that a result answers was told of."""
        return str(record.statement.predicate.get("decision")) in self._open

    def of(self, record: SignedRecord) -> tuple[str, ...]:
        """Names of the logs. Raises ``MalformedError``."""
        said = record.statement
        if said.kind is RecordKind.DECISION:
            self._open[record.digest] = scope.logs(predicate_reading.scopes_from(said.predicate))
            return self._open[record.digest]
        return self._open.pop(str(said.predicate.get("decision")), ()) if said.kind is RecordKind.RESULT else ()


@dataclass(slots=True)
class Rows:
    """Records on their way into the new store. ``instance``: of the last; ``epochs``: instance by epoch."""

    new: NewStore
    count: int = 0
    instance: str = ""
    epochs: dict[str, str] = field(default_factory=dict)
    _joined: Joined = field(default_factory=Joined)

    def add(self, found: Sequence[tuple[int, Found, int | None]]) -> None:
        """Add records with their ids and places, in the order in which they were made."""
        rows, members = [], []
        for identifier, each, index in found:
            kind, position = each.record.statement.kind, each.record.position
            place = (position.epoch, position.seq, each.envelope, each.leaf, index)
            rows.append((identifier, each.request_id, kind.value, *place))
            members += [(log, identifier) for log in self._joined.of(each.record)]
            self.instance = self.epochs[position.epoch] = position.instance
        self.new.add("rec", _COLUMNS, rows)
        self.new.add("member", "log, rec_id", members)
        self.count += len(rows)

    def has(self, found: Found) -> bool:
        """Whether a record's number is taken."""
        position = found.record.position
        return bool(self.new.rows("SELECT 1 FROM rec WHERE epoch = ? AND seq = ?", position.epoch, position.seq))
