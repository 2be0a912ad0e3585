"""A record store made anew in one step, with the old one kept aside: whoever dies before the step leaves what was there.

On SQLite the old file is moved into ``aside-<n>/`` first, so that nothing can go on from it meanwhile; the new file takes its name at
the end. On PostgreSQL everything is one transaction, and the old tables are copied into a schema ``apostille_aside_<n>``.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from audit import datadir, durable
from audit.errors import EvidenceUnavailable
from audit.storage import directory, tables
from audit.storage.old_stores import OldStore

ASIDE = "aside-"
_NEW = f"{datadir.DATABASE}.rebuilding"
_WITH = ("", "-wal", "-shm")


class NewStore(Protocol):
    """An empty store that is being filled. Methods raise ``EvidenceUnavailable``."""

    @property
    def aside(self) -> str:
        """Name of where the old store is kept, and of a folder for files that are set aside."""
        ...

    @property
    def olds(self) -> Sequence[OldStore]:
        """The stores that were set aside, newest first."""
        ...

    @property
    def shared(self) -> bool:
        """Whether several instances write it."""
        ...

    def add(self, table: str, columns: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a table."""
        ...

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query, whose placeholders are question marks."""
        ...

    def change(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement for each of some rows."""
        ...

    def finish(self) -> None:
        """Take the old store's place, durably."""
        ...

    def close(self) -> None:
        """Let go of everything; what is not finished never was."""
        ...


def insertion(table: str, columns: str) -> str:
    """The statement that adds a row."""
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(columns.split(',')))})"  # noqa: S608  # our names


class NewFile:
    """The embedded store. Holds the data directory's lock."""

    shared = False

    def __init__(self, root: Path) -> None:
        """Raises ``HistoryError`` (``log-in-use``), ``OSError``."""
        self._root = root
        self._lock = directory.lock(root / directory.LOCK)
        self._opened: list[datadir.DataDirectory] = []
        try:
            folder = _set_aside(root)
            self.aside = folder.name
            self._opened = [
                datadir.open_directory(each) for each in _asides(root) if (each / datadir.DATABASE).is_file()
            ]
            self.olds = [OldStore(each.root.name, each.rows) for each in reversed(self._opened)]
            for end in ("", "-journal"):
                (root / f"{_NEW}{end}").unlink(missing_ok=True)
            self._connection = sqlite3.connect(root / _NEW, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN")
            for statement in tables.ddl():
                self._connection.execute(statement)
        except BaseException:
            self.close()
            raise

    def add(self, table: str, columns: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a table."""
        self.change(insertion(table, columns), rows)

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self._connection.execute(query, arguments).fetchall()

    def change(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement for each of some rows."""
        try:
            self._connection.executemany(statement, rows)
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be written: {cause}") from cause

    def finish(self) -> None:
        """Give the new file the name of the old, durably."""
        try:
            self._connection.execute("COMMIT")
            self._connection.close()
        except sqlite3.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be written: {cause}") from cause
        (self._root / _NEW).replace(self._root / datadir.DATABASE)
        durable.sync_folder(self._root)

    def close(self) -> None:
        """Let go of the files and of the lock."""
        for each in self._opened:
            each.close()
        if hasattr(self, "_connection"):
            self._connection.close()
        os.close(self._lock)


def _asides(root: Path) -> list[Path]:
    return sorted((each for each in root.glob(f"{ASIDE}*") if each.is_dir()), key=lambda each: each.name)


def _set_aside(root: Path) -> Path:
    """Move the old file away, the database before its write-ahead log: whoever dies between goes on in the same folder."""
    asides = _asides(root)
    left = [f"{datadir.DATABASE}{end}" for end in _WITH if (root / f"{datadir.DATABASE}{end}").exists()]
    cut_short = bool(left and asides) and (asides[-1] / datadir.DATABASE).exists() and datadir.DATABASE not in left
    folder = asides[-1] if cut_short else root / f"{ASIDE}{len(asides) + 1:04d}"
    folder.mkdir(mode=0o700, exist_ok=True)
    durable.sync_folder(root)
    for name in left:
        (root / name).replace(folder / name)
        durable.sync_folder(folder)
        durable.sync_folder(root)
    return folder
