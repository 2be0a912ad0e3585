"""A record store made anew in one step, with the old one kept aside: whoever dies before the step leaves what was there.

On SQLite the old file is moved into ``aside-<n>/`` first, so that nothing can go on from it meanwhile; the new file takes its name at
the end, and where it comes to none the old one is moved back. On PostgreSQL everything is one transaction, and the old tables are
copied into a schema ``apostille_aside_<n>``.
"""

import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from audit import datadir, durable
from audit.errors import EvidenceUnavailable
from audit.storage import tables
from audit.storage.old_stores import OldStore

ASIDE = "aside-"
_NEW = f"{datadir.DATABASE}.rebuilding"
_WITH = ("", "-wal", "-shm")
_NUMBERED = re.compile(rf"{ASIDE}[0-9]{{1,9}}", re.ASCII)


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
    """The embedded store. Whoever opens it holds the data directory, ``lock``, which is let go of at the end."""

    shared = False

    def __init__(self, root: Path, lock: int) -> None:
        """Raises ``EvidenceUnavailable``, ``OSError``; then nothing is changed, and the lock is still the caller's."""
        self._root = root
        self._opened: list[datadir.DataDirectory] = []
        self._connection: sqlite3.Connection | None = None
        self._finished = False
        self._folder, self._moved = _set_aside(root)
        self.aside = self._folder.name
        try:
            self._opened = [
                datadir.open_directory(each) for each in _asides(root) if (each / datadir.DATABASE).is_file()
            ]
            self.olds = [OldStore(each.root.name, each.rows) for each in reversed(self._opened)]
            self._begin()
        except BaseException:
            self._release()
            raise
        self._lock = lock

    def _begin(self) -> None:
        for end in ("", "-journal"):
            (self._root / f"{_NEW}{end}").unlink(missing_ok=True)
        (self._root / _NEW).touch(0o600)  # what SQLite puts beside it has the same mode
        with _writing():
            self._connection = sqlite3.connect(self._root / _NEW, isolation_level=None)
            for statement in ("PRAGMA synchronous = FULL", "BEGIN", *tables.ddl()):
                self._connection.execute(statement)

    def add(self, table: str, columns: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a table."""
        self.change(insertion(table, columns), rows)

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        assert self._connection is not None
        with _writing():  # what does not fit into memory is on disk, and is read there
            return self._connection.execute(query, arguments).fetchall()

    def change(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Execute a statement for each of some rows."""
        assert self._connection is not None
        with _writing():
            self._connection.executemany(statement, rows)

    def finish(self) -> None:
        """Give the new file the name of the old, durably."""
        assert self._connection is not None
        with _writing():
            self._connection.execute("COMMIT")
            self._connection.close()
        (self._root / _NEW).replace(self._root / datadir.DATABASE)
        self._finished = True
        durable.sync_folder(self._root)

    def close(self) -> None:
        """Let go of the files and of the lock. What was not finished is undone: the old file is where it was."""
        self._release()
        os.close(self._lock)

    def _release(self) -> None:
        for each in self._opened:
            each.close()
        if self._connection is not None:
            self._connection.close()
        if not self._finished:
            for end in ("", "-journal"):
                (self._root / f"{_NEW}{end}").unlink(missing_ok=True)
            _put_back(self._root, self._folder, self._moved)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as cause:
        raise EvidenceUnavailable(f"the record store cannot be made again: {cause}") from cause


def _asides(root: Path) -> list[Path]:
    return sorted((each for each in root.glob(f"{ASIDE}*") if _NUMBERED.fullmatch(each.name)), key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(ASIDE))


def _set_aside(root: Path) -> tuple[Path, list[str]]:
    """Move the old file away, the database before its write-ahead log: whoever dies between goes on in the same folder.

    Gives that folder, and the names of what was moved. A folder that is there already is never written to otherwise.
    """
    asides = _asides(root)
    left = [f"{datadir.DATABASE}{end}" for end in _WITH if (root / f"{datadir.DATABASE}{end}").exists()]
    cut_short = bool(left and asides) and (asides[-1] / datadir.DATABASE).exists() and datadir.DATABASE not in left
    folder = asides[-1] if cut_short else root / f"{ASIDE}{_number(asides[-1]) + 1 if asides else 1:04d}"
    folder.mkdir(mode=0o700, exist_ok=cut_short)
    try:
        durable.sync_folder(root)
        _move(left, root, folder)
    except OSError:
        _put_back(root, folder, left)
        raise
    return folder, left


def _put_back(root: Path, folder: Path, names: Sequence[str]) -> None:
    """The other way round, so that dying between looks as dying in ``_set_aside`` does."""
    _move(list(reversed(names)), folder, root)
    with suppress(OSError):  # damaged files are in it
        folder.rmdir()


def _move(names: Sequence[str], source: Path, target: Path) -> None:
    for name in names:
        if (source / name).exists():
            (source / name).replace(target / name)
            durable.sync_folder(target)
            durable.sync_folder(source)
