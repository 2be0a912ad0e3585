"""From where a log's records are to a store: the embedded one in the data directory, or PostgreSQL, with a spool before it.

The libraries of PostgreSQL and of the schema are loaded here, and only where they are needed.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from audit import datadir, layout
from audit.errors import HistoryError
from audit.storage import address as addresses
from audit.storage import directory
from audit.storage.address import StoreAddress
from audit.storage.base import RecordStore, TileStore
from audit.storage.copying import BucketAddress, CopiedTiles
from audit.storage.sqlite import Store

if TYPE_CHECKING:
    from audit.storage.renewal import NewStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A store that several processes write. ``instance``: name of this one; ``spool``: folder of its own disk, or None.

    ``limit_s``: longest wait for an answer of the database; what takes longer counts as an outage.
    """

    address: StoreAddress
    instance: str
    spool: Path | None = None
    spool_max_bytes: int = 2 << 30
    limit_s: float = 1.0


def open_store(root: Path, shared: Shared | None) -> RecordStore:
    """The store of a data directory's log, to be written.

    Raises ``HistoryError`` (``store-other``, ``log-missing``, those of the stores) or ``EvidenceUnavailable``.
    """
    addresses.check_same(root, shared.address if shared else None)
    if shared is None:
        return Store(root / datadir.DATABASE)
    _need_driver()
    from audit.storage.postgres import PostgresStore

    store = PostgresStore(shared.address, shared.instance, shared.limit_s)
    if shared.spool is None:
        return store
    from audit.spool_check import SpoolCheck
    from audit.storage.spool import Spool
    from audit.storage.spooled import SpooledStore

    with ExitStack() as unless_opened:
        unless_opened.callback(store.close)
        spool = Spool(shared.spool / f"{shared.instance}.spool", shared.spool_max_bytes)
        unless_opened.callback(spool.close)
        spooled = SpooledStore(store, spool, SpoolCheck(root, store))
        unless_opened.pop_all()
    return spooled


def create(root: Path, address: StoreAddress | None, checkpoint: str) -> None:
    """A new store with an empty log; the address is kept in the data directory. Raises ``HistoryError`` (``log-exists``)."""
    if address is None:
        from audit.storage import tables

        Store.create(root / datadir.DATABASE, tables.ddl(), checkpoint=checkpoint)
        return
    _need_driver()
    from audit.storage import postgres_schema

    postgres_schema.create(address, checkpoint)
    addresses.keep(root, address)


def migrate(root: Path, address: StoreAddress | None) -> tuple[str, ...]:
    """Bring the store of a data directory to the current schema; gives the steps taken. Nobody may be writing.

    Raises ``HistoryError`` or ``EvidenceUnavailable``.
    """
    addresses.check_same(root, address)
    if address is None:
        from audit.storage import migrating

        if not (root / datadir.DATABASE).is_file():
            raise HistoryError(f"expected a log at `{root}`, got none", code="log-missing")
        held = directory.lock(root / directory.LOCK)
        try:
            return migrating.sqlite(root / datadir.DATABASE)
        finally:
            os.close(held)
    _need_driver()
    from audit.storage import postgres_schema

    return postgres_schema.migrate(address)


def renew(root: Path, address: StoreAddress | None, fault: Callable[[], str]) -> "NewStore | str":
    """An empty store that is to take the place of a data directory's, which has a ``fault``; nobody else writes to either. ""
    where that one has none: it stays.

    Raises ``HistoryError``, ``EvidenceUnavailable``, ``OSError``.
    """
    addresses.check_same(root, address)
    if address is None:
        from audit.storage.renewal import NewFile

        with ExitStack() as unless_renewed:
            held = directory.lock(root / directory.LOCK)
            unless_renewed.callback(os.close, held)
            if not fault():
                return ""
            made = NewFile(root, held)
            unless_renewed.pop_all()
            return made
    _need_driver()
    from audit.storage import postgres_schema
    from audit.storage.postgres_renewal import NewTables

    postgres_schema.migrate(address)
    return NewTables(address) if fault() else ""


def place_of(root: Path, bucket: BucketAddress | None) -> Callable[[Path], TileStore]:
    """What finds the files of a log below a data directory, copied to a bucket if one is given.

    Nothing in a bucket is moved or replaced, so a log that follows others has a place of its own there: below the number of logs that
    ended before it. Raises ``HistoryError`` (``extra-missing``).
    """
    if bucket is None:
        return directory.TileDirectory
    if find_spec("obstore") is None:
        raise HistoryError("expected the extra `s3` to be installed with the package", code="extra-missing")
    from audit.storage.bucket import Bucket

    objects, before = Bucket(bucket), _number(root)
    return lambda folder: CopiedTiles(
        directory.TileDirectory(folder), objects, f"{before}{folder.relative_to(root).as_posix()}/"
    )


def _number(root: Path) -> str:
    """What the names of the log of now begin with in a bucket. Of logs that ended, one counts once its files are put away."""
    before = [each for each in datadir.ended(root) if (each / layout.LOG).is_dir()]
    return f"{int(before[-1].name) + 1}/" if before else ""


def _need_driver() -> None:
    if find_spec("psycopg") is None:
        raise HistoryError("expected the extra `postgres` to be installed with the package", code="extra-missing")
