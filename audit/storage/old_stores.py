"""Record stores that were set aside, as far as they can be read: what they have is taken only where it checks out elsewhere."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from audit.errors import UnreadableError
from audit.storage.base import MAIN

Query = Callable[..., Iterator[tuple[object, ...]]]
"""Rows of a query, whose placeholders are question marks; raises ``UnreadableError``."""
PAGE = 500


class OldRecord(NamedTuple):
    """A record of an old store; nothing in it is checked."""

    request_id: str
    envelope: bytes
    leaf: bytes


class OldStore:
    """One old store. ``problem``: why a part of it could not be read; what can be is given all the same."""

    def __init__(self, name: str, query: Query, prefix: str = "") -> None:
        self.name = name
        self.problem = ""
        self._query = query
        self._prefix = prefix

    def placed(self, first: int, end: int) -> dict[int, OldRecord]:
        """Records by index of their entries, in [first, end)."""
        found = {}
        for index, *fields in self._rows("idx, request_id, env, leaf", "rec", "WHERE idx >= ? AND idx < ?", first, end):
            record = _record(fields)
            if isinstance(index, int) and record is not None:
                found[index] = record
        return found

    def waiting(self) -> Iterator[OldRecord]:
        """Records that had no place, oldest first."""
        after = -1
        while True:
            condition = f"WHERE idx IS NULL AND id > ? ORDER BY id LIMIT {PAGE}"
            rows = self._rows("id, request_id, env, leaf", "rec", condition, after)
            for identifier, *fields in rows:
                record = _record(fields)
                if record is not None:
                    yield record
                assert isinstance(identifier, int)
                after = identifier
            if len(rows) < PAGE:
                return

    def heads(self) -> dict[str, str]:
        """Signed checkpoint by name of the log."""
        return {str(log): str(note) for log, note in self._rows("log, checkpoint", "head")}

    def is_published(self, log: str = MAIN) -> bool:
        """Whether nothing of a log was on its way to disk."""
        return self._rows("count(*)", "staged", "WHERE log = ?", log) == [(0,)]

    def facts(self) -> dict[str, str]:
        """Facts about the store."""
        return {str(key): str(value) for key, value in self._rows("key, value", "meta")}

    def epochs(self) -> dict[str, str]:
        """Instance by epoch."""
        return {str(epoch): str(instance) for epoch, instance in self._rows("epoch, instance", "epoch")}

    def _rows(self, columns: str, table: str, rest: str = "", *arguments: object) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        try:
            found.extend(self._query(f"SELECT {columns} FROM {self._prefix}{table} {rest}", *arguments))  # noqa: S608  # our names
        except UnreadableError as error:
            self.problem = self.problem or str(error)
        return found


def _record(fields: list[object]) -> OldRecord | None:
    request_id, envelope, leaf = fields
    if not isinstance(envelope, bytes) or not isinstance(leaf, bytes):
        return None
    return OldRecord(str(request_id), envelope, leaf)
