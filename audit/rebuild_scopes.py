"""The logs of scopes in a store that is made again: their records are those of the main log that say so, in its order."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audit import examine, layout, rebuild_files, regrowth, scope
from audit.errors import HistoryError
from audit.examine import Trust
from audit.regrowth import Entries
from audit.signed_heads import Signed, anchor_of
from audit.storage.base import MAIN
from audit.storage.directory import TileDirectory
from audit.storage.renewal import NewStore
from audit.tiles import WIDTH

_MEMBERS = (
    "SELECT m.rec_id, r.leaf FROM member m JOIN rec r ON r.id = m.rec_id"
    " WHERE m.log = ? AND m.rec_id > ? ORDER BY m.rec_id LIMIT ?"
)
_PLACE = "UPDATE member SET idx = ? WHERE log = ? AND rec_id = ?"


def rebuild(root: Path, new: NewStore, trust: Trust, missing: frozenset[bytes]) -> list[str]:
    """Heads and places of every scope's log; gives the files that were repaired.

    ``missing``: entries of the main log without a record. Raises ``HistoryError`` (``scope-differs``, as ``signed_heads``).
    """
    names = {each.name for each in (root / layout.SCOPES).glob("*") if each.is_dir()}
    names |= {log for old in new.olds for log in old.heads()} - {MAIN}
    repaired: list[str] = []
    for name in sorted(names):
        place = root / layout.SCOPES / name
        signed = anchor_of(place, new.olds, name, examine.of_scope(trust, scope.checked(name)).log_keys)
        if signed is not None:
            repaired += _Scope(name, place, new, missing, root / new.aside).settle(signed)
    return repaired


@dataclass(slots=True)
class _Scope:
    """One log. ``_before``: id of the last member before each bundle, as far as they were read."""

    name: str
    place: Path
    new: NewStore
    missing: frozenset[bytes]
    aside: Path
    _before: dict[int, int] = field(default_factory=lambda: {0: 0})

    def settle(self, signed: Signed) -> list[str]:
        """Place its members; gives the files that were repaired."""
        size = signed.tree.size
        directory = TileDirectory(self.place)
        log = Entries(
            read=directory.read,
            widths=lambda index: rebuild_files.widths(self.place, index),
            backup=lambda first, end: () if self.missing else self._leaves(first, end),
        )
        signed.check(regrowth.roots(size, log.bundle, signed.sizes))
        repaired, edge = [], []
        members = self._members()
        for first, entries, files in regrowth.files(size, log.bundle):
            for path, content in files.items():
                if rebuild_files.repair(self.place, path, content, self.aside):
                    repaired.append(f"{layout.SCOPES}{self.name}/{path}")
                if ".p/" in path:
                    edge.append((path, content))
            self._place(first, entries, members)
        signed.settle(self.new, directory, edge)
        rebuild_files.tidy(self.place, size, size + sum(1 for _ in members), self.aside)
        return repaired

    def _leaves(self, first: int, end: int) -> tuple[bytes, ...]:
        after = self._before.get(first // WIDTH)
        rows = [] if after is None else self.new.rows(_MEMBERS, self.name, after, end - first)
        if len(rows) == WIDTH:
            self._before[first // WIDTH + 1] = rows[-1][0]
        return tuple(bytes(leaf) for _, leaf in rows)

    def _members(self) -> Iterator[tuple[int, bytes]]:
        after = 0
        while rows := self.new.rows(_MEMBERS, self.name, after, WIDTH):
            yield from ((identifier, bytes(leaf)) for identifier, leaf in rows)
            after = rows[-1][0]

    def _place(self, first: int, entries: tuple[bytes, ...], members: Iterator[tuple[int, bytes]]) -> None:
        """Give members the places of their entries; an entry whose record is not at hand has none."""
        places = []
        for index, content in enumerate(entries, first):
            if content in self.missing:
                continue
            identifier, leaf = next(members, (0, b""))
            if leaf != content:
                raise HistoryError(
                    f"expected entry {index} of the scope `{self.name}` to be its next record in the main log, got another",
                    code="scope-differs",
                )
            places.append((index, self.name, identifier))
        self.new.change(_PLACE, places)
