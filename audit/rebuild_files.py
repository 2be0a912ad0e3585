"""Files of a log beside a rebuilt store: damaged ones are set aside and written again, those of no signed tree set aside."""

from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path

from audit import regrowth, tiles
from audit.errors import MalformedError
from audit.merkle import HASH_BYTES
from audit.storage.directory import TileDirectory, is_file_of
from audit.tiles import Tile


def widths(place: Path, index: int) -> Set[int]:
    """Widths of the partial forms of a bundle of entries that are on disk."""
    folder = place / f"{tiles.entries_path(index)}.p"
    return (
        {int(each.name) for each in folder.iterdir() if each.name.isascii() and each.name.isdigit()}
        if folder.is_dir()
        else set()
    )


def repair(place: Path, path: str, content: bytes, aside: Path) -> bool:
    """Have a tile as it must be; whether it was not."""
    found = place / path
    if is_file_of(found, content):
        return False
    if found.exists() or found.is_symlink():
        set_aside(place, path, aside)
    TileDirectory(place).write_tile(path, content)
    return True


def tidy(place: Path, signed: int, size: int, aside: Path) -> None:
    """Set ``strays`` aside."""
    for path in list(strays(place, signed, size)):
        set_aside(place, path, aside)


def strays(place: Path, signed: int, size: int) -> Iterator[str]:
    """Tiles of larger trees than of ``size`` entries, for what comes next may be other entries, and partial tiles of earlier trees
    that are not the beginning of what is there now (``signed`` entries, whose tiles are as they must be).
    """
    for path, tile in _tiles(place):
        end = regrowth.end_of(tile)
        if end > size or (end <= signed and not _is_beginning(place, path, tile, signed)):
            yield path


def _is_beginning(place: Path, path: str, tile: Tile, signed: int) -> bool:
    width = tiles.final_width(tile, signed)
    if tile.width == width:
        return True
    directory = TileDirectory(place)
    whole = directory.read(tiles.file_path(replace(tile, width=width)))
    try:
        found = directory.read(path)
    except MalformedError:  # longer than any tile
        return False
    if tile.level is None:
        return found == tiles.encode_entries(tiles.decode_entries(whole)[: tile.width])
    return found == whole[: tile.width * HASH_BYTES]


def set_aside(place: Path, path: str, aside: Path) -> None:
    """Move a file, or a folder, to the same path below ``aside``."""
    target = aside / place.name / path
    target.parent.mkdir(parents=True, exist_ok=True)
    (place / path).replace(target)


def _tiles(place: Path) -> Iterator[tuple[str, Tile]]:
    for each in (place / "tile").rglob("*"):
        if each.is_file():
            path = each.relative_to(place).as_posix()
            try:
                yield path, tiles.parse_path(path)
            except MalformedError:
                continue
