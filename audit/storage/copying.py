"""A log's public files in a bucket of S3-compatible storage too: a copy off this machine, and a fence that no older writer passes.

Tiles are created there, never replaced; the checkpoint is replaced only by a larger one, compared and swapped by the storage
itself. It goes to the bucket before it is published here, so a machine whose disk and database were both restored from a backup finds
a later one there, and nothing is signed. Reading is from this machine's files; the bucket serves whom its own policy lets in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from audit import checkpoint, tiles
from audit.errors import HistoryError
from audit.storage.directory import TileDirectory, succeeding
from audit.tiles import CHECKPOINT_PATH, Tile


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """A bucket. ``endpoint`` None: that of AWS. Credentials are in the environment (``AWS_ACCESS_KEY_ID`` and others)."""

    name: str
    prefix: str = ""
    endpoint: str | None = None
    region: str = "us-east-1"


class Objects(Protocol):
    """Objects by path. Methods raise ``OSError`` where the storage does not answer."""

    def get(self, path: str) -> tuple[bytes, str]:
        """Content and version of an object; raises ``FileNotFoundError``."""
        ...

    def create(self, path: str, content: bytes) -> bool:
        """Put an object where there is none; whether there was none."""
        ...

    def swap(self, path: str, content: bytes, version: str) -> bool:
        """Replace an object of a version; whether it had that."""
        ...


class CopiedTiles:
    """The files of one log on a directory, copied below ``prefix`` of a bucket. A ``TileStore``."""

    def __init__(self, directory: TileDirectory, objects: Objects, prefix: str) -> None:
        self._directory = directory
        self._objects = objects
        self._prefix = prefix

    def read(self, path: str) -> bytes:
        """Content of a file here; raises ``FileNotFoundError``."""
        return self._directory.read(path)

    def write_tile(self, path: str, content: bytes) -> None:
        """Write one immutable file here; it is copied before a checkpoint that needs it."""
        self._directory.write_tile(path, content)

    def replace_checkpoint(self, note: str) -> None:
        """Copy what the bucket lacks, publish there, then here. Raises ``HistoryError`` as the directory, for either place."""
        self._copy(note)
        self._directory.replace_checkpoint(note)

    def drop_partials(self, path: str) -> None:
        """Delete the partial forms of a full tile here; the bucket keeps what it has."""
        self._directory.drop_partials(path)

    def _copy(self, note: str) -> None:
        place = self._prefix + CHECKPOINT_PATH
        try:
            published, version = self._objects.get(place)
        except FileNotFoundError:
            published, version = b"", ""
        next_note = succeeding(published, note) if published else note
        if next_note is None:
            return
        old = checkpoint.parse_text(checkpoint.parse_bytes(published).text).size if published else 0
        for tile in between(old, checkpoint.parse_text(checkpoint.parse(note).text).size):
            self._create(tiles.file_path(tile))
        content = next_note.encode()
        done = self._objects.swap(place, content, version) if published else self._objects.create(place, content)
        if not done:
            raise OSError(f"another process put `{place}` meanwhile")  # the next try compares with that one

    def _create(self, path: str) -> None:
        content, place = self._directory.read(path), self._prefix + path
        if not self._objects.create(place, content) and self._objects.get(place)[0] != content:
            raise HistoryError(f"expected `{place}` in the bucket as it was signed, got another", code="tile-changed")


def between(old: int, new: int) -> Iterator[Tile]:
    """Tiles of a log of ``new`` entries that one of ``old`` entries has not, in the order in which to write them."""
    for level in (None, *range(tiles.MAX_LEVEL + 1)):
        bits = tiles.LEVEL_BITS * (level or 0)
        count = new >> bits
        if count == old >> bits:
            continue
        for index in range((old >> bits) // tiles.WIDTH, -(-count // tiles.WIDTH)):
            yield Tile(level=level, index=index, width=min(tiles.WIDTH, count - index * tiles.WIDTH))
