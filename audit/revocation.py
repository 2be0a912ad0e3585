"""Which records are no evidence, because the key that signed them was revoked from some entry on.

Pure. A revocation is on record after what it takes away, so it is known only at the end of the log; then the entries are looked at
again, from the first that is touched, for their keys alone. A revocation is as good as the log that has it: whoever has single
records has only those revocations that came with them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from audit import administration, entry, keys
from audit.administration import KeyEvent
from audit.errors import MalformedError, VerificationError
from audit.files import Files
from audit.obligations import REVOKED, Sheet
from audit.statement import Statement
from audit.tiles import WIDTH, TileReader
from audit.vocabulary import KeyEventKind, RecordKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A key event that revokes, and the index of its entry."""

    event: KeyEvent
    index: int

    @property
    def first(self) -> int:
        """First entry that is no evidence."""
        return self.event.from_index or 0


def revocation_of(found: Statement, index: int) -> Revocation | None:
    """The revocation of a statement; None for any other. Raises ``MalformedError``."""
    if found.kind is not RecordKind.KEY_EVENT:
        return None
    event = administration.key_event_of(found)
    return Revocation(event=event, index=index) if event.event is KeyEventKind.REVOKED else None


def check_record(keyid: str, index: int | None, revoked: Iterable[Revocation]) -> None:
    """Raise ``VerificationError`` (``key-revoked``) if a record is no evidence. ``index`` None: it has no place yet."""
    for each in revoked:
        if each.event.keyid == keyid and (index is None or index >= each.first):
            raise VerificationError(
                f"no evidence: its key was revoked from entry {each.first} on: {each.event.reason}", code="key-revoked"
            )


def check_log(log: Files, size: int, revoked: Iterable[Revocation], sheet: Sheet) -> int:
    """Settle ``revoked`` for a whole log; gives the number of entries that are no evidence.

    What a key signed before it was said to be revoked is undecided: nobody can tell who signed. What it signed later is a failure.
    """
    earliest: dict[str, Revocation] = {}
    said: dict[str, int] = {}
    for each in revoked:
        known = earliest.get(each.event.keyid)
        earliest[each.event.keyid] = each if known is None or each.first < known.first else known
        said[each.event.keyid] = min(each.index, said.get(each.event.keyid, each.index))
    touched = 0
    if earliest:
        with sheet.checking(REVOKED):
            touched = _look(log, size, earliest, said, sheet)
    sheet.ok(REVOKED)
    return touched


def _look(log: Files, size: int, earliest: Mapping[str, Revocation], said: Mapping[str, int], sheet: Sheet) -> int:
    reader, touched, late = TileReader(log.read, size), 0, 0
    for bundle in range(min(each.first for each in earliest.values()) // WIDTH, -(-size // WIDTH)):
        for offset, content in enumerate(reader.entries(bundle)):
            index = bundle * WIDTH + offset
            keyid = _signer(content)
            found = earliest.get(keyid)
            if found is not None and index >= found.first:
                touched += 1
                late += index > said[keyid]
    if touched:
        one = min(earliest.values(), key=lambda each: each.first)
        reason = f"{touched} entries are no evidence, the first from {one.first} on: {one.event.reason}"
        if late:
            sheet.fail(REVOKED, f"{reason}; {late} are by a key that had been revoked already")
        else:
            sheet.undecided(REVOKED, reason)
    return touched


def _signer(content: bytes) -> str:
    try:
        return keys.keyid(entry.parse(content).public_der)
    except (MalformedError, VerificationError):  # reported where entries are verified
        return ""
