"""The record store on PostgreSQL, for any number of writing processes (its manual, "Explicit Locking", "Asynchronous Commit").

Every process inserts with commits of its own; the server gathers them. One at a time sequences: it holds an advisory lock of
its session, which needs a direct connection (a pool that shares sessions breaks it). The lock saves work; what keeps history
from forking is the compare-and-swap of ``head`` in the transaction that gives out places.

Ids are given out before commits, so a lower one can appear later: places go to rows that are visible, and never follow from ids.
One connection, owned by one thread. Every method raises ``EvidenceUnavailable`` if the store cannot do it now.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from audit.errors import EvidenceUnavailable, HistoryError
from audit.storage import link, schema
from audit.storage.address import StoreAddress
from audit.storage.base import MAIN, Row, Sequenced
from audit.vocabulary import Kept

SEQUENCER = 0x61706F7374696C6C
"""Key of the advisory lock, per database: ``apostill`` in ASCII."""
INSTANCES = 0x61706F73
"""First key of the locks on names of instances; the second is the name's hash."""

_INSERT = """
INSERT INTO rec (request_id, kind, epoch, seq, env, leaf)
SELECT request_id, kind, epoch, seq, env, leaf
FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::bytea[], %s::bytea[])
  WITH ORDINALITY AS given(request_id, kind, epoch, seq, env, leaf, n)
ORDER BY n"""
_JOIN = """
INSERT INTO member (log, rec_id) SELECT given.log, rec.id
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS given(log, epoch, seq) JOIN rec USING (epoch, seq)"""
_ANYWAY = " ON CONFLICT DO NOTHING"
_ALIKE = """
SELECT count(*) FROM unnest(%s::text[], %s::bigint[], %s::bytea[], %s::bytea[]) AS given(epoch, seq, env, leaf)
JOIN rec USING (epoch, seq) WHERE rec.env = given.env AND rec.leaf = given.leaf"""
_HOLDER = """
SELECT host(a.client_addr) FROM pg_locks l JOIN pg_database d ON d.oid = l.database JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid::bigint = (hashtext(%s)::bigint & 4294967295)
AND d.datname = current_database() AND a.client_addr IS NOT NULL"""
_PLACE = """
UPDATE rec SET idx = %s + p.n - 1 FROM unnest(%s::bigint[]) WITH ORDINALITY AS p(id, n)
WHERE rec.id = p.id AND rec.idx IS NULL"""
_PLACE_MEMBER = """
UPDATE member SET idx = %s + p.n - 1 FROM unnest(%s::bigint[]) WITH ORDINALITY AS p(id, n)
WHERE member.rec_id = p.id AND member.log = %s AND member.idx IS NULL"""
_STAGE = """
INSERT INTO staged (log, path, place, data) SELECT %s, f.path, f.n, f.data
FROM unnest(%s::text[], %s::bytea[]) WITH ORDINALITY AS f(path, data, n)
ON CONFLICT (log, path) DO UPDATE SET place = EXCLUDED.place, data = EXCLUDED.data"""

MOST_ROWS, FEWEST_ROWS = 2048, 64
"""Rows that are sequenced at once. Halved where the database does not do it within the limit, so that it comes to an end."""
NAME_S = 3.0
"""How long a start waits for an earlier process of its name."""


class PostgresStore:
    """The writing connection of one instance. Not safe under threads: one thread owns it.

    ``instance``: name of this replica; of two processes with the same name the second is refused.
    """

    def __init__(self, address: StoreAddress, instance: str, limit_s: float = 1.0) -> None:
        """Raises ``HistoryError``: ``schema-older``, ``schema-newer``, ``log-missing``, ``instance-in-use``."""
        self._address = address
        self._instance = instance
        self._limit_s = limit_s
        self._leading = False
        self._term = 0
        self._at_once = MOST_ROWS
        self._known: set[str] = set()
        self._connection: link.Bounded | None = None
        self.reopen()
        self._wait_for_name()

    def reopen(self) -> None:
        """Connect anew. What another session left to do is not waited for: the sequence numbers say later whether it did it."""
        self.close()
        connection = link.writing(self._address, f"apostille {self._instance}", self._limit_s)
        try:
            schema.check(_versions(connection))
        except psycopg.Error as cause:
            connection.close()
            raise EvidenceUnavailable(f"the record store cannot be read: {link.told(cause)}") from None
        except HistoryError:
            connection.close()
            raise
        self._connection = connection
        self._named()

    def _wait_for_name(self) -> None:
        """The session of a process that was killed may take a moment to end."""
        end = time.monotonic() + NAME_S
        while not self._named():
            if time.monotonic() >= end:
                where = self._holder()
                self.close()
                raise HistoryError(
                    f"expected one process of the instance `{self._instance}`, got another one{where}; each replica has its own name",
                    code="instance-in-use",
                )
            time.sleep(0.1)

    def _holder(self) -> str:
        """From where the process of our name is connected, as far as this role may see it."""
        found = self._rows(_HOLDER, INSTANCES, self._instance)
        return f", connected from `{found[0][0]}`" if found else ""

    def _named(self) -> bool:
        """Whether the name of the instance is ours; held by the session."""
        return bool(self._rows("SELECT pg_try_advisory_lock(%s, hashtext(%s))", INSTANCES, self._instance)[0][0])

    def close(self) -> None:
        """Close the connection, and with it give up sequencing; nothing is lost by it."""
        connection, self._connection, self._leading = self._connection, None, False
        self._known.clear()
        if connection is not None:
            connection.close()

    # --- who sequences ------------------------------------------------------------------------------------------------

    def lead(self) -> int:
        """Number of the term in which this process sequences, or 0; it does until it lets go, or its connection ends."""
        if not self._leading:
            self._leading = bool(self._rows("SELECT pg_try_advisory_lock(%s)", SEQUENCER)[0][0])
            self._term += self._leading
        return self._term if self._leading else 0

    def step_down(self) -> None:
        """Let another process sequence."""
        if self._leading:
            self._leading = False
            self._rows("SELECT pg_advisory_unlock(%s)", SEQUENCER)

    away = False
    spooled = 0

    # --- records ------------------------------------------------------------------------------------------------------

    def insert(self, rows: Sequence[Row]) -> Kept:
        """Make rows durable with their memberships, all or none. A sequence number that is taken fails them."""
        with self._transaction() as connection:
            self._register(connection, rows)
            connection.execute(_INSERT, _columns(rows))
            _join(connection, rows, _JOIN)
        self._known |= {row.epoch for row in rows}
        return Kept.STORE

    def insert_missing(self, rows: Sequence[Row]) -> None:
        """The same for rows that may be there already, and are then left as they are.

        Raises ``HistoryError`` (``spool-differs``) where another record has the sequence number of one of these.
        """
        with self._transaction() as connection:
            self._register(connection, rows)
            new = connection.execute(_INSERT + _ANYWAY, _columns(rows)).rowcount
            _join(connection, rows, _JOIN + _ANYWAY)
            if new != len(rows):
                self._check_alike(connection, rows)

    @staticmethod
    def _check_alike(connection: link.Connection, rows: Sequence[Row]) -> None:
        found = connection.execute(_ALIKE, _columns(rows)[2:]).fetchone()
        if found != (len(rows),):
            raise HistoryError("expected the records of the spool in the store, got others", code="spool-differs")

    def has(self, rows: Sequence[Row]) -> bool:
        """Whether all of these records are there."""
        return bool(self._rows(_ALIKE, *_columns(rows)[2:])[0][0] == len(rows))

    def key_events(self, request_ids: Sequence[str]) -> list[bytes]:
        """Envelopes of the key events with one of these request ids."""
        query = "SELECT env FROM rec WHERE request_id = ANY(%s) AND kind = 'key-event'"
        return [bytes(envelope) for (envelope,) in self._rows(query, list(request_ids))]

    def _register(self, connection: link.Connection, rows: Sequence[Row]) -> None:
        """State of which instance an epoch is, before its first record."""
        for epoch in {row.epoch for row in rows} - self._known:
            statement = "INSERT INTO epoch (epoch, instance) VALUES (%s, %s) ON CONFLICT DO NOTHING"
            connection.execute(statement, (epoch, self._instance))

    def next_seq(self, epoch: str, after_id: int) -> int:
        """Sequence number that the epoch's next record takes. ``after_id``: a row older than the epoch."""
        query = "SELECT COALESCE(MAX(seq) + 1, 0) FROM rec WHERE epoch = %s AND id > %s"
        return int(self._rows(query, epoch, after_id)[0][0])

    def of_epoch(self, epoch: str, after_id: int, first_seq: int) -> list[bytes]:
        """Envelopes of an epoch's records from a number on, in their order; as ``next_seq`` otherwise."""
        query = "SELECT env FROM rec WHERE epoch = %s AND id > %s AND seq >= %s ORDER BY seq"
        return [bytes(envelope) for (envelope,) in self._rows(query, epoch, after_id, first_seq)]

    def orphans(self, after_id: int) -> list[tuple[str, bytes]]:
        """Request id and envelope of this instance's decisions after a row that have no result.

        Other instances' decisions are theirs to end: they may be answering.
        """
        return [
            (str(request_id), bytes(envelope))
            for request_id, envelope in self._rows(
                "SELECT d.request_id, d.env FROM rec d JOIN epoch e ON e.epoch = d.epoch"
                " WHERE d.id > %s AND d.kind = 'decision' AND e.instance = %s AND NOT EXISTS"
                " (SELECT 1 FROM rec r WHERE r.request_id = d.request_id AND r.kind = 'result') ORDER BY d.id",
                after_id,
                self._instance,
            )
        ]

    def last_id(self) -> int:
        """Id of the newest row; 0 if there is none."""
        return int(self._rows("SELECT COALESCE(MAX(id), 0) FROM rec")[0][0])

    def last_kind(self) -> str:
        """Kind of the newest row; "" if there is none."""
        rows = self._rows("SELECT kind FROM rec ORDER BY id DESC LIMIT 1")
        return str(rows[0][0]) if rows else ""

    # --- logs ---------------------------------------------------------------------------------------------------------

    def logs(self) -> list[str]:
        """Names of the logs that have a head, the main one first."""
        return [str(log) for (log,) in self._rows('SELECT log FROM head ORDER BY log COLLATE "C"')]

    def pending(self) -> list[str]:
        """Names of the scopes' logs that have records without a place."""
        query = 'SELECT log FROM (SELECT DISTINCT log FROM member WHERE idx IS NULL) m ORDER BY log COLLATE "C"'
        return [str(log) for (log,) in self._rows(query)]

    def open_log(self, log: str, checkpoint: str) -> None:
        """Give a scope its log, empty, with its signed checkpoint. One that has a head keeps it."""
        with self._transaction() as connection:
            statement = "INSERT INTO head (log, size, checkpoint) VALUES (%s, 0, %s) ON CONFLICT DO NOTHING"
            connection.execute(statement, (log, checkpoint))

    def unsequenced(self, log: str, limit: int) -> list[tuple[int, bytes]]:
        """Id and entry of visible rows without a place in a log: oldest first in the main log, in its order in another.

        Fewer than ``limit`` where the database is slow.
        """
        limit = min(limit, self._at_once)
        if log == MAIN:
            found = self._rows("SELECT id, leaf FROM rec WHERE idx IS NULL ORDER BY id LIMIT %s", limit)
        else:
            found = self._rows(
                "SELECT m.rec_id, r.leaf FROM member m JOIN rec r ON r.id = m.rec_id"
                " WHERE m.log = %s AND m.idx IS NULL AND r.idx IS NOT NULL ORDER BY r.idx LIMIT %s",
                log,
                limit,
            )
        return [(int(identifier), bytes(leaf)) for identifier, leaf in found]

    def sequence(self, batches: Sequence[Sequenced]) -> None:
        """Give rows their places, stage files and swap the heads, in one transaction; at most one batch a log.

        Raises ``HistoryError`` (``head-moved``) if a head is not where its batch began: another process was here.
        """
        before, self._at_once = self._at_once, max(FEWEST_ROWS, self._at_once // 2)
        with self._transaction() as connection:
            for batch in batches:
                _sequence(connection, batch)
        self._at_once = min(MOST_ROWS, before * 2)

    def staged(self, log: str) -> list[tuple[str, bytes]]:
        """Files of a log that may not be on disk yet, in the order in which to write them."""
        found = self._rows("SELECT path, data FROM staged WHERE log = %s ORDER BY place", log)
        return [(str(path), bytes(data)) for path, data in found]

    def unstage(self, logs: Sequence[str] = (MAIN,)) -> None:
        """The staged files of these logs are on disk. On the session that sequences: nobody else staged any since."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM staged WHERE log = ANY(%s)", (list(logs),))

    def head(self, log: str) -> tuple[int, str]:
        """Size and signed checkpoint of a log. Raises ``HistoryError`` (``head-missing``)."""
        rows = self._rows("SELECT size, checkpoint FROM head WHERE log = %s", log)
        if len(rows) != 1:
            raise HistoryError("expected the head of the log in its store, got none", code="head-missing")
        return int(rows[0][0]), str(rows[0][1])

    # --- facts --------------------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """A fact about this instance."""
        rows = self._rows("SELECT value FROM meta WHERE key = %s", f"{self._instance}/{key}")
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """State a fact about this instance."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO meta (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value",
                (f"{self._instance}/{key}", value),
            )

    # --- the connection -----------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[link.Connection]:
        """After a failure the connection is given up: nobody knows what it did, and the next one looks."""
        try:
            connection = self._open()
            with connection.within_limit(), connection.transaction():
                yield connection
        except psycopg.Error as cause:
            self.close()
            raise EvidenceUnavailable(f"the record store cannot be written: {link.told(cause)}") from None

    def _rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        try:
            return self._open().execute(query, arguments).fetchall()
        except psycopg.Error as cause:
            self.close()
            raise EvidenceUnavailable(f"the record store cannot be read: {link.told(cause)}") from None

    def _open(self) -> link.Bounded:
        if self._connection is None:
            raise EvidenceUnavailable("the record store is not connected now")
        return self._connection


def _versions(connection: link.Connection) -> list[str]:
    """Revisions of the schema that a database has; none where it is empty."""
    there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if there is None or there[0] is None:
        return []
    return [str(each) for (each,) in connection.execute("SELECT version_num FROM alembic_version")]


def _columns(rows: Sequence[Row]) -> list[list[object]]:
    """The rows' six fields, each as an array."""
    return [[row[field] for row in rows] for field in range(6)]


def _join(connection: link.Connection, rows: Sequence[Row], statement: str) -> None:
    members = [(log, row.epoch, row.seq) for row in rows for log in row.scopes]
    if members:
        connection.execute(statement, [list(column) for column in zip(*members, strict=True)])


def _sequence(connection: link.Connection, batch: Sequenced) -> None:
    swapped = connection.execute(  # first: whoever is behind must learn that, and nothing else
        "UPDATE head SET size = %s, checkpoint = %s WHERE log = %s AND size = %s",
        (batch.size, batch.checkpoint, batch.log, batch.old_size),
    )
    if swapped.rowcount != 1:
        raise HistoryError(f"expected the log at {batch.old_size} entries, got another size", code="head-moved")
    ids = list(batch.ids)
    if batch.log == MAIN:
        placed = connection.execute(_PLACE, (batch.old_size, ids))
    else:
        placed = connection.execute(_PLACE_MEMBER, (batch.old_size, ids, batch.log))
    if placed.rowcount != len(batch.ids):
        raise HistoryError("expected rows without a place, got some that have one", code="head-moved")
    paths, contents = [path for path, _ in batch.files], [content for _, content in batch.files]
    connection.execute(_STAGE, (batch.log, paths, contents))
