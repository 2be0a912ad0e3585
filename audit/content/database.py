"""How both stores of content open their SQLite files: deleted bytes are overwritten, and no second copy stays beside them.

``secure_delete`` overwrites what is deleted with zeros (sqlite.org/pragma.html). A rollback journal holds old pages while a
transaction runs and is truncated when it ends; a write-ahead log would keep them until some later checkpoint, so there is none.
Temporary tables stay in memory. Files are readable by their owner only.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from audit.errors import EvidenceUnavailable, UnreadableError

_PRAGMAS = (
    "secure_delete = ON",
    "journal_mode = TRUNCATE",
    "synchronous = FULL",
    "mmap_size = 0",
    "temp_store = MEMORY",
)


class Database:
    """One connection; its methods raise ``EvidenceUnavailable``. Not safe under threads: one at a time uses it."""

    def __init__(self, place: Path, schema: Sequence[str], *, create: bool) -> None:
        """Raises ``UnreadableError`` where there is none and ``create`` is False."""
        if create:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(place, os.O_RDWR | os.O_CREAT, 0o600))
        elif not place.is_file():
            raise UnreadableError(f"expected a store of content at `{place}`, got none", code="content-missing")
        try:
            self._connection = sqlite3.connect(
                f"{place.resolve().as_uri()}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=5.0,
            )
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            for statement in schema:
                self._connection.execute(statement)
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(
                f"`{place.name}` cannot be opened: {cause}", code="content-unavailable"
            ) from cause

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable at its end."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.Error as cause:
            self._roll_back()
            raise EvidenceUnavailable(
                f"a store of content cannot be written: {cause}", code="content-unavailable"
            ) from cause
        except BaseException:
            self._roll_back()
            raise

    def rows(self, query: str, *arguments: object) -> list[tuple[object, ...]]:
        """Rows of a query."""
        try:
            return self._connection.execute(query, arguments).fetchall()
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(
                f"a store of content cannot be read: {cause}", code="content-unavailable"
            ) from cause

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            return
