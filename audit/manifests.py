"""Manifests: what one writer put on record, counted; once an hour and when it stops (``docs/spec/predicates.md``).

Pure. A manifest counts every record of its writer's epoch since the one before it, and itself is counted by the next. So counts can
be held against invoices, and whoever deletes records that nobody else has yet must make the counts agree as well. Its subject is
a digest over the identities of the records, in the order of their numbers.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from audit import members, predicates, statement
from audit.errors import MalformedError, VerificationError
from audit.records import Anchor, Position
from audit.statement import Statement
from audit.vocabulary import RecordKind, Sha256Hex

RECORDS = "records"
"""Name of the subject: SHA-256 over the 32-byte digests of the records' PAEs, one after the other."""

Counts = Mapping[str, Mapping[str, int]]
"""Records by kind and outcome; "" for a kind that has no outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Records of one epoch from ``first_seq`` to ``last_seq``. ``entries``: the log's published size at both ends of the range.

    ``final``: the writer stopped in good order after it.
    """

    records: Sha256Hex
    first_seq: int
    last_seq: int
    entries: tuple[int, int]
    counts: Counts
    final: bool


@dataclass(slots=True)
class Tally:
    """Counts records as they come, in the order of their numbers."""

    first_seq: int = 0
    next_seq: int = 0
    begun_at: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    state: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, kind: RecordKind, outcome: str, digest: Sha256Hex) -> None:
        """Count the next record. ``digest``: of its PAE."""
        by_outcome = self.counts.setdefault(kind.value, {})
        by_outcome[outcome] = by_outcome.get(outcome, 0) + 1
        self.state.update(bytes.fromhex(digest))
        self.next_seq += 1

    def copy(self) -> "Tally":
        """One that goes on by itself."""
        counts = {kind: dict(by_outcome) for kind, by_outcome in self.counts.items()}
        return Tally(self.first_seq, self.next_seq, self.begun_at, counts, self.state.copy())

    def manifest(self, size: int, *, final: bool) -> Manifest:
        """What was counted. ``size``: the log's published size now."""
        return Manifest(
            records=Sha256Hex(self.state.hexdigest()),
            first_seq=self.first_seq,
            last_seq=self.next_seq - 1,
            entries=(self.begun_at, size),
            counts={kind: dict(by_outcome) for kind, by_outcome in self.counts.items()},
            final=final,
        )

    def next(self, size: int) -> "Tally":
        """What counts after a manifest, which is the first that it counts."""
        return Tally(first_seq=self.next_seq, next_seq=self.next_seq, begun_at=size)


def render(manifest: Manifest, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **predicates.common_object(at, position, anchor),
        "firstSeq": manifest.first_seq,
        "lastSeq": manifest.last_seq,
        "entries": {"from": manifest.entries[0], "to": manifest.entries[1]},
        "counts": manifest.counts,
        "final": manifest.final,
    }
    return statement.render(RecordKind.MANIFEST, {RECORDS: manifest.records}, predicate)


def manifest_of(found: Statement) -> Manifest:
    """The manifest of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    if found.kind is not RecordKind.MANIFEST or found.subjects.keys() != {RECORDS}:
        raise MalformedError(f"expected a manifest whose subject is `{RECORDS}`", code="statement")
    value = found.predicate
    entries: dict[str, object] = members.member(value, "entries", dict)
    return Manifest(
        records=found.subjects[RECORDS],
        first_seq=members.integer(value, "firstSeq"),
        last_seq=members.integer(value, "lastSeq"),
        entries=(members.integer(entries, "from"), members.integer(entries, "to")),
        counts=_counts(members.member(value, "counts", dict)),
        final=members.flag(value, "final"),
    )


def _counts(value: Mapping[str, object]) -> Counts:
    found = {}
    for kind in value:
        inner: dict[str, object] = members.member(value, kind, dict)
        found[kind] = {outcome: members.integer(inner, outcome) for outcome in inner}
    return found


MAX_AHEAD = 65_536
"""Records that are held back for one that is missing before its epoch is given up: the sequence has a gap."""


class Held:
    """Holds the manifests of a log against its records. Takes records in the order of the log; each epoch counts by itself.

    ``from_start`` false: of a part of a log, in which an epoch may begin with any number.
    """

    def __init__(self, *, from_start: bool = True) -> None:
        self._from_start = from_start
        self._partial: set[tuple[str, str]] = set()
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._lost: set[tuple[str, str]] = set()
        self._ahead: dict[tuple[str, str], dict[int, tuple[RecordKind, str, Sha256Hex, Manifest | None]]] = {}

    def add(
        self, position: Position, kind: RecordKind, outcome: str, digest: Sha256Hex, manifest: Manifest | None
    ) -> None:
        """Take one more record; raises ``VerificationError`` where a manifest says another thing than the records before it."""
        epoch = (position.instance, position.epoch)
        if not self._from_start and epoch not in self._tallies and position.seq:
            self._partial.add(epoch)  # what its first manifest here counts is not all here
            self._tallies[epoch] = Tally(first_seq=position.seq, next_seq=position.seq)
        tally = self._tallies.setdefault(epoch, Tally())
        waiting = self._ahead.setdefault(epoch, {})
        if len(waiting) >= MAX_AHEAD:
            self._lost.add(epoch)
            waiting.clear()
        if epoch in self._lost:
            return
        waiting[position.seq] = (kind, outcome, digest, manifest)
        while tally.next_seq in waiting:
            kind, outcome, digest, manifest = waiting.pop(tally.next_seq)
            if manifest is not None:
                wanted, tally = tally, tally.next(manifest.entries[1])
                self._tallies[epoch] = tally
                tally.add(kind, outcome, digest)
                if epoch in self._partial:
                    self._partial.remove(epoch)
                else:
                    _compare(manifest, wanted)
                continue
            tally.add(kind, outcome, digest)


def _compare(manifest: Manifest, tally: Tally) -> None:
    wanted = tally.manifest(manifest.entries[1], final=manifest.final)
    if (manifest.first_seq, manifest.last_seq) != (wanted.first_seq, wanted.last_seq):
        raise VerificationError(
            f"expected a manifest of numbers {wanted.first_seq} to {wanted.last_seq}, "
            f"got one of {manifest.first_seq} to {manifest.last_seq}",
            code="manifest-range",
        )
    if manifest.counts != wanted.counts or manifest.records != wanted.records:
        raise VerificationError(
            f"the manifest of numbers {wanted.first_seq} to {wanted.last_seq} does not count what the log has",
            code="manifest-counts",
        )
