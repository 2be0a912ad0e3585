"""Statements at the two ends of a log: that it began, after which other log; that it ended, before which other log.

Pure. A log is never continued under another key: it ends, and another begins and quotes the final checkpoint of the one before. So
a chain of logs is read as one history, and a checkpoint under an old key after its end is nobody's (``docs/spec/predicates.md``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audit import members, predicate_reading, predicates, statement
from audit.checkpoint import Checkpoint
from audit.errors import MalformedError
from audit.records import Anchor, Position
from audit.statement import Statement
from audit.vocabulary import EndReason, RecordKind, Sha256Hex

LOG_KEY = "log-key"
"""Name of a log-start's and a log-end's subject: SHA-256 of the log's raw public key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStart:
    """The log began. ``log_key``: digest of the key that signs its checkpoints. ``previous``: final checkpoint of the log before.

    ``at``: when it was written, of one that was read.
    """

    origin: str
    log_key: Sha256Hex
    organisation: Sha256Hex
    previous: Anchor | None = None
    at: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEnd:
    """The log ends with this entry. ``final``: its tree before it. ``successor``: origin of the log that begins.

    ``trusted``: of a log whose key may be in other hands, the newest checkpoint that its operator still vouches for. ``at``: when it
    was written, of one that was read.
    """

    origin: str
    log_key: Sha256Hex
    final: Anchor
    successor: str
    reason: EndReason
    trusted: Anchor | None = None
    at: str = field(default="", compare=False)


def anchor_of(tree: Checkpoint) -> Anchor:
    """A checkpoint in the form in which statements quote it."""
    return Anchor(origin=tree.origin, size=tree.size, root=Sha256Hex(tree.root.hex()))


def render_start(start: LogStart, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **predicates.common_object(at, position, anchor),
        "origin": start.origin,
        "organisation": start.organisation,
        "previous": predicates.anchor_object(start.previous),
    }
    return statement.render(RecordKind.LOG_START, {LOG_KEY: start.log_key}, predicate)


def render_end(end: LogEnd, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **predicates.common_object(at, position, anchor),
        "origin": end.origin,
        "final": predicates.anchor_object(end.final),
        "successor": end.successor,
        "reason": end.reason.value,
        "trusted": predicates.anchor_object(end.trusted),
    }
    return statement.render(RecordKind.LOG_END, {LOG_KEY: end.log_key}, predicate)


def start_of(found: Statement) -> LogStart:
    """The beginning that a statement tells of; raises ``MalformedError`` if it is another kind or lacks a member."""
    value = _predicate(found, RecordKind.LOG_START)
    return LogStart(
        origin=members.text(value, "origin"),
        log_key=found.subjects[LOG_KEY],
        organisation=members.digest(value, "organisation"),
        previous=members.optional(value, "previous", predicate_reading.anchor_from),
        at=members.text(value, "at"),
    )


def end_of(found: Statement) -> LogEnd:
    """The end that a statement tells of; raises as ``start_of``."""
    value = _predicate(found, RecordKind.LOG_END)
    return LogEnd(
        origin=members.text(value, "origin"),
        log_key=found.subjects[LOG_KEY],
        final=predicate_reading.anchor_from(members.member(value, "final", dict)),
        successor=members.text(value, "successor"),
        reason=members.word(value, "reason", EndReason),
        trusted=members.optional(value, "trusted", predicate_reading.anchor_from),
        at=members.text(value, "at"),
    )


def _predicate(found: Statement, kind: RecordKind) -> Mapping[str, Any]:
    if found.kind is not kind or found.subjects.keys() != {LOG_KEY}:
        raise MalformedError(f"expected a {kind.value} whose subject is `{LOG_KEY}`", code="statement")
    return found.predicate
