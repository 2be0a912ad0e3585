"""The keys of a data directory as lines for people: public parts, and what the log says happened to each.

Pure. Every line has its kind first, so that ``grep`` and ``cut`` do.
"""

from collections.abc import Iterable, Iterator

from audit import administration, canonical, dsse, keys, layout, statement
from audit.bundle import StoredRecord
from audit.errors import MalformedError
from audit.files import Files
from audit.vocabulary import KeyEventKind

UNKNOWN = "unrecorded"


def lines(folder: Files, key_events: Iterable[StoredRecord], *, log: str, issuing: str) -> Iterator[str]:
    """The lines. ``folder``: ``keys/``; ``log`` and ``issuing``: URIs, of which only the scheme is shown.

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
    happened = _events(key_events)
    for keyid, pem in sorted(layout.certificates_of(folder).items()):
        said = keys.read_certificate(keys.certificate_ders(pem)[0])
        events = ", ".join(happened.get(keyid, [UNKNOWN]))
        yield f"record   {keyid}  {said.not_before:%Y-%m-%d} to {said.not_after:%Y-%m-%d}  {said.instance}  {events}"


def _scheme(uri: str) -> str:
    return uri.partition(":")[0]


def _events(records: Iterable[StoredRecord]) -> dict[str, list[str]]:
    """What happened to each record key, in the order of the log."""
    found: dict[str, list[str]] = {}
    for record in records:
        try:
            event = administration.key_event_of(statement.parse(dsse.parse(record.envelope).payload))
        except MalformedError:
            continue
        where = "not sequenced yet" if record.index is None else f"entry {record.index}"
        more = f": {event.reason}, from entry {event.from_index} on" if event.event is KeyEventKind.REVOKED else ""
        found.setdefault(event.keyid, []).append(f"{event.event.value} ({where}{more})")
    return found
