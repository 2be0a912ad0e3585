"""Statements about acts of the operator's on content: it was erased, opened, disclosed, or trained on (``docs/spec/predicates.md``).

Pure. An erasure names the records whose keys are gone, so that missing content has a reason on record; whose they were is in it as a
salted commitment only, whose salt goes to whoever asked for the erasure and is kept nowhere.
"""

import json
from dataclasses import dataclass

from audit import canonical, members, predicate_reading, predicates, statement
from audit.errors import MalformedError
from audit.records import Anchor, Position
from audit.statement import Statement
from audit.vocabulary import RecordKind, Sha256Hex

RECORDS = "records"
"""Name of a subject of an erasure, and of a training: SHA-256 of the ids of its records, one a line."""
DATA_SUBJECT = "data-subject"
"""Name of the other subject of an erasure: the commitment to tenant and pseudonym, where a person's records were erased."""
DECISION = "decision"
"""Name of the subject of an access: SHA-256 of the decision's PAE."""

BY_SUBJECT, BY_RECORD, BY_RETENTION = "subject", "record", "retention"
OPENED, DISCLOSED = "opened", "disclosed"
TRAIN, COMPARE = "train-router", "compare-routers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """Keys that were destroyed. ``cause``: ``subject``, ``record`` or ``retention``. ``keys``: ids of data subjects' keys; every
    record in ``records`` had one of its own as well. ``items``: ciphertexts deleted. ``part``: from 1; a long erasure has several.
    ``backups_until``: RFC 3339, when the last backup of the key store has to be gone.
    """

    id: str
    tenant: str
    cause: str
    basis: str
    keys: tuple[str, ...]
    records: tuple[str, ...]
    items: int
    part: int
    backups_until: str
    data_subject: Sha256Hex | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Content or withheld members of one request were shown. ``act``: ``opened`` or ``disclosed``; ``to``: whom, "" the operator."""

    id: str
    record: str
    decision: Sha256Hex
    act: str
    fields: tuple[str, ...]
    to: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Prompts of ``records`` were opened for a machine and shown to nobody. ``purpose``: ``train-router`` or ``compare-routers``."""

    id: str
    records: tuple[str, ...]
    purpose: str
    reason: str


def subject_commitment(salt: bytes, tenant: str, subject: str) -> Sha256Hex:
    """Commitment to a data subject of a tenant: SHA-256 of salt and JSON array. ``salt``: 32 random bytes."""
    return canonical.commit(salt, json.dumps([tenant, subject]).encode())


def render_erasure(erasure: Erasure, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    subjects = {RECORDS: _of_records(erasure.records)}
    if erasure.data_subject is not None:
        subjects[DATA_SUBJECT] = erasure.data_subject
    predicate = {
        "requestId": erasure.id,
        **predicates.common_object(at, position, anchor),
        "tenant": erasure.tenant,
        "cause": erasure.cause,
        "basis": erasure.basis,
        "keys": erasure.keys,
        "records": erasure.records,
        "items": erasure.items,
        "part": erasure.part,
        "backupsUntil": erasure.backups_until,
    }
    return statement.render(RecordKind.ERASURE, subjects, predicate)


def _of_records(records: tuple[str, ...]) -> Sha256Hex:
    return canonical.digest("".join(f"{each}\n" for each in records).encode())


def erasure_of(found: Statement) -> Erasure:
    """The erasure of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    subjects = found.subjects.keys()
    if found.kind is not RecordKind.ERASURE or not {RECORDS} <= subjects <= {RECORDS, DATA_SUBJECT}:
        raise MalformedError(
            f"expected an erasure whose subjects are `{RECORDS}` and `{DATA_SUBJECT}`", code="statement"
        )
    value = found.predicate
    return Erasure(
        id=predicate_reading.request_id(value),
        tenant=members.text(value, "tenant"),
        cause=members.text(value, "cause"),
        basis=members.text(value, "basis"),
        keys=members.texts(value, "keys"),
        records=members.texts(value, "records"),
        items=members.integer(value, "items"),
        part=members.integer(value, "part"),
        backups_until=members.text(value, "backupsUntil"),
        data_subject=found.subjects.get(DATA_SUBJECT),
    )


def render_access(access: Access, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        "requestId": access.id,
        **predicates.common_object(at, position, anchor),
        "record": access.record,
        "act": access.act,
        "fields": access.fields,
        "to": access.to,
        "reason": access.reason,
    }
    return statement.render(RecordKind.CONTENT_ACCESS, {DECISION: access.decision}, predicate)


def access_of(found: Statement) -> Access:
    """The access of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    if found.kind is not RecordKind.CONTENT_ACCESS or found.subjects.keys() != {DECISION}:
        raise MalformedError(f"expected an access to content whose subject is `{DECISION}`", code="statement")
    value = found.predicate
    return Access(
        id=predicate_reading.request_id(value),
        record=members.text(value, "record"),
        decision=found.subjects[DECISION],
        act=members.text(value, "act"),
        fields=members.texts(value, "fields"),
        to=members.text(value, "to"),
        reason=members.text(value, "reason"),
    )


def render_training(training: Training, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        "requestId": training.id,
        **predicates.common_object(at, position, anchor),
        "records": training.records,
        "purpose": training.purpose,
        "reason": training.reason,
    }
    return statement.render(RecordKind.CONTENT_TRAINING, {RECORDS: _of_records(training.records)}, predicate)


def training_of(found: Statement) -> Training:
    """The training of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    if found.kind is not RecordKind.CONTENT_TRAINING or found.subjects.keys() != {RECORDS}:
        raise MalformedError(f"expected a training on content whose subject is `{RECORDS}`", code="statement")
    value = found.predicate
    return Training(
        id=predicate_reading.request_id(value),
        records=members.texts(value, "records"),
        purpose=members.text(value, "purpose"),
        reason=members.text(value, "reason"),
    )
