"""The record store: records with their memberships, several logs, and stores of earlier versions."""

import os
import re
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from audit import datadir, founding
from audit.errors import EvidenceUnavailable, HistoryError
from audit.log import Log
from audit.storage import migrating, schema, tables
from audit.storage.base import MAIN, Row, Sequenced
from audit.storage.sqlite import ROWS_AT_ONCE, Store
from proxy.cli import main
from tests.simulators.small_log import ORIGIN, decision, entries, rows

ONE_LOG = (
    "CREATE TABLE head (id INTEGER NOT NULL, size INTEGER NOT NULL, checkpoint VARCHAR NOT NULL, PRIMARY KEY (id))",
    'CREATE TABLE meta ("key" VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY ("key"))',
    "CREATE TABLE rec (id INTEGER NOT NULL, request_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, epoch VARCHAR NOT NULL,"
    " seq INTEGER NOT NULL, env BLOB NOT NULL, leaf BLOB NOT NULL, idx INTEGER, PRIMARY KEY (id), UNIQUE (idx))",
    "CREATE INDEX ix_rec_request_id ON rec (request_id)",
    "CREATE TABLE staged (path VARCHAR NOT NULL, data BLOB NOT NULL, PRIMARY KEY (path))",
)
"""The schema of version 0."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    Store.create(tmp_path / "db", tables.ddl(), checkpoint="empty")
    return Store(tmp_path / "db")


def row(number: int, *scopes: str) -> Row:
    """A row that nobody signed."""
    return Row(f"r-{number}", "decision", "e", number, b"{}", b"entry %d" % number, scopes)


def batch(log: str, ids: list[int], old: int) -> Sequenced:
    """Some rows after ``old`` others."""
    size = old + len(ids)
    return Sequenced(log=log, ids=ids, old_size=old, size=size, checkpoint=f"{log}@{size}", files=[("t", b"x")])


def test_a_scope_is_offered_its_records_once_they_have_their_place_in_the_main_log(store: Store) -> None:
    store.insert([row(0, "a"), row(1), row(2, "a", "b")])
    assert (store.pending(), store.unsequenced("a", 9)) == (["a", "b"], [])
    found = store.unsequenced(MAIN, 9)
    assert [leaf for _, leaf in found] == [b"entry 0", b"entry 1", b"entry 2"]
    store.sequence([batch(MAIN, [found[2][0], found[0][0]], 0)])  # as where commits came in another order than ids
    assert [leaf for _, leaf in store.unsequenced("a", 9)] == [b"entry 2", b"entry 0"]
    assert store.unsequenced("a", 1) == [(found[2][0], b"entry 2")]


def test_logs_are_sequenced_together_or_not_at_all(store: Store) -> None:
    store.insert([row(0, "a", "b")])
    store.sequence([batch(MAIN, [1], 0)])
    store.open_log("a", "a@0")
    with pytest.raises(HistoryError) as caught:
        store.sequence([batch("a", [1], 0), batch("b", [1], 0)])
    assert caught.value.code == "head-moved"
    assert (store.head("a"), store.pending()) == ((0, "a@0"), ["a", "b"])
    store.open_log("b", "b@0")
    store.sequence([batch("a", [1], 0), batch("b", [1], 0)])
    assert (store.logs(), store.pending()) == ([MAIN, "a", "b"], [])
    store.unstage(["a"])
    assert [bool(store.staged(log)) for log in (MAIN, "a", "b")] == [True, False, True]
    store.open_log("a", "again")
    assert store.head("a") == (1, "a@1")


def test_memberships_of_a_large_group_belong_to_their_own_records(store: Store) -> None:
    store.insert([row(i, *(("odd",) if i % 2 else ())) for i in range(ROWS_AT_ONCE + 7)])
    store.sequence([batch(MAIN, [identifier for identifier, _ in store.unsequenced(MAIN, 1 << 20)], 0)])
    assert [leaf for _, leaf in store.unsequenced("odd", 1 << 20)] == [
        b"entry %d" % i for i in range(1, ROWS_AT_ONCE + 7, 2)
    ]


def test_a_store_of_one_log_says_what_to_do_and_is_migrated_where_it_was_left(tmp_path: Path) -> None:
    root = tmp_path / "data"
    founding.init(root, origin=ORIGIN)
    _back_to_one_log(root / datadir.DATABASE, tmp_path / "old")
    with pytest.raises(HistoryError, match="apostille migrate") as caught:
        Log.open(root)
    assert caught.value.code == "schema-older"
    assert migrating.sqlite(root / datadir.DATABASE) == ("0002", "0003")
    assert migrating.sqlite(root / datadir.DATABASE) == ()
    opened = Log.open(root, publish_interval_s=0.02)
    opened.append_now(decision("r-1"))
    opened.close()
    assert len(entries(root)) == len(rows(root)) == 6


def test_the_command_migrates_and_not_under_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "apostille.yaml"
    path.write_text("{version: 1, data_dir: data, tenants: {a: {packs: [corporate]}}}")
    root = tmp_path / "data"
    command = ["migrate", "--config", str(path)]
    assert main(command) == 2
    assert "log-missing" in capsys.readouterr().err
    founding.init(root, origin=ORIGIN)
    log = Log.open(root)
    assert main(command) == 2
    assert "log-in-use" in capsys.readouterr().err
    log.close()
    _back_to_one_log(root / datadir.DATABASE, tmp_path / "old")
    assert main(command) == 0
    assert capsys.readouterr().out == "migrated: 0002, 0003\n"


def test_a_new_store_and_a_migrated_one_are_alike(tmp_path: Path) -> None:
    Store.create(tmp_path / "new", tables.ddl(), checkpoint="")
    sqlite3.connect(tmp_path / "empty").close()
    assert migrating.sqlite(tmp_path / "empty") == schema.REVISIONS
    assert _schema(tmp_path / "empty") == _schema(tmp_path / "new")


def test_a_migration_that_cannot_be_finished_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "data"
    founding.init(root, origin=ORIGIN)
    place = root / datadir.DATABASE
    _back_to_one_log(place, tmp_path / "old")
    with sqlite3.connect(place) as database:
        database.execute("UPDATE rec SET seq = 0")  # a number that is taken twice
    before = _schema(place)
    with pytest.raises(EvidenceUnavailable, match="cannot be migrated"):
        migrating.sqlite(place)
    assert _schema(place) == before


def _back_to_one_log(place: Path, scratch: Path) -> None:
    """Put what is in a store into the tables of version 0."""
    old = sqlite3.connect(scratch)
    for statement in ONE_LOG:
        old.execute(statement)
    old.execute("ATTACH ? AS new", (str(place),))
    old.execute("INSERT INTO rec SELECT * FROM new.rec")
    old.execute("INSERT INTO meta SELECT * FROM new.meta")
    old.execute("INSERT INTO head SELECT 1, size, checkpoint FROM new.head")
    old.commit()
    old.close()
    for each in place.parent.glob(f"{place.name}*"):
        each.unlink()
    scratch.rename(place)


def _schema(place: Path) -> list[tuple[str, str]]:
    database = sqlite3.connect(place)
    found = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    database.close()
    return [(name, re.sub(r'[\s"]', "", sql)) for name, sql in found]


def test_a_store_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    Store.create(tmp_path / "db", tables.ddl(), checkpoint="")
    with sqlite3.connect(tmp_path / "db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    for open_it in (Store, migrating.sqlite):
        with pytest.raises(HistoryError, match="a later release") as caught:
            open_it(tmp_path / "db")
        assert caught.value.code == "schema-newer"


def test_the_record_store_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        founding.init(tmp_path / "data", origin="log.example/mode")
        with closing(sqlite3.connect(tmp_path / "data" / datadir.DATABASE)) as opened:
            opened.execute("SELECT count(*) FROM rec")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "data" / datadir.DATABASE).stat().st_mode) == 0o600
