"""The log as files: tile paths, entry bundles, and the right edge that grows (C2SP tlog-tiles).

Pure: files come through a ``read(path) -> bytes`` function and leave as a mapping of path to bytes. Every path but
``checkpoint`` names bytes that never change. ``TreeEdge`` is all a sequencer keeps, so an append costs the same at any
size.

Examples of the specification: hash tile 1,234,067 of level 0 is ``tile/0/x001/x234/067``; a log of 256 entries has
``tile/0/000``, ``tile/1/000.p/1`` and ``tile/entries/000``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audit import merkle
from audit.errors import MalformedError, VerificationError
from audit.files import Read
from audit.merkle import HASH_BYTES

WIDTH = 256
"""Hashes in a full tile, entries in a full bundle."""

LEVEL_BITS = 8
MAX_ENTRY_BYTES = 65_535
"""An entry's length is written in two bytes."""

MAX_LEVEL = 7
"""A log of 2**63 entries has levels 0 to 7; the specification allows paths up to 63."""

CHECKPOINT_PATH = "checkpoint"

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A tile's place; ``level`` None names a bundle of entries. ``width``: 1 to 256."""

    level: int | None
    index: int
    width: int = WIDTH


def path(level: int, index: int, width: int = WIDTH) -> str:
    """Path of a hash tile."""
    return f"tile/{level}/{_grouped(index)}{_suffix(width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """Path of a bundle of entries."""
    return f"tile/entries/{_grouped(index)}{_suffix(width)}"


def _grouped(index: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups)


def _suffix(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"


def parse_path(text: str) -> Tile:
    """The tile that a path names; raises ``MalformedError`` for any other text, and for a second spelling of a path."""
    match = _PATH.fullmatch(text) if len(text) <= 80 else None
    if match is None:
        raise MalformedError("expected a tile path of C2SP tlog-tiles", code="tile-path")
    level = None if match[1] == "entries" else int(match[1])
    tile = Tile(level=level, index=int(match[2].replace("x", "").replace("/", "")), width=int(match[3] or WIDTH))
    if (level or 0) > 63 or file_path(tile) != text:
        raise MalformedError("expected a tile path in its only spelling", code="tile-path")
    return tile


def file_path(tile: Tile) -> str:
    """Path of a tile or bundle."""
    if tile.level is None:
        return entries_path(tile.index, tile.width)
    return path(tile.level, tile.index, tile.width)


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile and bundle of a log of ``size`` entries, level by level; of a growing edge only the newest width."""
    for level in (None, *range(MAX_LEVEL + 1)):
        count = size >> (LEVEL_BITS * (level or 0))
        for index in range(count // WIDTH):
            yield Tile(level=level, index=index)
        if count % WIDTH:
            yield Tile(level=level, index=count // WIDTH, width=count % WIDTH)


def final_width(tile: Tile, size: int) -> int:
    """Width that a tile's place has in a log of ``size`` entries."""
    return min(WIDTH, (size >> (LEVEL_BITS * (tile.level or 0))) - tile.index * WIDTH)


def right_edge(size: int) -> tuple[Tile, ...]:
    """The partial tiles, and the partial bundle, at the right edge of a log of ``size`` entries."""
    found = []
    for level in (None, *range(MAX_LEVEL + 1)):
        count = size >> (LEVEL_BITS * (level or 0))
        if count % WIDTH:
            found.append(Tile(level=level, index=count // WIDTH, width=count % WIDTH))
    return tuple(found)


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Bundle of entries: each its length in two bytes, big-endian, then its bytes.

    Raises ``MalformedError`` for an entry that is too long.
    """
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise MalformedError(f"expected an entry of at most {MAX_ENTRY_BYTES} bytes, got {len(entry)}")
        parts.append(len(entry).to_bytes(2, "big") + entry)
    return b"".join(parts)


def decode_entries(bundle: bytes) -> tuple[bytes, ...]:
    """Entries of a bundle; raises ``MalformedError`` if it ends inside an entry or holds more than 256."""
    entries = []
    offset, end = 0, len(bundle)
    while offset < end:
        start = offset + 2
        offset = start + int.from_bytes(bundle[offset:start], "big")
        if start > end or offset > end:
            raise MalformedError("expected whole entries, the bundle ends inside one", code="entry-bundle")
        entries.append(bundle[start:offset])
    if len(entries) > WIDTH:
        raise MalformedError(f"expected at most {WIDTH} entries in a bundle, got {len(entries)}", code="entry-bundle")
    return tuple(entries)


def hashes_of(tile: bytes) -> tuple[bytes, ...]:
    """The hashes of a tile; raises ``MalformedError`` unless there are 1 to 256 of them."""
    count, rest = divmod(len(tile), HASH_BYTES)
    if rest or not 1 <= count <= WIDTH:
        raise MalformedError(f"expected 1 to {WIDTH} hashes of {HASH_BYTES} bytes, got {len(tile)} bytes", code="tile")
    return tuple(tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES))


class TileReader:
    """Hashes and entries of a log of ``size`` entries, from its files; keeps the last tiles it read.

    A partial tile may be deleted once its full tile is there ("Partial Tiles"), so the full one is tried next.
    A missing or short file raises ``VerificationError`` (code ``tile-missing``, ``tile-short``) that names the path.
    It checks no hash: whoever uses the answers compares them with a signed root.
    """

    CACHED_TILES = 64
    """About half a megabyte of hashes: a proof at 10**9 entries touches 4 levels."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._size = size
        self._cache: dict[tuple[int, int], tuple[bytes, ...]] = {}

    @property
    def size(self) -> int:
        """Entries in the log, as the caller stated."""
        return self._size

    def hash(self, level: int, index: int) -> bytes:
        """Root of a full subtree; see ``merkle.HashReader``."""
        tile_level, inner = divmod(level, LEVEL_BITS)
        start = index << inner
        hashes = self.tile(tile_level, start // WIDTH)
        at = start % WIDTH
        wanted = hashes[at : at + (1 << inner)]
        if len(wanted) != 1 << inner:
            raise VerificationError(f"expected subtree {index} of level {level} inside the tree", code="tile-short")
        return merkle.perfect_root(wanted)

    def tile(self, level: int, index: int) -> tuple[bytes, ...]:
        """Hashes of one tile, as many as the size says."""
        known = self._cache.get((level, index))
        if known is not None:
            return known
        width = self._width(level, index)
        content = self._file(Tile(level=level, index=index, width=width))
        hashes = hashes_of(content)[:width]
        if len(hashes) != width:
            raise VerificationError(
                f"expected {width} hashes in `{path(level, index, width)}`, got {len(hashes)}", code="tile-short"
            )
        if len(self._cache) >= self.CACHED_TILES:
            self._cache.pop(next(iter(self._cache)))
        self._cache[(level, index)] = hashes
        return hashes

    def entries(self, index: int) -> tuple[bytes, ...]:
        """Entries of one bundle, as many as the size says."""
        width = self._width(0, index)
        entries = decode_entries(self._file(Tile(level=None, index=index, width=width)))[:width]
        if len(entries) != width:
            raise VerificationError(
                f"expected {width} entries in `{entries_path(index, width)}`, got {len(entries)}", code="tile-short"
            )
        return entries

    def entry(self, index: int) -> bytes:
        """One entry of the log; raises ``VerificationError`` for an index that it does not have."""
        if not 0 <= index < self._size:
            raise VerificationError(f"expected an entry of a log of {self._size}, got index {index}", code="tile-short")
        return self.entries(index // WIDTH)[index % WIDTH]

    def root(self) -> bytes:
        """Root that the tiles lead to."""
        return self.root_at(self._size)

    def root_at(self, size: int) -> bytes:
        """Root that the log had when it was no larger than now; raises ``VerificationError`` for a larger one."""
        return merkle.fold([self.hash(level, index) for level, index in merkle.subtrees(0, size)])

    def inclusion_proof(self, index: int) -> tuple[bytes, ...]:
        """Proof for one entry; see ``merkle.inclusion_proof``."""
        return merkle.inclusion_proof(index, self._size, self.hash)

    def consistency_proof(self, old: int) -> tuple[bytes, ...]:
        """Proof that the log extends what it was at size ``old``."""
        return merkle.consistency_proof(old, self._size, self.hash)

    def _width(self, level: int, index: int) -> int:
        width = min(WIDTH, (self._size >> (LEVEL_BITS * level)) - index * WIDTH)
        if width <= 0 or index < 0:
            raise VerificationError(
                f"expected a tile inside a log of {self._size} entries, got `{path(level, index)}`", code="tile-short"
            )
        return width

    def _file(self, tile: Tile) -> bytes:
        try:
            return self._read(file_path(tile))
        except FileNotFoundError:
            full = Tile(level=tile.level, index=tile.index)
        try:
            return self._read(file_path(full))
        except FileNotFoundError as cause:
            raise VerificationError(f"expected the file `{file_path(tile)}`, got none", code="tile-missing") from cause


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEdge:
    """Right edge of a log: what the next append needs.

    ``levels[L]``: hashes of the partial tile of level L. ``entries``: those of the partial bundle, as many as
    ``levels[0]`` has hashes.
    """

    size: int = 0
    levels: tuple[tuple[bytes, ...], ...] = ((),)
    entries: tuple[bytes, ...] = ()

    def root(self) -> bytes:
        """Root of the tree."""
        subtrees: list[bytes] = []
        for hashes in reversed(self.levels):
            covered = merkle.subtrees(0, len(hashes))
            subtrees += [merkle.perfect_root(hashes[i << level : (i + 1) << level]) for level, i in covered]
        return merkle.fold(subtrees)

    def grow(self, entries: Sequence[bytes]) -> tuple["TreeEdge", Mapping[str, bytes]]:
        """The edge after more entries, and every file to write for it, in the order in which to write them.

        Entries before hashes, lower levels before higher ones, so that a reader never finds a hash without what it
        covers. Only files at the right edge are named. Raises ``MalformedError`` for an entry that is too long.
        """
        files: dict[str, bytes] = {}
        if not entries:
            return self, files
        tail = (*self.entries, *entries)
        index, kept = self.size // WIDTH, len(tail) % WIDTH
        for offset, start in enumerate(range(0, len(tail), WIDTH)):
            part = tail[start : start + WIDTH]
            files[entries_path(index + offset, len(part))] = encode_entries(part)
        levels: list[tuple[bytes, ...]] = []
        carried: Sequence[bytes] = [merkle.leaf_hash(entry) for entry in entries]
        for level in range(MAX_LEVEL + 1):
            before = self.levels[level] if level < len(self.levels) else ()
            if not carried and level >= len(self.levels):
                break
            carried, partial = self._grow_level(level, before, carried, files)
            levels.append(partial)
        size = self.size + len(entries)
        edge = TreeEdge(size=size, levels=tuple(levels), entries=tail[len(tail) - kept :] if kept else ())
        return edge, files

    def _grow_level(
        self, level: int, before: tuple[bytes, ...], added: Sequence[bytes], files: dict[str, bytes]
    ) -> tuple[list[bytes], tuple[bytes, ...]]:
        """Write one level's tiles into ``files``; give the roots of those that became full, and the partial rest."""
        if not added:
            return [], before
        hashes = (*before, *added)
        index = self.size >> (LEVEL_BITS * (level + 1))
        full: list[bytes] = []
        for start in range(0, len(hashes), WIDTH):
            part = hashes[start : start + WIDTH]
            files[path(level, index, len(part))] = b"".join(part)
            index += 1
            if len(part) == WIDTH:
                full.append(merkle.perfect_root(part))
        return full, hashes[len(full) * WIDTH :]


def edge_from(read: Read, size: int) -> TreeEdge:
    """The edge of a log of ``size`` entries, rebuilt from its files.

    Raises ``VerificationError`` when a file is missing or short, or an entry of the last bundle does not have the hash
    that its tile states. The caller compares ``root()`` with a signed checkpoint.
    """
    reader = TileReader(read, size)
    levels: list[tuple[bytes, ...]] = [()]
    entries: tuple[bytes, ...] = ()
    for tile in right_edge(size):
        if tile.level is None:
            entries = reader.entries(tile.index)
            continue
        levels += [()] * (tile.level + 1 - len(levels))
        levels[tile.level] = reader.tile(tile.level, tile.index)
    if tuple(merkle.leaf_hash(entry) for entry in entries) != levels[0]:
        raise VerificationError("expected the last entries to have the hashes of their tile", code="entry-hash")
    return TreeEdge(size=size, levels=tuple(levels), entries=entries)
