"""Statements that are not about a request: the log began, a record key was added (``docs/spec/predicates.md``).

Pure. They hold public keys' digests and times. Signed and logged like any other record, so that the log itself says who may
sign from which entry on.
"""

from dataclasses import dataclass

from audit import predicates, statement
from audit.records import Anchor, Position
from audit.vocabulary import RecordKind, Sha256Hex

LOG_KEY = "log-key"
"""Name of a log-start's subject: SHA-256 of the log's raw public key."""
RECORD_KEY = "record-key"
"""Name of a key-event's subject: SHA-256 of the record key's SPKI, which is its key id."""
ADDED = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStart:
    """The log's first record. ``log_key``: digest of the key that signs its checkpoints."""

    origin: str
    log_key: Sha256Hex
    organisation: Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """A record key and what happened to it. Times: RFC 3339, of its certificate. ``certificate``: SHA-256 of its DER."""

    event: str
    keyid: Sha256Hex
    certificate: Sha256Hex
    not_before: str
    not_after: str


def render_log_start(start: LogStart, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **_common(at, position, anchor),
        "origin": start.origin,
        "organisation": start.organisation,
    }
    return statement.render(RecordKind.LOG_START, {LOG_KEY: start.log_key}, predicate)


def render_key_event(event: KeyEvent, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **_common(at, position, anchor),
        "event": event.event,
        "certificate": event.certificate,
        "notBefore": event.not_before,
        "notAfter": event.not_after,
    }
    return statement.render(RecordKind.KEY_EVENT, {RECORD_KEY: event.keyid}, predicate)


def _common(at: str, position: Position, anchor: Anchor | None) -> dict[str, object]:
    return {
        "at": at,
        "instance": predicates.position_object(position),
        "anchor": predicates.anchor_object(anchor),
    }
