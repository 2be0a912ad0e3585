"""The data directory, read only: the record store by ``sqlite3`` in read-only mode, everything else as plain files.

Layout: ``apostille.db`` (tables ``rec``, ``member``, ``head``), ``log/``, ``scopes/``, ``keys/``, ``policies/``, ``traces/``. Where
the records are on PostgreSQL, ``store.json`` says so instead of ``apostille.db``. Nothing here can write to it, and no private key
is ever read. Imports the standard library only, so that verifying needs no database package; PostgreSQL's driver is loaded where
it is needed.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from audit import layout, scope
from audit.bundle import Part, StoredRecord
from audit.errors import MalformedError, UnreadableError
from audit.files import Files
from audit.folder import directory_files
from audit.storage import address as addresses
from audit.storage.address import StoreAddress
from audit.storage.envelopes import Kept
from audit.vocabulary import RecordKind

DATABASE = "apostille.db"
ENDED = "ended"
"""Folder of the logs that ended before this one: a data directory each, named 0, 1, 2 in their order."""
ROTATION = "rotation.json"
"""There while one log ends and another begins."""
AT_ONCE = 256
"""Records in one query, of a pass over all: about a megabyte."""


def is_data_directory(root: Path) -> bool:
    """Whether a folder has a record store, or says where it is."""
    return (root / DATABASE).is_file() or (root / addresses.STORE).is_file()


class Records(Protocol):
    """A record store that is read."""

    def rows(self, query: str, *arguments: object) -> Iterator[tuple[object, ...]]:
        """Rows of a query, whose placeholders are question marks; raises ``UnreadableError``."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@dataclass(frozen=True, slots=True)
class EmbeddedRecords:
    """The SQLite file in the directory."""

    database: sqlite3.Connection

    def rows(self, query: str, *arguments: object) -> Iterator[tuple[object, ...]]:
        """Rows of a query; raises ``UnreadableError``."""
        try:
            yield from self.database.execute(query, arguments)
        except sqlite3.Error as cause:
            raise UnreadableError(f"expected a readable record store, got: {cause}") from cause

    def close(self) -> None:
        """Close the file."""
        self.database.close()


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory opened for reading; a ``bundle.Source``."""

    root: Path
    database: Records

    @property
    def files(self) -> Files:
        """All its files. Keys are listed, and only public ones are ever read."""
        return directory_files(self.root)

    def record(self, index: int) -> bytes | None:
        """Envelope of the record whose entry is at an index; raises ``UnreadableError``."""
        rows = self.rows("SELECT env FROM rec WHERE idx = ?", index)
        return next((envelope for (envelope,) in rows if isinstance(envelope, bytes)), None)

    def in_order(self) -> Callable[[int], bytes | None]:
        """``record`` for whoever asks for one index after another: some hundred in one query."""
        return _in_order(self.between)

    def of_request(self, request_id: str) -> tuple[StoredRecord, ...]:
        """All records of one request, oldest first; raises ``UnreadableError``."""
        rows = self.rows("SELECT idx, request_id, kind, env FROM rec WHERE request_id = ? ORDER BY id", request_id)
        return tuple(map(_stored, rows))

    def of_kind(self, kind: RecordKind) -> Iterator[StoredRecord]:
        """All records of one kind, oldest first; raises ``UnreadableError``."""
        query = "SELECT idx, request_id, kind, env FROM rec WHERE kind = ? ORDER BY id"
        return map(_stored, self.rows(query, kind.value))

    def sequenced(self, size: int) -> Iterator[StoredRecord]:
        """All records whose entries are below ``size``, in the order of the log; raises ``UnreadableError``."""
        return map(_stored, self.rows("SELECT idx, request_id, kind, env FROM rec WHERE idx < ? ORDER BY idx", size))

    def size(self) -> int:
        """Number of entries that have a place in the log; raises ``UnreadableError``."""
        (found,) = next(self.rows("SELECT max(idx) FROM rec"))
        return found + 1 if isinstance(found, int) else 0

    def between(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Index and envelope of the entries in [first, end), in order; raises ``UnreadableError``."""
        query = "SELECT idx, env FROM rec WHERE idx >= ? AND idx < ? ORDER BY idx"
        for index, envelope in self.rows(query, first, end):
            if not isinstance(index, int) or not isinstance(envelope, bytes):
                raise UnreadableError("expected an index and an envelope in the record store")
            yield index, envelope

    def backwards(self, first: int, end: int, kind: RecordKind) -> Iterator[StoredRecord]:
        """Records of one kind whose entries are in [first, end), newest first; raises ``UnreadableError``."""
        query = "SELECT idx, request_id, kind, env FROM rec WHERE idx >= ? AND idx < ? AND kind = ? ORDER BY idx DESC"
        return map(_stored, self.rows(query, first, end, kind.value))

    def of_requests(self, request_ids: Collection[str]) -> Iterator[StoredRecord]:
        """All records of some requests, oldest first; raises ``UnreadableError``."""
        places = ", ".join("?" * len(request_ids))
        query = f"SELECT idx, request_id, kind, env FROM rec WHERE request_id IN ({places}) ORDER BY id"  # noqa: S608  # marks only
        return map(_stored, self.rows(query, *request_ids)) if request_ids else iter(())

    def scopes(self) -> tuple[str, ...]:
        """Names of the scopes that have a log, sorted; raises ``UnreadableError``."""
        if not (self.root / layout.SCOPES).is_dir():
            return ()
        return tuple(sorted(str(log) for (log,) in self.rows("SELECT log FROM head WHERE log <> ''")))

    def of_scope(self, name: str) -> "ScopeDirectory":
        """What is here of one scope; raises ``MalformedError`` (``scope``) if it has no log."""
        if not (self.root / layout.SCOPES / scope.checked(name)).is_dir():
            raise MalformedError(f"expected a scope that has a log, got `{name}`", code="scope")
        return ScopeDirectory(directory=self, scope=name)

    def rows(self, query: str, *arguments: object) -> Iterator[tuple[object, ...]]:
        """Rows of a query, whose placeholders are question marks; raises ``UnreadableError``."""
        return self.database.rows(query, *arguments)

    def close(self) -> None:
        """Close the record store."""
        self.database.close()


_OF_SCOPE = "SELECT m.idx, r.request_id, r.kind, r.env FROM member m JOIN rec r ON r.id = m.rec_id WHERE m.log = ? AND "


@dataclass(frozen=True, slots=True)
class ScopeDirectory:
    """What a data directory has of one scope; a ``bundle.Source``. Indexes are those of the scope's log."""

    directory: DataDirectory
    scope: str

    @property
    def files(self) -> Files:
        """As ``DataDirectory.files``: ``log/`` is the scope's, ``keys/log.vkey`` has its key too, traces are left out."""
        own, whole = directory_files(self.directory.root / layout.SCOPES / self.scope), self.directory.files

        def read(path: str) -> bytes:
            if path.startswith(layout.LOG):
                return own.read(path.removeprefix(layout.LOG))
            content = whole.read(path)
            return scope.verifier_keys(content, self.scope) if path == layout.KEYS + layout.LOG_VKEY else content

        def listing() -> Iterator[str]:
            yield from (layout.LOG + path for path in own.listing())
            yield from (
                path for path in whole.listing() if path.startswith((layout.KEYS, layout.POLICIES, layout.LEARNED))
            )

        return Files(read=read, listing=listing)

    def record(self, index: int) -> bytes | None:
        """Envelope of the record whose entry is at an index; raises ``UnreadableError``."""
        return next((each.envelope for each in self._stored("m.idx = ?", index)), None)

    def of_request(self, request_id: str) -> tuple[StoredRecord, ...]:
        """All records of one request in this scope, oldest first; raises ``UnreadableError``."""
        return tuple(self._stored("r.request_id = ? ORDER BY r.id", request_id))

    def of_kind(self, kind: RecordKind) -> Iterator[StoredRecord]:
        """All records of one kind in this scope, oldest first; raises ``UnreadableError``."""
        return self._stored("r.kind = ? ORDER BY r.id", kind.value)

    def sequenced(self, size: int) -> Iterator[StoredRecord]:
        """All records whose entries are below ``size``, in the order of the log; raises ``UnreadableError``."""
        return self._stored("m.idx < ? ORDER BY m.idx", size)

    def in_order(self) -> Callable[[int], bytes | None]:
        """``record`` for whoever asks for one index after another: some hundred in one query."""
        return _in_order(self._between)

    def _between(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        for each in self._stored("m.idx >= ? AND m.idx < ? ORDER BY m.idx", first, end):
            if each.index is not None:
                yield each.index, each.envelope

    def _stored(self, condition: str, *arguments: object) -> Iterator[StoredRecord]:
        return map(_stored, self.directory.rows(_OF_SCOPE + condition, self.scope, *arguments))


def _in_order(between: Callable[[int, int], Iterable[tuple[int, bytes]]]) -> Callable[[int], bytes | None]:
    held: dict[int, bytes] = {}
    bounds = range(0)

    def record(index: int) -> bytes | None:
        nonlocal held, bounds
        if index not in bounds:
            bounds = range(index, index + AT_ONCE)
            held = dict(between(bounds.start, bounds.stop))
        return held.get(index)

    return record


def _stored(row: tuple[object, ...]) -> StoredRecord:
    index, request_id, kind, envelope = row
    if not isinstance(envelope, bytes) or kind not in set(RecordKind):
        raise UnreadableError(f"expected a record of a known kind, got `{str(kind)[:40]}`")
    return StoredRecord(
        index=index if isinstance(index, int) else None,
        request_id=str(request_id),
        kind=RecordKind(str(kind)),
        envelope=envelope,
    )


def ended(root: Path) -> tuple[Path, ...]:
    """Data directories of the logs before this one, oldest first."""
    folder = root / ENDED
    if not folder.is_dir():
        return ()
    return tuple(sorted(filter(_is_numbered, folder.iterdir()), key=lambda each: int(each.name)))


def _is_numbered(place: Path) -> bool:
    return place.name.isascii() and place.name.isdigit() and len(place.name) <= 6


def next_ended(root: Path) -> int:
    """Number that the log of now takes when it ends; one that was taken away leaves its number free."""
    before = ended(root)
    return int(before[-1].name) + 1 if before else 0


def check_settled(root: Path) -> None:
    """Raise ``UnreadableError`` (``rotation-unfinished``) while a data directory has parts of two logs, which do not fit together."""
    if (root / ROTATION).exists():
        raise UnreadableError(
            f"one log is ending and another beginning at `{root}`: `apostille keys rotate-log`, or a start, finishes that",
            code="rotation-unfinished",
        )


@contextmanager
def opened(root: Path) -> Iterator["DataDirectory"]:
    """A data directory, closed at the end; raises as ``open_directory``."""
    with closing(open_directory(root)) as source:
        yield source


def reader(root: Path) -> Callable[[int, int], Iterator[tuple[int, bytes]]]:
    """Reads pages of a directory at rest: index and envelope of entries, as ``between``; opened for each, and held by nobody."""

    def records(first: int, end: int) -> Iterator[tuple[int, bytes]]:
        with opened(root) as source:
            yield from source.between(first, end)

    return records


def place_of(root: Path, request_id: str) -> Path:
    """The data directory, of this log or one before it, that has a request; this one where none has. Raises ``UnreadableError``."""
    for each in (root, *reversed(ended(root))):
        with closing(open_directory(each)) as opened:
            if opened.of_request(request_id):
                return each
    return root


def write_files(out: Path, parts: Iterable[Part]) -> int:
    """Write files one by one beside ``out`` and give the whole its name at the end: what is cut short leaves nothing there."""
    place = out.with_name(f"{out.name}.partial-{os.getpid()}")
    out.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir()
    try:
        count = sum(_written(place / path, chunks) for path, chunks in parts)
        place.rename(out)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return count


def _written(place: Path, chunks: Iterable[bytes]) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
    return 1


def open_directory(root: Path) -> DataDirectory:
    """The data directory at ``root``; raises ``UnreadableError`` if there is none or its store cannot be opened."""
    shared = addresses.of_directory(root)
    if shared is not None:
        return DataDirectory(root=root, database=_shared(shared))
    place = root / DATABASE
    if not place.is_file():
        raise UnreadableError(f"expected a data directory with `{DATABASE}` at `{root}`, got none")
    # Without a -wal file nobody is writing; then `immutable` also reads from a medium that allows no -shm file.
    mode = "mode=ro" if place.with_name(f"{DATABASE}-wal").exists() or os.access(root, os.W_OK) else "immutable=1"
    try:
        database = sqlite3.connect(f"{place.resolve().as_uri()}?{mode}", uri=True)
        database.execute("PRAGMA query_only = ON")
    except sqlite3.Error as cause:
        raise UnreadableError(f"expected a readable record store, got: {cause}") from cause
    return DataDirectory(root=root, database=EmbeddedRecords(database))


def kept(root: Path, first: int, end: int) -> Iterator[tuple[int, Kept]]:
    """Index and record of the entries in [first, end), which all have their places; raises ``UnreadableError``."""
    opened = open_directory(root)
    try:
        (size,) = next(opened.rows("SELECT size FROM head WHERE log = ''"), (0,))
        if not isinstance(size, int) or size < end:  # a standby that is behind has not lost anything
            raise UnreadableError(f"expected a record store of at least {end} entries, got {size}")
        query = "SELECT idx, request_id, env FROM rec WHERE idx >= ? AND idx < ? ORDER BY idx"
        for index, request_id, envelope in opened.rows(query, first, end):
            if not isinstance(index, int) or not isinstance(envelope, bytes):
                raise UnreadableError("expected an index and an envelope in the record store")
            yield index, Kept(str(request_id), envelope)
    finally:
        opened.close()


def _shared(address: StoreAddress) -> Records:
    try:
        from audit.storage.postgres_reading import PostgresRecords
    except ImportError:
        raise UnreadableError("expected the extra `postgres` to be installed with the package") from None
    return PostgresRecords(address)
