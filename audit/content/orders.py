"""Acts that were ordered and are not finished: what the key store keeps of them, so that whoever starts next carries them on.

An erasure goes on in batches. ``batch`` is what has lost its keys already and has no statement yet: it is written in the very
transaction that destroys the keys, so that no crash leaves a destroyed key without a record of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from audit import acts, canonical, members
from audit.acts import Access, Training
from audit.errors import MalformedError
from audit.vocabulary import Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Destroyed keys: ids of data subjects' keys, records whose own keys they are, ciphertexts that go with them."""

    keys: tuple[str, ...]
    records: tuple[str, ...]
    items: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureOrder:
    """What is to be erased: a data subject's key and its records (``subject_key``), a record, or what expired by ``before``
    (Unix seconds). ``part``: of the batch that is in hand."""

    id: str
    tenant: str
    cause: str
    basis: str
    subject_key: str = ""
    record: str = ""
    before: int = 0
    data_subject: Sha256Hex | None = None
    part: int = 1
    batch: Batch | None = None

    def next(self) -> "ErasureOrder":
        """The order after its batch is on record."""
        return replace(self, part=self.part + 1, batch=None)


Order = ErasureOrder | Access | Training


def encode(order: Order) -> bytes:
    """What the store keeps."""
    if isinstance(order, Access):
        return canonical.encode(
            {
                "access": order.act,
                "id": order.id,
                "record": order.record,
                "decision": order.decision,
                "fields": order.fields,
                "to": order.to,
                "reason": order.reason,
            }
        )
    if isinstance(order, Training):
        return canonical.encode(
            {"training": order.purpose, "id": order.id, "records": order.records, "reason": order.reason}
        )
    batch = order.batch
    return canonical.encode(
        {
            "erasure": order.cause,
            "id": order.id,
            "tenant": order.tenant,
            "basis": order.basis,
            "subjectKey": order.subject_key,
            "record": order.record,
            "before": order.before,
            "dataSubject": order.data_subject,
            "part": order.part,
            "batch": batch and {"keys": batch.keys, "records": batch.records, "items": batch.items},
        }
    )


def decode(content: bytes) -> Order:
    """The order that a store kept; raises ``MalformedError``."""
    value = canonical.decode(content)
    if not isinstance(value, dict):
        raise MalformedError("expected an order as a JSON object", code="order")
    if "access" in value:
        return Access(
            id=members.text(value, "id"),
            record=members.text(value, "record"),
            decision=members.digest(value, "decision"),
            act=members.text(value, "access"),
            fields=members.texts(value, "fields"),
            to=members.text(value, "to"),
            reason=members.text(value, "reason"),
        )
    if "training" in value:
        return Training(
            id=members.text(value, "id"),
            records=members.texts(value, "records"),
            purpose=members.text(value, "training"),
            reason=members.text(value, "reason"),
        )
    return ErasureOrder(
        id=members.text(value, "id"),
        tenant=members.text(value, "tenant"),
        cause=members.text(value, "erasure"),
        basis=members.text(value, "basis"),
        subject_key=members.text(value, "subjectKey"),
        record=members.text(value, "record"),
        before=members.integer(value, "before"),
        data_subject=None if value.get("dataSubject") is None else members.digest(value, "dataSubject"),
        part=members.integer(value, "part"),
        batch=members.optional(value, "batch", _batch_from),
    )


def _batch_from(value: Mapping[str, Any]) -> Batch:
    return Batch(
        keys=members.texts(value, "keys"),
        records=members.texts(value, "records"),
        items=members.integer(value, "items"),
    )


def statement_id(order: ErasureOrder) -> str:
    """Id of the record of the part in hand."""
    return f"{order.id}.{order.part}"


def erasure(order: ErasureOrder, batch: Batch, *, backups_until: str) -> acts.Erasure:
    """What goes on record about a batch."""
    return acts.Erasure(
        id=statement_id(order),
        tenant=order.tenant,
        cause=order.cause,
        basis=order.basis,
        keys=batch.keys,
        records=batch.records,
        items=batch.items,
        part=order.part,
        backups_until=backups_until,
        data_subject=order.data_subject,
    )
