"""The record store on SQLite: one connection that writes and checkpoints, owned by one thread (sqlite.org/wal.html).

SQLite 3.7.0 to 3.51.2 can corrupt a database in WAL mode when two connections write and checkpoint at once, so nobody else
opens it for writing; readers open it read-only (``audit.datadir``). ``synchronous=FULL``: a commit is on disk when it returns.
Every method raises ``EvidenceUnavailable`` if the store cannot do it now.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from audit.errors import EvidenceUnavailable, HistoryError

_INSERT = "INSERT INTO rec (request_id, kind, epoch, seq, env, leaf) VALUES "
_VALUES = "(?, ?, ?, ?, ?, ?)"
ROWS_AT_ONCE = 1024
"""Rows in one statement. One statement for a group, because every statement lets go of the interpreter's lock and has to
wait for it again; SQLite takes 32,766 parameters."""

Row = tuple[str, str, str, int, bytes, bytes]
"""request id, kind, epoch, sequence number, envelope, log entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequenced:
    """A batch that gets its place in the log: rows in order from index ``old_size``, files, the new checkpoint."""

    ids: Sequence[int]
    old_size: int
    size: int
    checkpoint: str
    files: Sequence[tuple[str, bytes]]


class Store:
    """The writing connection. Not safe under threads: one thread owns it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _connect(path)

    @classmethod
    def create(cls, path: Path, ddl: Sequence[str], *, checkpoint: str) -> None:
        """A new store with an empty log. ``ddl``: of ``storage.tables``. Raises ``HistoryError`` if there is a file already."""
        if path.exists():
            raise HistoryError(f"expected no record store at `{path}`, got one", code="log-exists")
        try:
            connection = _connect(path, create=True)
            try:
                connection.execute("BEGIN")
                for statement in ddl:
                    connection.execute(statement)
                connection.execute("INSERT INTO head (id, size, checkpoint) VALUES (1, 0, ?)", (checkpoint,))
                connection.execute("COMMIT")
            finally:
                connection.close()
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be created: {cause}") from cause

    def reopen(self) -> None:
        """Forget the connection and what it may hold in memory, and make what is in the write-ahead log durable."""
        self.close()
        try:
            self._connection = _connect(self._path)
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be opened: {cause}") from cause

    def close(self) -> None:
        """Close the connection; nothing is lost by it."""
        try:
            self._connection.close()
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be closed: {cause}") from cause

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as cause:
            _roll_back(connection)
            raise EvidenceUnavailable(f"the record store cannot be written: {cause}") from cause
        except BaseException:
            _roll_back(connection)
            raise

    def insert(self, rows: Sequence[Row]) -> None:
        """Make rows durable, all or none."""
        with self._transaction() as connection:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                part = rows[start : start + ROWS_AT_ONCE]
                statement = _INSERT + ", ".join([_VALUES] * len(part))
                connection.execute(statement, tuple(chain.from_iterable(part)))

    def unsequenced(self, limit: int) -> list[tuple[int, bytes]]:
        """Id and entry of rows without a place in the log, oldest first."""
        return self._rows("SELECT id, leaf FROM rec WHERE idx IS NULL ORDER BY id LIMIT ?", limit)

    def sequence(self, batch: Sequenced) -> None:
        """Give rows their places, stage files and swap the head, all or none.

        Raises ``HistoryError`` (``head-moved``) if the head is not where the batch began: another writer was here.
        """
        with self._transaction() as connection:
            swapped = connection.execute(  # first: whoever is behind must learn that, and nothing else
                "UPDATE head SET size = ?, checkpoint = ? WHERE id = 1 AND size = ?",
                (batch.size, batch.checkpoint, batch.old_size),
            )
            if swapped.rowcount != 1:
                raise HistoryError(f"expected the log at {batch.old_size} entries, got another size", code="head-moved")
            places = [(batch.old_size + i, identifier) for i, identifier in enumerate(batch.ids)]
            connection.executemany("UPDATE rec SET idx = ? WHERE id = ? AND idx IS NULL", places)
            connection.executemany("INSERT OR REPLACE INTO staged (path, data) VALUES (?, ?)", batch.files)

    def staged(self) -> list[tuple[str, bytes]]:
        """Files that may not be on disk yet, in the order in which to write them."""
        return self._rows("SELECT path, data FROM staged ORDER BY rowid")

    def unstage(self) -> None:
        """The staged files are on disk."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM staged")

    def head(self) -> tuple[int, str]:
        """Size and signed checkpoint of the log."""
        rows = self._rows("SELECT size, checkpoint FROM head WHERE id = 1")
        if len(rows) != 1:
            raise HistoryError("expected the head of the log in its store, got none", code="head-missing")
        size, note = rows[0]
        return int(size), str(note)

    def next_seq(self, epoch: str, after_id: int) -> int:
        """Sequence number that the epoch's next record takes. ``after_id``: a row older than the epoch."""
        query = "SELECT COALESCE(MAX(seq) + 1, 0) FROM rec WHERE id > ? AND epoch = ?"
        ((found,),) = self._rows(query, after_id, epoch)
        return int(found)

    def of_epoch(self, epoch: str, after_id: int, first_seq: int) -> list[bytes]:
        """Envelopes of an epoch's records from a number on, in their order; as ``next_seq`` otherwise."""
        query = "SELECT env FROM rec WHERE id > ? AND epoch = ? AND seq >= ? ORDER BY seq"
        return [bytes(envelope) for (envelope,) in self._rows(query, after_id, epoch, first_seq)]

    def orphans(self, after_id: int) -> list[tuple[str, bytes]]:
        """Request id and envelope of decisions after a row that have no result."""
        return self._rows(
            "SELECT d.request_id, d.env FROM rec d WHERE d.id > ? AND d.kind = 'decision' AND NOT EXISTS"
            " (SELECT 1 FROM rec r WHERE r.request_id = d.request_id AND r.kind = 'result') ORDER BY d.id",
            after_id,
        )

    def last_id(self) -> int:
        """Id of the newest row; 0 if there is none."""
        ((found,),) = self._rows("SELECT COALESCE(MAX(id), 0) FROM rec")
        return int(found)

    def last_kind(self) -> str:
        """Kind of the newest row; "" if there is none."""
        rows = self._rows("SELECT kind FROM rec ORDER BY id DESC LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def meta(self, key: str) -> str | None:
        """A fact about the store."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """State a fact about the store."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def _rows(self, query: str, *arguments: object) -> list[Any]:
        try:
            return self._connection.execute(query, arguments).fetchall()
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be read: {cause}") from cause


def _connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
    """The writing connection; transactions are ours to begin and end."""
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "mmap_size = 0", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _roll_back(connection: sqlite3.Connection) -> None:
    """Leave a failed transaction; a connection that cannot even do that is reopened by the caller."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return
