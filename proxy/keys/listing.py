"""The keys of a data directory as lines for people: public parts, and what the log says happened to each.

Pure. Every line has its kind first, so that ``grep`` and ``cut`` do.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from audit import administration, canonical, dsse, keys, layout, statement
from audit.bundle import StoredRecord
from audit.errors import MalformedError
from audit.files import Files
from audit.vocabulary import KeyEventKind

UNKNOWN = "unrecorded"
FOLLOWED = ", followed by another"
"""A later key of the same replica is on record, so nothing is signed with this one."""


class Event(NamedTuple):
    """A key event, and where it is: ``log`` is "", or the folder of a log that ended, and a comma."""

    log: str
    record: StoredRecord


def lines(folder: Files, key_events: Iterable[Event], *, log: str, issuing: str) -> Iterator[str]:
    """The lines, record keys in the order of the log. ``folder``: ``keys/``; ``key_events``: of all logs, oldest first; ``log`` and
    ``issuing``: URIs, of which only the scheme is shown.

    Raises ``MalformedError``, ``UnreadableError`` or ``FileNotFoundError``.
    """
    yield f"log      {folder.read(layout.LOG_VKEY).decode().strip()}  in {_scheme(log)}"
    yield f"issuing  in {_scheme(issuing)}"
    for kind, name in (("root", layout.ROOT_CERTIFICATE), ("above", layout.ISSUING_CERTIFICATES)):
        try:
            pem = folder.read(name)
        except FileNotFoundError:
            continue
        for der in keys.certificate_ders(pem):
            subject, public, begin, end = keys.subject_of(der)
            times = f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}"
            yield f"{kind:<8} certificate {canonical.digest(der)}  key {keys.keyid(public)}  {times}  {subject}"
    yield from _record_keys(folder, _events(key_events))


def _record_keys(folder: Files, happened: dict[str, list[str]]) -> Iterator[str]:
    certified = {
        keyid: keys.read_certificate(keys.certificate_ders(pem)[0])
        for keyid, pem in layout.certificates_of(folder).items()
    }
    told = [each for each in happened if each in certified]
    newest = {certified[each].instance: each for each in told}
    for keyid in (*told, *sorted(certified.keys() - happened.keys())):
        said = certified[keyid]
        events = ", ".join(happened.get(keyid, [UNKNOWN]))
        followed = newest.get(said.instance, keyid) != keyid and len(happened.get(keyid, ())) == 1
        events += FOLLOWED if followed else ""
        yield f"record   {keyid}  {said.not_before:%Y-%m-%d} to {said.not_after:%Y-%m-%d}  {said.instance}  {events}"


def _scheme(uri: str) -> str:
    return uri.partition(":")[0]


def _events(found: Iterable[Event]) -> dict[str, list[str]]:
    """What happened to each record key, in the order of the log."""
    happened: dict[str, list[str]] = {}
    for log, record in found:
        try:
            event = administration.key_event_of(statement.parse(dsse.parse(record.envelope).payload))
        except MalformedError:
            continue
        where = f"{log}not sequenced yet" if record.index is None else f"{log}entry {record.index}"
        more = f": {event.reason}, from entry {event.from_index} on" if event.event is KeyEventKind.REVOKED else ""
        happened.setdefault(event.keyid, []).append(f"{event.event.value} ({where}{more})")
    return happened
