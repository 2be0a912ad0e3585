"""Reading a record store on PostgreSQL: one snapshot, rows as they are wanted, nothing that can write."""

from collections.abc import Iterator

import psycopg
from psycopg import IsolationLevel

from audit.errors import EvidenceUnavailable, UnreadableError
from audit.storage import link, schema
from audit.storage.address import StoreAddress

PAGE = 500
"""Rows that are in memory at once."""


class PostgresRecords:
    """What is in the store at the first question; one thread at a time. Raises ``UnreadableError``."""

    def __init__(self, address: StoreAddress) -> None:
        try:
            self._connection = link.reading(address)
        except EvidenceUnavailable as cause:
            raise UnreadableError(f"expected a readable record store: {cause}") from None
        self._cursors = 0
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        """Take the snapshot, of a store that we can read."""
        try:
            self._connection.isolation_level = IsolationLevel.REPEATABLE_READ
            self._connection.autocommit = False
        except psycopg.Error as cause:
            raise UnreadableError(f"expected a readable record store, got: {link.told(cause)}") from None
        found = [str(version) for (version,) in self.rows(f"SELECT version_num FROM {schema.TABLE}")]  # noqa: S608
        if found != [schema.CURRENT]:
            raise UnreadableError(f"expected a record store of schema {schema.CURRENT}, got {', '.join(found)[:40]}")

    def rows(self, query: str, *arguments: object) -> Iterator[tuple[object, ...]]:
        """Rows of a query; its placeholders are question marks, as SQLite's."""
        cursor = self._cursor()
        try:
            cursor.itersize = PAGE
            cursor.execute(query.replace("?", "%s"), arguments)
            for row in cursor:  # noqa: UP028  # it would close the cursor by itself where the caller stops early, and raise there
                yield row
        except psycopg.Error as cause:
            raise UnreadableError(f"expected a readable record store, got: {link.told(cause)}") from None
        finally:
            self._end(cursor)

    def _cursor(self) -> psycopg.ServerCursor[tuple[object, ...]]:
        """A cursor of the server; there is none where an earlier question found the session ended."""
        self._cursors += 1
        try:
            return self._connection.cursor(name=f"reading_{self._cursors}")
        except psycopg.Error as cause:
            raise UnreadableError(f"expected a readable record store, got: {link.told(cause)}") from None

    def _end(self, cursor: psycopg.ServerCursor[tuple[object, ...]]) -> None:
        """Close a cursor; one that the server cannot be told about any more goes with its connection."""
        try:
            cursor.close()
        except psycopg.Error:
            self._connection.close()
            cursor.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
