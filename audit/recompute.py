"""A log computed again from its entries, file by file (C2SP tlog-tiles).

What the files say is compared with what the entries give: every entry bundle, every hash tile of every level, and the
partial tiles that earlier publications left behind, as far as the caller lists them. Memory is bounded by one bundle.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from audit import tiles
from audit.errors import MalformedError, VerificationError
from audit.files import Files
from audit.merkle import HASH_BYTES
from audit.tiles import WIDTH, Tile, TileReader, TreeEdge

Complain = Callable[[str], None]


class Recomputation:
    """One pass over a log of ``size`` entries; iterate over it to get ``(first index, entries)`` of each bundle.

    ``complain`` gets a reason for every file that is not what it must be. ``edge`` is what was computed so far; if a
    bundle cannot be read the pass ends early and ``complete`` stays false.
    """

    def __init__(self, log: Files, size: int, complain: Complain) -> None:
        self._read = log.read
        self._size = size
        self._complain = complain
        self._reader = TileReader(log.read, size)
        self._leftovers = _partials(log.listing())
        self.edge = TreeEdge()
        self.complete = size == 0

    def __iter__(self) -> Iterator[tuple[int, tuple[bytes, ...]]]:
        for index in range(-(-self._size // WIDTH)):
            try:
                entries = self._reader.entries(index)
            except (MalformedError, VerificationError) as error:
                self._complain(str(error))
                return
            self.edge, files = self.edge.grow(entries)
            for path, content in files.items():
                self._compare(path, content)
            yield index * WIDTH, entries
        self.complete = True

    def _compare(self, path: str, expected: bytes) -> None:
        tile = tiles.parse_path(path)
        try:
            self._compare_forms(path, tile, expected)
        except MalformedError as error:  # longer than a tile, or no file at all
            self._complain(str(error))

    def _compare_forms(self, path: str, tile: Tile, expected: bytes) -> None:
        if tile.width == tiles.final_width(tile, self._size):
            self._compare_file(path, tile, expected)
        for width in self._leftovers.pop((tile.level, tile.index), ()):
            if width < tile.width:
                self._compare_leftover(Tile(level=tile.level, index=tile.index, width=width), expected)
            elif width < WIDTH:
                self._leftovers[(tile.level, tile.index)].append(width)

    def _compare_file(self, path: str, tile: Tile, expected: bytes) -> None:
        try:
            found = self._read(path)
        except FileNotFoundError:
            self._compare_full(path, tile, expected)
            return
        if found != expected:
            self._complain(f"`{path}` is not what the entries give")

    def _compare_full(self, path: str, tile: Tile, expected: bytes) -> None:
        """The log has grown since: a full tile may stand for the partial one, and begins with the same bytes."""
        full = tiles.file_path(Tile(level=tile.level, index=tile.index))
        try:
            found = self._read(full)
        except FileNotFoundError:
            self._complain(f"expected the file `{path}`, got none")
            return
        if not found.startswith(expected):
            self._complain(f"`{full}` is not what the entries give")

    def _compare_leftover(self, tile: Tile, grown: bytes) -> None:
        path = tiles.file_path(tile)
        if tile.level is None:
            expected = tiles.encode_entries(tiles.decode_entries(grown)[: tile.width])
        else:
            expected = grown[: tile.width * HASH_BYTES]
        try:
            found = self._read(path)
        except FileNotFoundError:  # removed since it was listed, which the specification allows
            return
        if found != expected:
            self._complain(f"`{path}` is not what the entries give")


def _partials(listing: Iterable[str]) -> defaultdict[tuple[int | None, int], list[int]]:
    """Widths of the listed partial tiles, by place; names that are no tile are not this log's business."""
    found: defaultdict[tuple[int | None, int], list[int]] = defaultdict(list)
    for path in listing:
        try:
            tile = tiles.parse_path(path)
        except MalformedError:
            continue
        if tile.width < WIDTH:
            found[(tile.level, tile.index)].append(tile.width)
    return found
