"""The tables of a store on PostgreSQL made anew in one transaction, the old rows copied into a schema of their own."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from audit.errors import EvidenceUnavailable, UnreadableError
from audit.storage import link, postgres_schema
from audit.storage.address import StoreAddress
from audit.storage.old_stores import OldStore
from audit.storage.renewal import insertion

ASIDE = "apostille_aside_"
_LAST = "SELECT COALESCE(MAX(substring(nspname FROM ?)::int), 0) FROM pg_namespace"
_TABLES = ("rec", "member", "head", "staged", "epoch", "meta")


class NewTables:
    """The emptied tables, in a transaction that ends with ``finish``. No server may be using them."""

    shared = True

    def __init__(self, address: StoreAddress) -> None:
        """For a database of the current schema that no server uses. Raises ``EvidenceUnavailable``."""
        self._connection = link.writing(address, "apostille recover", postgres_schema.LONGEST_S)
        try:
            self._connection.execute("SET idle_in_transaction_session_timeout = 0")
            self._connection.execute("BEGIN")
            ((last,),) = self.rows(_LAST, f"^{ASIDE}([0-9]{{1,9}})$")
            self.aside = f"{ASIDE}{last + 1}"
            self._connection.execute(f"CREATE SCHEMA {self.aside}".encode())
            for table in _TABLES:
                self._connection.execute(f"LOCK TABLE {table}".encode())
                self._connection.execute(f"CREATE TABLE {self.aside}.{table} AS TABLE {table}".encode())
            self._connection.execute(f"CREATE INDEX ON {self.aside}.rec (idx)".encode())
            self._connection.execute(f"TRUNCATE {', '.join(_TABLES)}".encode())
        except psycopg.Error as cause:
            self.close()
            raise EvidenceUnavailable(f"the record store cannot be set aside: {link.told(cause)}") from None
        except BaseException:
            self.close()
            raise
        self.olds = [OldStore(self.aside, self._old_rows, f"{self.aside}.")]

    def _old_rows(self, query: str, *arguments: object) -> Iterator[tuple[object, ...]]:
        try:
            yield from self.rows(query, *arguments)
        except EvidenceUnavailable as error:
            raise UnreadableError(str(error)) from None

    def add(self, table: str, columns: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a table."""
        self.change(insertion(table, columns), rows)

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        try:
            return self._connection.execute(_pyformat(query), arguments).fetchall()
        except psycopg.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be read: {link.told(cause)}") from None

    def change(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement for each of some rows."""
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(_pyformat(statement), rows)
        except psycopg.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be written: {link.told(cause)}") from None

    def finish(self) -> None:
        """Number later rows after these, and commit."""
        last = "SELECT setval(pg_get_serial_sequence('rec', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM rec), false)"
        self.rows(last)
        try:
            self._connection.execute("COMMIT")
        except psycopg.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be written: {link.told(cause)}") from None

    def close(self) -> None:
        """Let go of the connection; what is not committed is rolled back."""
        self._connection.close()


def _pyformat(statement: str) -> bytes:
    """A statement with question marks in the driver's form; bytes, as the driver takes no computed text otherwise."""
    return statement.replace("?", "%s").encode()
