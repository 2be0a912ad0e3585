"""Carries out what was ordered about content, in an order in which every crash leaves something that the next start finishes.

1. One transaction: destroy the keys of a batch, and note the batch with the order. This is the point of no return.
2. Delete the ciphertexts of the batch.
3. Append the erasure's statement, unless the log has it.
4. Go on with the next batch, or end the order.

Belongs to one thread of the process that holds the log: nothing is kept while a batch is erased.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from audit import acts
from audit.acts import Access, Erasure, Training
from audit.content import orders
from audit.content.orders import ErasureOrder
from audit.content.places import Stores
from audit.recording import Appended, Pending, rfc3339
from audit.vocabulary import RecordKind


class Writing(Protocol):
    """What is asked of the log (``audit.log.Log``)."""

    def append_now(self, *pending: Pending) -> tuple[Appended, ...]:
        """Make records durable; raises ``EvidenceUnavailable``."""
        ...

    def recorded(self, request_id: str) -> bool:
        """Whether it, or a log that ended before it, has records of an id; raises ``UnreadableError``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Steward:
    """Carries out orders. ``backup_days``: how long backups of the key store live, as the operator says."""

    stores: Stores
    log: Writing
    clock: Callable[[], datetime]
    backup_days: int

    def expire(self, identifier: str) -> None:
        """Order the erasure of what expired, if anything did. Raises ``EvidenceUnavailable``."""
        now = int(self.clock().timestamp())
        if not self.stores.keys.due(now):
            return
        self.stores.keys.order(
            ErasureOrder(
                id=identifier,
                tenant="",
                cause=acts.BY_RETENTION,
                basis="retention period of the configuration",
                before=now,
            )
        )

    def carry_out(self) -> None:
        """Carry out every order. Raises ``EvidenceUnavailable``: what is not done stays ordered."""
        while self.step():
            continue

    def step(self) -> bool:
        """Carry out some of the oldest order: at most one batch of an erasure. False: nothing is ordered. Raises as above."""
        order = next(iter(self.stores.keys.ordered()), None)
        if order is None:
            return False
        if isinstance(order, Access):
            self._append(order.id, RecordKind.CONTENT_ACCESS, acts.render_access, order)
            self.stores.keys.finish(order)
        elif isinstance(order, Training):
            self._append(order.id, RecordKind.CONTENT_TRAINING, acts.render_training, order)
            self.stores.keys.finish(order)
        elif not self._erase(order):
            self.stores.keys.finish(order)
        return True

    def _erase(self, order: ErasureOrder) -> bool:
        """One batch; False if nothing is left."""
        if order.batch is None:
            order = self.stores.keys.destroy(order, self.stores.items.count)
        batch = order.batch
        if batch is None:
            return False
        self.stores.items.delete(batch.records)
        gone = self.clock().astimezone(UTC) + timedelta(days=self.backup_days)
        said = orders.erasure(order, batch, backups_until=rfc3339(gone))
        self._append(said.id, RecordKind.ERASURE, acts.render_erasure, said)
        self.stores.keys.proceed(order)
        return True

    def _append(
        self, identifier: str, kind: RecordKind, render: Callable[..., bytes], what: Access | Erasure | Training
    ) -> None:
        # A crash came between the statement and the note that it is there; the log may have ended since.
        if self.log.recorded(identifier):
            return
        at = rfc3339(self.clock())
        self.log.append_now(
            Pending(
                request_id=identifier,
                kind=kind,
                build=lambda position, anchor: render(what, at=at, position=position, anchor=anchor),
            )
        )
