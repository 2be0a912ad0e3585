"""The data directory, read only: the record store by ``sqlite3`` in read-only mode, everything else as plain files.

Layout: ``apostille.db`` (tables ``rec``, ``head``), ``log/``, ``keys/``, ``policies/``, ``traces/``. Nothing here can write
to it, and no private key is ever read. Imports the standard library only, so that verifying needs no database package.
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit import layout
from audit.bundle import Part, StoredRecord
from audit.errors import UnreadableError
from audit.files import Files
from audit.vocabulary import RecordKind, Sha256Hex

DATABASE = "apostille.db"


def directory_files(root: Path) -> Files:
    """The regular files below a directory; paths that climb, and links, are not followed."""

    def located(path: str) -> Path:
        place = root / layout.safe_path(path)
        if not place.is_file() or place.is_symlink():
            raise FileNotFoundError(path)
        return place

    def read(path: str) -> bytes:
        return located(path).read_bytes()

    def digest(path: str) -> Sha256Hex:
        with located(path).open("rb") as file:
            return Sha256Hex(hashlib.file_digest(file, "sha256").hexdigest())

    def listing() -> Iterator[str]:
        top = os.fspath(root)
        for folder, _, names in os.walk(top):
            inside = folder[len(top) :].replace(os.sep, "/").strip("/")
            yield from (f"{inside}/{name}" if inside else name for name in names)

    return Files(read=read, listing=listing, digest_of=digest)


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory opened for reading; a ``bundle.Source``."""

    root: Path
    database: sqlite3.Connection

    @property
    def files(self) -> Files:
        """All its files. Keys are listed, and only public ones are ever read."""
        return directory_files(self.root)

    def record(self, index: int) -> bytes | None:
        """Envelope of the record whose entry is at an index; raises ``UnreadableError``."""
        rows = self._rows("SELECT env FROM rec WHERE idx = ?", index)
        return next((envelope for (envelope,) in rows if isinstance(envelope, bytes)), None)

    def of_request(self, request_id: str) -> tuple[StoredRecord, ...]:
        """All records of one request, oldest first; raises ``UnreadableError``."""
        rows = self._rows("SELECT idx, request_id, kind, env FROM rec WHERE request_id = ? ORDER BY id", request_id)
        return tuple(map(_stored, rows))

    def sequenced(self, size: int) -> Iterator[StoredRecord]:
        """All records whose entries are below ``size``, in the order of the log; raises ``UnreadableError``."""
        return map(_stored, self._rows("SELECT idx, request_id, kind, env FROM rec WHERE idx < ? ORDER BY idx", size))

    def size(self) -> int:
        """Number of entries that have a place in the log; raises ``UnreadableError``."""
        (found,) = next(self._rows("SELECT max(idx) FROM rec"))
        return found + 1 if isinstance(found, int) else 0

    def between(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Index and envelope of the entries in [first, end), in order; raises ``UnreadableError``."""
        query = "SELECT idx, env FROM rec WHERE idx >= ? AND idx < ? ORDER BY idx"
        for index, envelope in self._rows(query, first, end):
            if not isinstance(index, int) or not isinstance(envelope, bytes):
                raise UnreadableError("expected an index and an envelope in the record store")
            yield index, envelope

    def _rows(self, query: str, *arguments: object) -> Iterator[tuple[object, ...]]:
        try:
            yield from self.database.execute(query, arguments)
        except sqlite3.Error as cause:
            raise UnreadableError(f"expected a readable record store, got: {cause}") from cause

    def close(self) -> None:
        """Close the record store."""
        self.database.close()


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
    return DataDirectory(root=root, database=database)
