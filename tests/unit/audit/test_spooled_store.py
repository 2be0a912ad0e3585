"""A store with a spool before it: no record is lost, doubled, or overtaken, and no number is used again while in doubt."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from audit.errors import EvidenceUnavailable, HistoryError
from audit.storage.base import MAIN, Row
from audit.storage.postgres import PostgresStore
from audit.storage.spool import Spool
from audit.storage.spooled import CHUNK, SpooledStore
from audit.vocabulary import Kept


@dataclass
class Database:
    """The far side: numbers are taken once. ``deaf``: commits happen, and nobody hears of it."""

    rows: list[Row] = field(default_factory=list)
    away: bool = False
    deaf: bool = False
    closed: bool = False

    def _check(self) -> None:
        if self.away:
            raise EvidenceUnavailable("nobody answers")

    def reopen(self) -> None:
        """Connect."""
        self._check()

    def insert(self, rows: list[Row]) -> Kept:
        """All or none."""
        self._check()
        assert not {row.seq for row in rows} & {row.seq for row in self.rows}
        self.rows += rows
        if self.deaf:
            self.away = True
            raise EvidenceUnavailable("the line was cut")
        return Kept.STORE

    def insert_missing(self, rows: list[Row]) -> None:
        """Those that are not there."""
        self._check()
        there = {row.seq: row for row in self.rows}
        if any(there.get(row.seq, row) != row for row in rows):
            raise HistoryError("others", code="spool-differs")
        self.rows += [row for row in rows if row.seq not in there]

    def next_seq(self, epoch: str, after_id: int) -> int:
        """The next number."""
        self._check()
        return max((row.seq + 1 for row in self.rows), default=0)

    def head(self, log: str) -> tuple[int, str]:
        """Something that needs the store."""
        self._check()
        return len(self.rows), log

    def close(self) -> None:
        """Disconnect."""
        self.closed = True


def group(*numbers: int) -> list[Row]:
    """Rows that nobody signed."""
    return [Row(f"r-{n}", "decision", "e", n, b"{}", b"entry %d" % n) for n in numbers]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "one.spool"


@pytest.fixture
def store(database: Database, place: Path) -> Iterator[SpooledStore]:
    opened = opened_with(database, place)
    yield opened
    opened.close()


def opened_with(database: Database, place: Path, max_bytes: int = 1 << 20) -> SpooledStore:
    """The store and its spool."""
    return SpooledStore(cast("PostgresStore", database), Spool(place, max_bytes), lambda _: None)


def eventually(fact: Callable[[], bool]) -> None:
    """Wait for another thread."""
    for _ in range(500):
        if fact():
            return
        time.sleep(0.01)
    raise AssertionError


def test_records_go_to_the_store_then_to_the_spool_then_to_the_store_in_order(
    store: SpooledStore, database: Database
) -> None:
    assert store.insert(group(0)) is Kept.STORE
    database.away = True
    assert [store.insert(group(n)) for n in (1, 2)] == [Kept.LOCAL] * 2
    assert (store.away, store.spooled, store.next_seq("e", 0)) == (True, 2, 3)
    with pytest.raises(EvidenceUnavailable) as caught:
        store.head(MAIN)
    assert caught.value.code == "store-away"
    database.away = False
    eventually(lambda: not store.away)
    assert store.insert(group(3)) is Kept.STORE
    assert (database.rows, store.spooled, store.head(MAIN)) == (group(0, 1, 2, 3), 0, (4, MAIN))


def test_a_group_whose_commit_nobody_heard_of_is_there_once(store: SpooledStore, database: Database) -> None:
    database.deaf = True
    assert store.insert(group(0, 1)) is Kept.LOCAL
    store.insert(group(2))
    database.deaf = database.away = False
    eventually(lambda: not store.away)
    assert database.rows == group(0, 1, 2)


def test_a_question_that_fails_sends_records_to_the_spool(store: SpooledStore, database: Database) -> None:
    database.away = True
    with pytest.raises(EvidenceUnavailable):
        store.head(MAIN)
    assert store.away
    assert store.insert(group(0)) is Kept.LOCAL


def test_records_come_faster_than_they_go_and_still_none_is_overtaken(store: SpooledStore, database: Database) -> None:
    database.away = True
    for number in range(3 * CHUNK):
        store.insert(group(number))
    database.away = False
    number = 3 * CHUNK
    while store.away:
        store.insert(group(number))
        number += 1
    store.insert(group(number))
    assert database.rows == group(*range(number + 1))


def test_a_number_in_doubt_is_not_used_again_before_the_store_was_asked(database: Database, place: Path) -> None:
    store = opened_with(database, place, max_bytes=10)  # a spool that takes nothing
    database.deaf = True
    with pytest.raises(EvidenceUnavailable) as caught:
        store.insert(group(0))  # committed, and nobody heard of it
    assert caught.value.code == "spool-full"
    for ask in (lambda: store.insert(group(0)), lambda: store.next_seq("e", 0)):
        with pytest.raises(EvidenceUnavailable, match="not known"):
            ask()
    database.deaf = database.away = False
    eventually(lambda: not store.away)
    with pytest.raises(EvidenceUnavailable, match="not known"):
        store.insert(group(0))
    assert store.next_seq("e", 0) == 1
    assert store.insert(group(1)) is Kept.STORE
    store.close()


def test_a_spool_that_refuses_without_a_doubt_does_not_block_numbers(database: Database, place: Path) -> None:
    store = opened_with(database, place, max_bytes=300)
    database.away = True
    store.insert(group(0))
    with pytest.raises(EvidenceUnavailable):
        store.insert(group(*range(1, 20)))
    assert store.next_seq("e", 0) == 1
    assert store.insert(group(1)) is Kept.LOCAL
    store.close()


def test_what_a_process_left_in_its_spool_is_in_the_store_before_the_next_one_begins(
    database: Database, place: Path
) -> None:
    first = opened_with(database, place)
    database.away = True
    first.insert(group(0))
    first.close()
    assert (database.rows, database.closed) == ([], True)
    database.away = False
    second = opened_with(database, place)
    assert (database.rows, second.spooled) == (group(0), 0)
    second.close()


def test_another_record_under_the_same_number_stops_everything(store: SpooledStore, database: Database) -> None:
    database.away = True
    store.insert(group(0))
    database.rows = [group(0)[0]._replace(leaf=b"another")]
    database.away = False

    def stopped() -> bool:
        try:
            store.insert(group(1))
        except HistoryError as error:
            return error.code == "spool-differs"
        return False

    eventually(stopped)
