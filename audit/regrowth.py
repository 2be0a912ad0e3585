"""A log grown again from entries that are at hand, wherever they come from: its roots, and the files that it must have.

Nothing here believes an entry: whoever asks compares a root with a signed one before writing anything.
"""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass

from audit import merkle, tiles
from audit.errors import HistoryError, MalformedError
from audit.files import Read
from audit.merkle import Frontier
from audit.tiles import WIDTH, Tile, TreeEdge

Bundle = Callable[[int, int], tuple[bytes, ...]]
"""The first entries of a bundle, by its index and how many; raises ``HistoryError``."""
Backup = Callable[[int, int], tuple[bytes, ...]]
"""Entries in [first, end) that another place has, as far as it has them without a gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Entries of one log: of its files, and of a backup where these are damaged. ``widths``: partial bundles, by index."""

    read: Read
    widths: Callable[[int], Set[int]]
    backup: Backup

    def bundle(self, index: int, width: int) -> tuple[bytes, ...]:
        """Entries with the hashes of their tile, from whichever place has them; else the first found, for a root to judge.

        Raises ``HistoryError`` (``entries-missing``) where no place has so many.
        """
        hashes = self._hashes(index, width)
        found = [each[:width] for each in self._candidates(index, width) if len(each) >= width]
        if not found:
            first = index * WIDTH
            raise HistoryError(
                f"expected the entries {first} to {first + width - 1} of the log, got neither their file nor a store with them",
                code="entries-missing",
            )
        return next((each for each in found if tuple(map(merkle.leaf_hash, each)) == hashes), found[0])

    def beyond(self, size: int) -> Iterator[bytes]:
        """Entries on disk from index ``size`` on that no checkpoint at hand covers, without a gap."""
        while True:
            index, skipped = divmod(size, WIDTH)
            found = max(self._in_files(index, skipped + 1), key=len, default=())
            yield from found[skipped:]
            if len(found) < WIDTH:
                return
            size = (index + 1) * WIDTH

    def _candidates(self, index: int, width: int) -> Iterator[tuple[bytes, ...]]:
        yield from self._in_files(index, width)
        yield self.backup(index * WIDTH, index * WIDTH + width)

    def _in_files(self, index: int, least: int) -> Iterator[tuple[bytes, ...]]:
        for width in (WIDTH, *sorted(self.widths(index))):
            if width >= least:
                try:
                    yield tiles.decode_entries(self.read(tiles.entries_path(index, width)))
                except (FileNotFoundError, MalformedError):
                    continue

    def _hashes(self, index: int, width: int) -> tuple[bytes, ...] | None:
        for each in (width, WIDTH):
            try:
                return tiles.hashes_of(self.read(tiles.path(0, index, each)))[:width]
            except (FileNotFoundError, MalformedError):
                continue
        return None


def roots(size: int, bundle: Bundle, wanted: Set[int]) -> Mapping[int, bytes]:
    """Roots that a log of ``size`` entries has at some sizes."""
    edge = Frontier()
    found = {0: edge.root()}
    for index, width in _bundles(size):
        for entry in bundle(index, width):
            edge = edge.append(merkle.leaf_hash(entry))
            if edge.size in wanted:
                found[edge.size] = edge.root()
    return found


def files(size: int, bundle: Bundle) -> Iterator[tuple[int, tuple[bytes, ...], Mapping[str, bytes]]]:
    """Index of the first entry of each bundle, its entries, and the files of a log of ``size`` entries that end with them."""
    edge = TreeEdge()
    for index, width in _bundles(size):
        entries = bundle(index, width)
        edge, written = edge.grow(entries)
        final = {path: each for path, each in written.items() if _is_final(tiles.parse_path(path), size)}
        yield index * WIDTH, entries, final


def end_of(tile: Tile) -> int:
    """Number of entries that a log has at least, if it has this tile."""
    return (tile.index * WIDTH + tile.width) << (tiles.LEVEL_BITS * (tile.level or 0))


def _is_final(tile: Tile, size: int) -> bool:
    return tile.width == tiles.final_width(tile, size)


def _bundles(size: int) -> Iterator[tuple[int, int]]:
    for index in range(-(-size // WIDTH)):
        yield index, min(WIDTH, size - index * WIDTH)
