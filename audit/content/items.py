"""Ciphertexts by record and label. Without the key store they are noise: they may be backed up like any other file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from audit.content.database import Database

FILE = "items.db"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS item"
    " (record TEXT NOT NULL, label TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (record, label))",
)


class ItemStore:
    """The store of ciphertexts; its methods raise ``EvidenceUnavailable``."""

    def __init__(self, folder: Path, *, create: bool) -> None:
        """Raises ``UnreadableError`` where there is none and ``create`` is False."""
        self._database = Database(folder / FILE, _SCHEMA, create=create)

    def put(self, items: Iterable[tuple[str, str, bytes]]) -> None:
        """Record, label and sealed bytes of each, durably, all or none."""
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO item (record, label, sealed) VALUES (?, ?, ?)", items)

    def of(self, record: str) -> Mapping[str, bytes]:
        """Sealed bytes of a record by label."""
        rows = self._database.rows("SELECT label, sealed FROM item WHERE record = ? ORDER BY label", record)
        return {str(label): bytes(sealed) for label, sealed in rows if isinstance(sealed, bytes)}

    def count(self, records: Iterable[str]) -> int:
        """How many ciphertexts these records have."""
        return sum(len(self._database.rows("SELECT 1 FROM item WHERE record = ?", each)) for each in records)

    def delete(self, records: Iterable[str]) -> None:
        """Delete the ciphertexts of records."""
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM item WHERE record = ?", ((each,) for each in records))

    def close(self) -> None:
        """Let the file go."""
        self._database.close()
