"""The record store on SQLite: one connection that writes and checkpoints, owned by one thread (sqlite.org/wal.html).

SQLite 3.7.0 to 3.51.2 can corrupt a database in WAL mode when two connections write and checkpoint at once, so nobody else
opens it for writing; readers open it read-only (``audit.datadir``). ``synchronous=FULL``: a commit is on disk when it returns.
Every method raises ``EvidenceUnavailable`` if the store cannot do it now.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from audit.errors import EvidenceUnavailable, HistoryError
from audit.storage import schema
from audit.storage.base import MAIN, Row, Sequenced
from audit.vocabulary import Kept

_INSERT = "INSERT INTO rec (request_id, kind, epoch, seq, env, leaf) VALUES "
_VALUES = "(?, ?, ?, ?, ?, ?)"
_FIELDS = 6
_JOIN = "INSERT INTO member (log, rec_id) VALUES "
ROWS_AT_ONCE = 1024
"""Rows in one statement. One statement for a group, because every statement lets go of the interpreter's lock and has to
wait for it again; SQLite takes 32,766 parameters."""


class Store:
    """The writing connection. Not safe under threads: one thread owns it."""

    def __init__(self, path: Path) -> None:
        """Raises ``HistoryError``: ``schema-older``, ``schema-newer``, ``schema-missing``."""
        self._path = path
        self._connection = _connect(path)
        try:
            schema.check(_revisions(self._connection))
        except HistoryError:
            self._connection.close()
            raise

    @classmethod
    def create(cls, path: Path, ddl: Sequence[str], *, checkpoint: str) -> None:
        """A new store with an empty log. ``ddl``: of ``storage.tables``. Raises ``HistoryError`` if there is a file already."""
        if path.exists():
            raise HistoryError(f"expected no record store at `{path}`, got one", code="log-exists")
        try:
            path.touch(0o600, exist_ok=False)  # what SQLite puts beside it has the same mode
            connection = _connect(path, create=True)
            try:
                connection.execute("BEGIN")
                for statement in ddl:
                    connection.execute(statement)
                connection.execute("INSERT INTO head (log, size, checkpoint) VALUES (?, 0, ?)", (MAIN, checkpoint))
                connection.execute("COMMIT")
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as cause:
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

    away = False
    spooled = 0

    def lead(self) -> int:
        """One process holds the data directory, for one term."""
        return 1

    def step_down(self) -> None:
        """Nobody else could sequence."""

    def insert(self, rows: Sequence[Row]) -> Kept:
        """Make rows durable with their memberships, all or none."""
        with self._transaction() as connection:
            for start in range(0, len(rows), ROWS_AT_ONCE):
                part = rows[start : start + ROWS_AT_ONCE]
                statement = _INSERT + ", ".join([_VALUES] * len(part))
                values = tuple(chain.from_iterable(row[:_FIELDS] for row in part))
                last = connection.execute(statement, values).lastrowid
                assert last is not None
                first = last - len(part) + 1  # SQLite gives the next ids, and nobody else writes
                _join(connection, [(log, first + i) for i, row in enumerate(part) for log in row.scopes])
        return Kept.STORE

    def logs(self) -> list[str]:
        """Names of the logs that have a head, the main one first."""
        return [log for (log,) in self._rows("SELECT log FROM head ORDER BY log")]

    def pending(self) -> list[str]:
        """Names of the scopes' logs that have records without a place."""
        return [log for (log,) in self._rows("SELECT DISTINCT log FROM member WHERE idx IS NULL ORDER BY log")]

    def open_log(self, log: str, checkpoint: str) -> None:
        """Give a scope its log, empty, with its signed checkpoint. One that has a head keeps it."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO head (log, size, checkpoint) VALUES (?, 0, ?)", (log, checkpoint))

    def unsequenced(self, log: str, limit: int) -> list[tuple[int, bytes]]:
        """Id and entry of rows without a place in a log: oldest first in the main log, in its order in another."""
        if log == MAIN:
            return self._rows("SELECT id, leaf FROM rec WHERE idx IS NULL ORDER BY id LIMIT ?", limit)
        return self._rows(
            "SELECT m.rec_id, r.leaf FROM member m JOIN rec r ON r.id = m.rec_id"
            " WHERE m.log = ? AND m.idx IS NULL AND r.idx IS NOT NULL ORDER BY r.idx LIMIT ?",
            log,
            limit,
        )

    def sequence(self, batches: Sequence[Sequenced]) -> None:
        """Give rows their places, stage files and swap the heads, in one transaction; at most one batch a log.

        Raises ``HistoryError`` (``head-moved``) if a head is not where its batch began: another writer was here.
        """
        with self._transaction() as connection:
            for batch in batches:
                _sequence(connection, batch)

    def staged(self, log: str) -> list[tuple[str, bytes]]:
        """Files of a log that may not be on disk yet, in the order in which to write them."""
        return self._rows("SELECT path, data FROM staged WHERE log = ? ORDER BY place", log)

    def unstage(self, logs: Sequence[str] = (MAIN,)) -> None:
        """The staged files of these logs are on disk."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM staged WHERE log = ?", [(log,) for log in logs])

    def head(self, log: str) -> tuple[int, str]:
        """Size and signed checkpoint of a log. Raises ``HistoryError`` (``head-missing``)."""
        rows = self._rows("SELECT size, checkpoint FROM head WHERE log = ?", log)
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


def _revisions(connection: sqlite3.Connection) -> list[str]:
    """Revisions of the schema that a database has; none where it is empty."""
    try:
        tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if schema.TABLE in tables:
            return [str(each) for (each,) in connection.execute(f"SELECT version_num FROM {schema.TABLE}")]  # noqa: S608
        ((found,),) = connection.execute("PRAGMA user_version").fetchall()
    except sqlite3.Error as cause:
        raise EvidenceUnavailable(f"the record store cannot be read: {cause}") from cause
    return [schema.LEGACY.get(found, f"version {found}")] if "rec" in tables else []


def _join(connection: sqlite3.Connection, members: Sequence[tuple[str, int]]) -> None:
    for start in range(0, len(members), ROWS_AT_ONCE):
        part = members[start : start + ROWS_AT_ONCE]
        connection.execute(_JOIN + ", ".join(["(?, ?)"] * len(part)), tuple(chain.from_iterable(part)))


def _sequence(connection: sqlite3.Connection, batch: Sequenced) -> None:
    swapped = connection.execute(  # first: whoever is behind must learn that, and nothing else
        "UPDATE head SET size = ?, checkpoint = ? WHERE log = ? AND size = ?",
        (batch.size, batch.checkpoint, batch.log, batch.old_size),
    )
    if swapped.rowcount != 1:
        raise HistoryError(f"expected the log at {batch.old_size} entries, got another size", code="head-moved")
    if batch.log == MAIN:
        places = [(batch.old_size + i, identifier) for i, identifier in enumerate(batch.ids)]
        connection.executemany("UPDATE rec SET idx = ? WHERE id = ? AND idx IS NULL", places)
    else:
        of_scope = [(batch.old_size + i, batch.log, identifier) for i, identifier in enumerate(batch.ids)]
        connection.executemany("UPDATE member SET idx = ? WHERE log = ? AND rec_id = ? AND idx IS NULL", of_scope)
    connection.executemany(
        "INSERT OR REPLACE INTO staged (log, path, place, data) VALUES (?, ?, ?, ?)",
        [(batch.log, path, place, data) for place, (path, data) in enumerate(batch.files)],
    )


def _roll_back(connection: sqlite3.Connection) -> None:
    """Leave a failed transaction; a connection that cannot even do that is reopened by the caller."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except sqlite3.Error:
        return
