"""Statements that are not about a request: what happened to a record key, what decides (``docs/spec/predicates.md``).

Pure. They hold public keys' digests and times. Signed and logged like any other record, so that the log itself says who may
sign from which entry on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit import members, predicate_reading, predicates, statement
from audit.errors import MalformedError
from audit.records import Anchor, Position
from audit.statement import Statement
from audit.vocabulary import KeyEventKind, RecordKind, Sha256Hex

RECORD_KEY = "record-key"
"""Name of a key-event's subject: SHA-256 of the record key's SPKI, which is its key id."""
POLICY_SET = "policy-set"
"""Name of a policy-activation's subject: the digest of the policy set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEvent:
    """A record key and what happened to it. Times: RFC 3339, of its certificate. ``certificate``: SHA-256 of its DER.

    ``from_index``: of a key that is revoked, the first entry that is no evidence if it is by this key. ``reason``: why.
    """

    event: KeyEventKind
    keyid: Sha256Hex
    certificate: Sha256Hex
    not_before: str
    not_after: str
    from_index: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyActivation:
    """What decides from here on. ``cause``: ``start`` or ``reload``. ``emergencies``: break-glass acts that were signed.

    ``approved_until``: when approvals become too few, RFC 3339; "": they do not, or none are asked for.
    """

    policy: Sha256Hex
    facts: Sha256Hex
    catalogue: Sha256Hex
    cause: str
    previous: Sha256Hex | None
    approved_by: tuple[str, ...]
    shadow: Sha256Hex | None
    emergencies: tuple["Emergency", ...]
    approved_until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """Rules that do not bind some tenants for a while. Times: RFC 3339. ``lapsed``: why it suspends nothing from here on, or ""."""

    rules: tuple[str, ...]
    tenants: tuple[str, ...]
    since: str
    until: str
    reason: str
    approved_by: tuple[str, ...]
    lapsed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated:
    """An activation as it is on record. ``at``: RFC 3339, the writer's own clock (a claim)."""

    at: str
    position: Position
    activation: PolicyActivation


def render_policy_activation(
    activation: PolicyActivation, *, at: str, position: Position, anchor: Anchor | None
) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **predicates.common_object(at, position, anchor),
        "facts": activation.facts,
        "catalogue": activation.catalogue,
        "cause": activation.cause,
        "previous": activation.previous,
        "approvedBy": activation.approved_by,
        "approvedUntil": activation.approved_until,
        "shadow": activation.shadow,
        "breakGlass": [
            {
                "rules": each.rules,
                "tenants": each.tenants,
                "since": each.since,
                "until": each.until,
                "reason": each.reason,
                "approvedBy": each.approved_by,
                "lapsed": each.lapsed,
            }
            for each in activation.emergencies
        ],
    }
    return statement.render(RecordKind.POLICY_ACTIVATION, {POLICY_SET: activation.policy}, predicate)


def activation_of(found: Statement) -> Activated:
    """The activation of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    if found.kind is not RecordKind.POLICY_ACTIVATION or found.subjects.keys() != {POLICY_SET}:
        raise MalformedError(f"expected a policy activation whose subject is `{POLICY_SET}`", code="statement")
    value = found.predicate
    return Activated(
        at=members.text(value, "at"),
        position=predicate_reading.position_from(value),
        activation=PolicyActivation(
            policy=found.subjects[POLICY_SET],
            facts=members.digest(value, "facts"),
            catalogue=members.digest(value, "catalogue"),
            cause=members.text(value, "cause"),
            previous=members.digest_or_none(value, "previous"),
            approved_by=members.texts(value, "approvedBy"),
            shadow=members.digest_or_none(value, "shadow"),
            emergencies=members.every(value, "breakGlass", _emergency_from),
            approved_until=members.text_or_none(value, "approvedUntil") or "",
        ),
    )


def _emergency_from(value: Mapping[str, Any]) -> Emergency:
    return Emergency(
        rules=members.texts(value, "rules"),
        tenants=members.texts(value, "tenants"),
        since=members.text(value, "since"),
        until=members.text(value, "until"),
        reason=members.text(value, "reason"),
        approved_by=members.texts(value, "approvedBy"),
        lapsed=members.text_or_none(value, "lapsed") or "",
    )


def render_key_event(event: KeyEvent, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **predicates.common_object(at, position, anchor),
        "event": event.event.value,
        "certificate": event.certificate,
        "notBefore": event.not_before,
        "notAfter": event.not_after,
        "fromIndex": event.from_index,
        "reason": event.reason,
    }
    return statement.render(RecordKind.KEY_EVENT, {RECORD_KEY: event.keyid}, predicate)


def key_request_id(keyid: str) -> str:
    """Request id under which everything that happened to a record key is on record."""
    return f"key-{keyid[:16]}"


def key_event_of(found: Statement) -> KeyEvent:
    """The key event of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    if found.kind is not RecordKind.KEY_EVENT or found.subjects.keys() != {RECORD_KEY}:
        raise MalformedError(f"expected a key event whose subject is `{RECORD_KEY}`", code="statement")
    value = found.predicate
    event = members.word(value, "event", KeyEventKind)
    from_index = members.integer_or_none(value, "fromIndex")
    if (event is KeyEventKind.REVOKED) != (from_index is not None) or (from_index or 0) < 0:
        raise MalformedError("expected `fromIndex` of a key that is revoked, and of no other", code="predicate")
    return KeyEvent(
        event=event,
        keyid=found.subjects[RECORD_KEY],
        certificate=members.digest(value, "certificate"),
        not_before=members.text(value, "notBefore"),
        not_after=members.text(value, "notAfter"),
        from_index=from_index,
        reason=members.text_or_none(value, "reason") or "",
    )
