"""Counts that name the records they were counted from, in bounded memory.

Pure. A figure without its source cannot be checked, so every count carries the log indices of the first and the last record in
it. Refuses to grow without end: keys beyond a limit are counted together, and the row says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=tuple[object, ...] | str)

MAX_KEYS = 10_000
"""Distinct keys of one table."""
OTHERS = "(others)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Where a figure comes from. ``count`` records; ``first`` and ``last``: lowest and highest log index among them, None of none."""

    count: int
    first: int | None
    last: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A name and the records that bear it."""

    name: str
    records: Records


class Seen:
    """Records met so far, as a count with its bounds."""

    __slots__ = ("count", "first", "last")

    def __init__(self) -> None:
        self.count, self.first, self.last = 0, -1, -1

    def add(self, index: int) -> None:
        """Take one more record."""
        if not self.count:
            self.first = self.last = index
        elif index > self.last:
            self.last = index
        elif index < self.first:
            self.first = index
        self.count += 1

    def records(self) -> Records:
        """What was seen."""
        if not self.count:
            return Records(count=0, first=None, last=None)
        return Records(count=self.count, first=self.first, last=self.last)


class Tally(Generic[K]):
    """Counts by key. Beyond ``limit`` keys, new ones go to ``others``."""

    __slots__ = ("_cells", "_limit", "_others")

    def __init__(self, others: K, limit: int = MAX_KEYS) -> None:
        self._cells: dict[K, Seen] = {}
        self._others, self._limit = others, limit

    def __len__(self) -> int:
        return len(self._cells)

    def add(self, key: K, index: int) -> None:
        """Count a record under a key."""
        cell = self._cells.get(key)
        if cell is None:
            key = key if len(self._cells) < self._limit else self._others
            cell = self._cells.setdefault(key, Seen())
        cell.add(index)

    def items(self) -> Iterator[tuple[K, Records]]:
        """Keys with their records, the most frequent first, then by key."""
        for key, cell in sorted(self._cells.items(), key=lambda each: (-each[1].count, str(each[0]))):
            yield key, cell.records()


def names(limit: int = MAX_KEYS) -> "Tally[str]":
    """A tally of plain names."""
    return Tally(OTHERS, limit)


def rows(tally: "Tally[str]") -> tuple[Count, ...]:
    """A tally of names as rows."""
    return tuple(Count(name=name, records=records) for name, records in tally.items())
