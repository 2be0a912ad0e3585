"""A log to lose a store of, and what is looked at once the store was made again."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from audit import datadir, rebuild
from audit.log import Log
from audit.rebuild import Recovered
from proxy.cli import main
from tests.simulators.small_log import decision, entries, result

Row = tuple[object, ...]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""The day of the records."""
COUNT = 290
"""More than one bundle."""


def filled(root: Path, first: int = 0, count: int = COUNT) -> None:
    """Decisions with their results, and a log that is closed."""
    log = Log.open(root, clock=lambda: NOON, publish_interval_s=0.02)
    for i in range(first, first + count // 2):
        (decided,) = log.append_now(decision(f"r-{i}"))
        log.append_now(result(f"r-{i}", decided.pae_digest))
    log.close()


def recovered(root: Path) -> Recovered:
    """A store that had to be made again."""
    found = rebuild.recover(root, None)
    assert found is not None, "expected something to recover"
    return found


def table(
    root: Path, query: str = "SELECT request_id, kind, epoch, seq, env, leaf, idx FROM rec ORDER BY idx"
) -> list[Row]:
    """Rows of the store."""
    with closing(sqlite3.connect(root / datadir.DATABASE)) as database:
        return database.execute(query).fetchall()


def lose(root: Path) -> None:
    """The database is gone."""
    for place in root.glob(f"{datadir.DATABASE}*"):
        place.unlink()


def verified(root: Path) -> int:
    """What `apostille verify` says."""
    return main(["verify", str(root)])


def starts(root: Path) -> list[bytes]:
    """The log can be taken up; gives its entries."""
    Log.open(root, clock=lambda: NOON, publish_interval_s=0.02).close()
    return entries(root)


def listed(root: Path) -> dict[str, bytes]:
    """Every file with its content; not those that SQLite keeps beside a database while somebody reads it, nor the lock."""
    passing = (f"{datadir.DATABASE}-", "lock")
    places = (each for each in root.rglob("*") if each.is_file() and not each.name.startswith(passing))
    return {str(each.relative_to(root)): each.read_bytes() for each in places}


def swap(place: Path) -> None:
    """Another bit in the middle of a file."""
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
