"""What can be said of one entry and its record by themselves: signature, key, certificate, form, what the record tells.

Pure, and the same for entries in any order: so the entries of a long log can be shared out among processes (``audit.parallel``).
What follows from several records together is for ``audit.log_check``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from audit import entry, examine, keys, kinds, scope
from audit.administration import KeyEvent
from audit.entry import Entry
from audit.errors import MalformedError, VerificationError
from audit.examine import Admission, Answer, SignedRecord, Trust
from audit.learning import Feedback
from audit.manifests import Manifest
from audit.obligations import CERTIFICATE, ENTRIES, RECORDS, SCOPE, Obligation
from audit.statement import Anchor, DecisionRecord, Position, ResultRecord
from audit.succession import LogEnd, LogStart
from audit.vocabulary import KeyEventKind, RecordKind, Sha256Hex

Fault = tuple[Obligation, str]
"""An obligation that does not hold, and why."""

Told = Admission | Answer | Feedback | KeyEvent | LogEnd | LogStart | Manifest
"""What a record tells that others are held against; of key events, those that revoke."""


class Batch(NamedTuple):
    """Entries in a row, from index ``first``. ``records``: the envelope of each, None where it is not at hand, a text why it
    could not be read; None: the records are not part of the evidence."""

    first: int
    entries: tuple[bytes, ...]
    records: tuple[bytes | str | None, ...] | None


class Said(NamedTuple):
    """What a record says that other records must agree with. ``outcome``: the word by which a manifest counts it, None for one that
    could not be read. ``told``: None for that too, and for kinds that stand by themselves."""

    kind: RecordKind
    digest: Sha256Hex
    position: Position
    anchor: Anchor | None
    outcome: str | None
    told: Told | None


class Appraised(NamedTuple):
    """What was found of one entry. ``unread``: it has no record that could be held against others."""

    faults: tuple[Fault, ...]
    said: Said | None = None
    unread: bool = False


class Appraiser:
    """Appraises entries. ``certificates``: PEM by key id. ``held``: entries whose records must be there. ``own``: the scope whose
    log it is, None for the main one. ``signatures`` false: an entry's form and key are looked at, and not its signature."""

    def __init__(
        self, trust: Trust, certificates: Mapping[str, bytes], held: range, own: str | None, *, signatures: bool
    ) -> None:
        self._trust = trust
        self._certificates = dict(certificates)
        self._held = held
        self._own = own
        self._entry_of = _signed_entry if signatures else entry.parse
        self._certain: set[bytes] = set()

    def __call__(self, batch: Batch) -> tuple[Appraised, ...]:
        """What was found of each entry, in their order."""
        if batch.records is None:
            return tuple(map(self._entry, batch.entries))
        indexes = range(batch.first, batch.first + len(batch.entries))
        return tuple(map(self._with_record, indexes, batch.entries, batch.records))

    def _entry(self, content: bytes) -> Appraised:
        try:
            return Appraised(self._key_faults(self._entry_of(content)))
        except (MalformedError, VerificationError) as error:
            return Appraised(((ENTRIES, str(error)),), unread=True)

    def _with_record(self, index: int, content: bytes, envelope: bytes | str | None) -> Appraised:
        try:
            found = self._entry_of(content)
        except (MalformedError, VerificationError) as error:
            return Appraised(((ENTRIES, str(error)),), unread=True)
        faults = self._key_faults(found)
        if envelope is None and index not in self._held:
            return Appraised(faults)
        try:
            record = examine.take_apart(_at_hand(envelope))
            examine.check_entry(found, record)
        except (MalformedError, VerificationError) as error:
            return Appraised((*faults, (RECORDS, str(error))), unread=True)
        more, said = self._record(found, record)
        return Appraised((*faults, *more), said)

    def _key_faults(self, found: Entry) -> tuple[Fault, ...]:
        """A certificate of this key exists and a trusted root issued it; at which time, the record tells."""
        if found.public_der in self._certain:
            return ()
        try:
            pem = self._certificates.get(keys.keyid(found.public_der))
            if pem is None:
                raise VerificationError("expected an entry by a key that has a certificate", code="certificate")
            der, *above = keys.certificate_ders(pem)
            keys.verify_certificate(der, self._trust.roots, keys.read_certificate(der).not_before, tuple(above))
        except (MalformedError, VerificationError) as error:
            return ((ENTRIES, str(error)),)
        self._certain.add(found.public_der)
        return ()

    def _record(self, found: Entry, record: SignedRecord) -> tuple[list[Fault], Said]:
        faults: list[Fault] = []
        outcome: str | None = None
        told: Told | None = None
        try:
            if examine.certified(record, self._certificates, self._trust).public_der != found.public_der:
                raise VerificationError("expected an entry of the key that its record names", code="certificate")
        except (MalformedError, VerificationError) as error:
            faults.append((CERTIFICATE, str(error)))
        try:
            value, outcome = kinds.read(record.statement)
            told = self._told(value, faults)
        except (MalformedError, VerificationError) as error:
            faults.append((RECORDS, str(error)))
        return faults, Said(record.statement.kind, record.digest, record.position, record.anchor, outcome, told)

    def _told(self, value: object, faults: list[Fault]) -> Told | None:
        """What the value of a statement tells others; small, as it goes from process to process."""
        match value:
            case DecisionRecord():
                return self._decision(value, faults)
            case ResultRecord():
                return examine.answer(value)
            case KeyEvent():
                return value if value.event is KeyEventKind.REVOKED else None
            case Feedback() | LogEnd() | LogStart() | Manifest():
                return value
        return None

    def _decision(self, decision: DecisionRecord, faults: list[Fault]) -> Admission:
        """What a decision allows; it is where it says, and says what follows from its tenant, jurisdictions and time."""
        try:
            if self._own is None:
                scope.check_named(decision)
            else:
                scope.check_member(decision, self._own)
        except (MalformedError, VerificationError) as error:
            faults.append((SCOPE, str(error)))
        return examine.admission(decision)


def _signed_entry(content: bytes) -> Entry:
    found = entry.parse(content)
    entry.verify(found)
    return found


def _at_hand(envelope: bytes | str | None) -> bytes:
    if envelope is None:
        raise VerificationError("expected its record, got none", code="record-missing")
    if isinstance(envelope, str):
        raise VerificationError(envelope, code="record-missing")
    return envelope


def in_turn(appraiser: Appraiser, batches: Iterable[Batch]) -> Iterator[tuple[Appraised, ...]]:
    """Appraise batches one after another, here."""
    return map(appraiser, batches)
