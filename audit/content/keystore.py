"""The key store: one key a record, wrapped by one key a data subject of a tenant, wrapped by a key that is not in here.

A row that is deleted here is the only copy: what it opened is closed for good, wherever its ciphertexts went. A record without a
data subject has its key wrapped by the outermost key directly. Data subjects are found by a keyed hash (HMAC-SHA-256, RFC 2104) of
tenant and pseudonym, which goes with their key. Orders that are not finished are here too (``audit.content.orders``).
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from audit import acts, sealing
from audit.content import orders
from audit.content.database import Database
from audit.content.orders import Batch, ErasureOrder, Order
from audit.errors import UnreadableError, VerificationError
from audit.parcel import Owner
from audit.sealing import KeyEncryption

FILE = "keys.db"
BATCH = 2_000
"""Most records of one batch, and of one statement of an erasure."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS subject"
    " (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, tag BLOB NOT NULL UNIQUE, wrapped BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS record (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, subject TEXT,"
    " wrapped BLOB NOT NULL, expires INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS record_subject ON record (subject)",
    "CREATE INDEX IF NOT EXISTS record_expires ON record (expires)",
    "CREATE TABLE IF NOT EXISTS act (id TEXT PRIMARY KEY, body BLOB NOT NULL)",
)
_INDEX, _OUTER = "index", "key-encryption"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A record's key as it is kept."""

    tenant: str
    key: bytes = field(repr=False)
    expires: int


class KeyStore:
    """The store; its methods raise ``EvidenceUnavailable``."""

    def __init__(self, folder: Path, outer: KeyEncryption, *, create: bool) -> None:
        """Raises ``UnreadableError``: there is none and ``create`` is False, or its keys are wrapped by another key."""
        self._outer = outer
        self._database = Database(folder / FILE, _SCHEMA, create=create)
        self._index_key = self._opened()

    def _opened(self) -> bytes:
        rows = self._database.rows("SELECT value FROM meta WHERE name = ?", _INDEX)
        if not rows:
            key = secrets.token_bytes(sealing.KEY_BYTES)
            with self._database.transaction() as connection:
                connection.executemany(
                    "INSERT INTO meta (name, value) VALUES (?, ?)",
                    ((_INDEX, self._outer.wrap(key, _INDEX.encode())), (_OUTER, self._outer.key_id.encode())),
                )
            return key
        ((wrapped,),) = rows
        assert isinstance(wrapped, bytes)
        try:
            return self._outer.unwrap(wrapped, _INDEX.encode())
        except VerificationError as cause:
            raise UnreadableError(
                "expected the key that wraps this key store, got another one", code="content-key"
            ) from cause

    def _tag(self, tenant: str, subject: str) -> bytes:
        return hmac.digest(self._index_key, json.dumps([tenant, subject]).encode(), hashlib.sha256)

    # --- keeping ------------------------------------------------------------------------------------------------------

    def put(self, owners: Sequence[Owner]) -> None:
        """Keep the keys of records, durably, all or none."""
        with self._database.transaction() as connection:
            for each in owners:
                subject, wrapped = None, b""
                if each.subject is None:
                    wrapped = self._outer.wrap(each.key, _of_record(each.record))
                else:
                    subject, key = self._subject(each.tenant, each.subject)
                    nonce = secrets.token_bytes(sealing.NONCE_BYTES)
                    wrapped = sealing.seal(key, nonce, each.key, _of_record(each.record))
                connection.execute(
                    "INSERT OR REPLACE INTO record (id, tenant, subject, wrapped, expires) VALUES (?, ?, ?, ?, ?)",
                    (each.record, each.tenant, subject, wrapped, each.expires),
                )

    def _subject(self, tenant: str, subject: str) -> tuple[str, bytes]:
        """Id and key of a data subject, made where there is none; within a transaction."""
        tag = self._tag(tenant, subject)
        rows = self._database.rows("SELECT id, wrapped FROM subject WHERE tag = ?", tag)
        if rows:
            return str(rows[0][0]), self._unwrapped(rows[0])
        identifier, key = f"subject-{secrets.token_hex(16)}", secrets.token_bytes(sealing.KEY_BYTES)
        self._database.rows(
            "INSERT INTO subject (id, tenant, tag, wrapped) VALUES (?, ?, ?, ?)",
            identifier,
            tenant,
            tag,
            self._outer.wrap(key, identifier.encode()),
        )
        return identifier, key

    def _unwrapped(self, row: tuple[object, ...]) -> bytes:
        identifier, wrapped = row
        assert isinstance(wrapped, bytes)
        return self._outer.unwrap(wrapped, str(identifier).encode())

    # --- finding ------------------------------------------------------------------------------------------------------

    def held(self, record: str) -> Held | None:
        """The key of a record; None where there is none, or none any more. Raises ``VerificationError`` for one that was changed."""
        rows = self._database.rows("SELECT tenant, subject, wrapped, expires FROM record WHERE id = ?", record)
        if not rows:
            return None
        tenant, subject, wrapped, expires = rows[0]
        assert isinstance(wrapped, bytes)
        assert isinstance(expires, int)
        if subject is None:
            key = self._outer.unwrap(wrapped, _of_record(record))
        else:
            owners = self._database.rows("SELECT id, wrapped FROM subject WHERE id = ?", subject)
            if not owners:  # its data subject is being erased
                return None
            key = sealing.unseal(self._unwrapped(owners[0]), wrapped, _of_record(record))
        return Held(tenant=str(tenant), key=key, expires=expires)

    def subject_key(self, tenant: str, subject: str) -> str | None:
        """Id of a data subject's key; None where nothing of it is kept."""
        rows = self._database.rows("SELECT id FROM subject WHERE tag = ?", self._tag(tenant, subject))
        return str(rows[0][0]) if rows else None

    def tenant_of(self, record: str) -> str | None:
        """Tenant of a record whose key is kept."""
        rows = self._database.rows("SELECT tenant FROM record WHERE id = ?", record)
        return str(rows[0][0]) if rows else None

    def due(self, before: int) -> int:
        """How many records expired by a time (Unix seconds)."""
        ((count,),) = self._database.rows("SELECT COUNT(*) FROM record WHERE expires <= ?", before)
        assert isinstance(count, int)
        return count

    def chosen(self, order: ErasureOrder, limit: int = BATCH) -> tuple[str, ...]:
        """Records that an erasure still has to take, at most ``limit``."""
        column, value = {
            acts.BY_SUBJECT: ("subject = ?", order.subject_key),
            acts.BY_RECORD: ("id = ?", order.record),
            acts.BY_RETENTION: ("expires <= ?", order.before),
        }[order.cause]
        query = f"SELECT id FROM record WHERE {column} ORDER BY id LIMIT ?"  # noqa: S608  # one of three texts above
        return tuple(str(identifier) for (identifier,) in self._database.rows(query, value, limit))

    # --- orders -------------------------------------------------------------------------------------------------------

    def order(self, order: Order) -> None:
        """Take an order: from here on it is carried out, whoever dies."""
        with self._database.transaction() as connection:
            connection.execute("INSERT INTO act (id, body) VALUES (?, ?)", (order.id, orders.encode(order)))

    def ordered(self) -> tuple[Order, ...]:
        """Orders that are not finished, oldest first."""
        rows = self._database.rows("SELECT body FROM act ORDER BY rowid")
        return tuple(orders.decode(body) for (body,) in rows if isinstance(body, bytes))

    def pending(self, identifier: str) -> bool:
        """Whether an order is not finished."""
        return bool(self._database.rows("SELECT 1 FROM act WHERE id = ?", identifier))

    def destroy(self, order: ErasureOrder, count: Callable[[Sequence[str]], int]) -> ErasureOrder:
        """Destroy the keys of an order's next batch and note it with the order, in one transaction; no batch: nothing is left.

        ``count``: how many ciphertexts records have.
        """
        records = self.chosen(order)
        if not records:
            return order
        items = count(records)
        owners = {
            row[0] for each in records for row in self._database.rows("SELECT subject FROM record WHERE id = ?", each)
        }
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM record WHERE id = ?", ((each,) for each in records))
            keys = []
            for owner in sorted(str(each) for each in owners if each is not None):
                left = (
                    ""
                    if order.cause == acts.BY_SUBJECT
                    else (" AND NOT EXISTS (SELECT 1 FROM record WHERE subject = subject.id)")
                )
                if connection.execute(f"DELETE FROM subject WHERE id = ?{left}", (owner,)).rowcount:  # noqa: S608
                    keys.append(owner)
            done = replace(order, batch=Batch(keys=tuple(keys), records=records, items=items))
            connection.execute("UPDATE act SET body = ? WHERE id = ?", (orders.encode(done), order.id))
        return done

    def proceed(self, order: ErasureOrder) -> None:
        """The batch in hand is on record; go on with the next."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE act SET body = ? WHERE id = ?", (orders.encode(order.next()), order.id))

    def finish(self, order: Order) -> None:
        """An order is carried out."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM act WHERE id = ?", (order.id,))

    def close(self) -> None:
        """Let the file go."""
        self._database.close()


def _of_record(record: str) -> bytes:
    return f"record {record}".encode()
