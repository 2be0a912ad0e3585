"""Rows of a spool before they go into the shared store: each is a record of ours, signed by a certified key, under its own names.

A log cannot take anything back. Whoever can write the file could otherwise have the log sign what no verification passes, and it
would fail for ever; so such a row is a damaged spool, and stays out. So does what waited while its key was revoked: behind the
revocation it would be no evidence, and fail the whole log.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from audit import administration, dsse, layout, statement
from audit.errors import AuditError, EvidenceUnavailable, HistoryError, MalformedError, in_words
from audit.examine import Trust
from audit.files import Files
from audit.folder import directory_files
from audit.rebuild_records import Found, Joined, checked, is_certified
from audit.storage.base import Row
from audit.vocabulary import KeyEventKind, RecordKind


class Known(Protocol):
    """What the shared store has already. Raises ``EvidenceUnavailable``."""

    def has(self, rows: Sequence[Row], /) -> bool:
        """Whether all of these records are there."""

    def key_events(self, request_ids: Sequence[str], /) -> list[bytes]:
        """Envelopes of the key events with one of these request ids."""


T = TypeVar("T")


class SpoolCheck:
    """Checks rows against the keys of a data directory, and against what the store says of them."""

    def __init__(self, root: Path, known: Known) -> None:
        self._known = known
        self._keys = directory_files(root / layout.KEYS)
        self._joined = Joined()
        self._certificates: Mapping[str, bytes] = {}

    def __call__(self, rows: Sequence[Row]) -> None:
        """Raise ``HistoryError`` (``spool-damaged``) for the first row that is not as it was written, or for rows by a key that was
        revoked while they waited (``spool-revoked``), or where the store has a key event that cannot be read, as it may be a
        revocation; ``EvidenceUnavailable`` where the keys cannot be read.
        """
        trust = _read(layout.trust_of, self._keys)
        for row in rows:
            reason = self._fault(row, trust)
            if reason:
                raise HistoryError(
                    f"expected the records of this replica in its spool, got {reason} as number {row.seq} of epoch "
                    f"`{row.epoch[:40]}`; keep a copy, and find out who changed it",
                    code="spool-damaged",
                )
        self._check_revoked(rows)

    def _check_revoked(self, rows: Sequence[Row]) -> None:
        """Rows that the store has already are where they belong: before the revocation."""
        signed: dict[str, list[Row]] = {}
        for row in rows:
            signed.setdefault(dsse.parse(row.envelope).keyid, []).append(row)
        events = self._known.key_events([administration.key_request_id(keyid) for keyid in signed])
        revoked = {event.keyid for event in map(_event, events) if event.event is KeyEventKind.REVOKED}
        for keyid in revoked & signed.keys():
            if not self._known.has(signed[keyid]):
                raise HistoryError(
                    f"expected records by keys that hold in the spool, got {len(signed[keyid])} by `{keyid}`, revoked while "
                    "they waited: they are no evidence and stay out; put the spool's file aside, keep it, and start again",
                    code="spool-revoked",
                )

    def _fault(self, row: Row, trust: Trust) -> str:
        found = checked(row.request_id, row.envelope, row.leaf)
        if found is None:
            return "an envelope that is not its entry's"
        if not self._is_certified(found, trust):
            return "a record that no certified key signed"
        position, kind = found.record.position, found.record.statement.kind
        said = (found.request_id, kind.value, position.epoch, position.seq)
        if said != (row.request_id, row.kind, row.epoch, row.seq):
            return "a record under another name than its own"
        if not self._is_joined(found, row.scopes):
            return "a record in other logs than it says"
        return ""

    def _is_certified(self, found: Found, trust: Trust) -> bool:
        if found.record.envelope.keyid not in self._certificates:
            # A certificate is there before anything is signed with its key.
            self._certificates = _read(layout.certificates_of, self._keys)
        return is_certified(found, trust, self._certificates)

    def _is_joined(self, found: Found, scopes: Sequence[str]) -> bool:
        """Of a result whose decision is not here, only the log of its scope can tell."""
        try:
            known = self._joined.knows(found.record)
            return sorted(self._joined.of(found.record)) == sorted(scopes) or (
                found.record.statement.kind is RecordKind.RESULT and not known
            )
        except AuditError:
            return False


def _event(envelope: bytes) -> administration.KeyEvent:
    try:
        return administration.key_event_of(statement.parse(dsse.parse(envelope).payload))
    except MalformedError as error:
        raise HistoryError(f"expected key events in the record store that can be read, got one: {error}") from error


def _read(what: Callable[[Files], T], keys: Files) -> T:
    try:
        return what(keys)
    except (OSError, MalformedError) as error:
        raise EvidenceUnavailable(f"the keys of the log cannot be read: {in_words(error)}") from error
