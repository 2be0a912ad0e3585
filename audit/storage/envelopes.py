"""Records as files beside the tiles, private, in the tiles' numbering: with the tiles they are the whole truth of a log.

A file holds the records of entries in order, each as two fields: request id and envelope, each with its length before it in four
bytes, big-endian. Two lengths of zero: the record of this entry is not at hand. ``x001/234`` has the records of a full bundle of
entries; until that is full, ``x001/234.p/17-30`` has those that were added at once, so that no record is written more than
twice. A file never changes, and is on disk before a checkpoint that covers its entries is shown to anyone.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from audit import dsse, reading, tiles
from audit.errors import MalformedError
from audit.storage.directory import TileDirectory, remove_folder
from audit.tiles import WIDTH

_PART = re.compile(r"(0|[1-9][0-9]{0,2})-([1-9][0-9]{0,2})", re.ASCII)
_LENGTH = 4
MAX_BYTES = WIDTH * (2 * _LENGTH + 1024 + dsse.MAX_ENVELOPE_BYTES)
"""Of a file: its records, each with a request id that is far shorter than its bound here."""


class Kept(NamedTuple):
    """A record as it is kept in a file."""

    request_id: str
    envelope: bytes


Rows = Callable[[int, int], Iterable[tuple[int, Kept]]]
"""Index and record of the entries in [first, end) that have one, in order. Raises ``UnreadableError``."""


def encode(records: Iterable[Kept | None]) -> bytes:
    """Content of a file."""
    parts = []
    for each in records:
        fields = (b"", b"") if each is None else (each.request_id.encode(), each.envelope)
        parts += [len(field).to_bytes(_LENGTH, "big") + field for field in fields]
    return b"".join(parts)


def decode(content: bytes) -> tuple[Kept | None, ...]:
    """Records of a file; raises ``MalformedError`` (``envelope-file``)."""
    fields: list[bytes] = []
    offset = 0
    while offset < len(content):
        start = offset + _LENGTH
        offset = start + int.from_bytes(content[offset:start], "big")
        if offset > len(content) or len(fields) == 2 * WIDTH:
            raise MalformedError("expected whole records of at most 256 entries", code="envelope-file")
        fields.append(content[start:offset])
    if len(fields) % 2:
        raise MalformedError("expected a request id and an envelope for each entry", code="envelope-file")
    try:
        return tuple(
            Kept(name.decode(), envelope) if envelope else None
            for name, envelope in zip(fields[::2], fields[1::2], strict=True)
        )
    except UnicodeDecodeError:
        raise MalformedError("expected a request id in UTF-8", code="envelope-file") from None


class EnvelopeFiles:
    """The files below ``root``, which only their owner may enter. ``rows`` reads the record store; one thread at a time."""

    def __init__(self, root: Path, rows: Rows) -> None:
        self._root = root
        self._rows = rows
        self._files = TileDirectory(root)
        self._size: int | None = None

    def keep(self, size: int) -> None:
        """Have the records of all entries below ``size`` on disk; may be called again. Raises ``OSError``, ``UnreadableError``."""
        self._root.mkdir(mode=0o700, exist_ok=True)
        start = covered(self._root) if self._size is None else self._size
        while start < size:
            index = start // WIDTH
            first, end = index * WIDTH, (index + 1) * WIDTH
            if end <= size:
                self._write(bundle_path(index), first, end)
                remove_folder(self._root / f"{bundle_path(index)}.p")
            else:
                end = size
                self._write(f"{bundle_path(index)}.p/{start - first}-{end - first}", start, end)
            start = end
        self._size = size

    def _write(self, path: str, first: int, end: int) -> None:
        found = dict(self._rows(first, end))
        self._files.write_tile(path, encode(found.get(index) for index in range(first, end)))


def bundle_path(index: int) -> str:
    """Path of a full file."""
    return tiles.entries_path(index).removeprefix("tile/entries/")


def covered(root: Path) -> int:
    """Number of entries from the first on whose records have a file."""
    index = 0
    while (root / bundle_path(index)).is_file():
        index += 1
    end = 0
    for first, last, _ in sorted(_parts(root, index)):
        end = max(end, last) if first <= end else end
    return index * WIDTH + end


def records_of(root: Path, index: int) -> Iterator[tuple[int, Kept]]:
    """Every record in the files of a bundle, with the index of its entry; one may come twice. Nothing is checked.

    What cannot be read or taken apart is left out.
    """
    whole = root / bundle_path(index)
    for first, last, place in [(0, WIDTH, whole), *_parts(root, index)]:
        try:
            found = decode(reading.bounded(place, MAX_BYTES))
        except (OSError, MalformedError):
            continue
        numbered = enumerate(found[: last - first], index * WIDTH + first)
        yield from ((at, each) for at, each in numbered if each is not None)


def _parts(root: Path, index: int) -> Iterator[tuple[int, int, Path]]:
    folder = root / f"{bundle_path(index)}.p"
    for place in folder.iterdir() if folder.is_dir() else ():
        match = _PART.fullmatch(place.name)
        if match is not None and int(match[1]) < int(match[2]) <= WIDTH:
            yield int(match[1]), int(match[2]), place
