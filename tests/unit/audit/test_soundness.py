"""A store that is sound is left alone; whatever is not as the files say is seen, and made again."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from audit import datadir, founding, rebuild
from audit.log import Log
from proxy.cli import main
from tests.simulators.recovering import NOON, filled, listed, recovered, starts, swap, table, verified
from tests.simulators.small_log import ORIGIN, decision


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "data"
    founding.init(root, origin=ORIGIN, clock=lambda: NOON)
    filled(root)
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path / "data")
    return tmp_path / "data"


def test_of_a_store_that_is_sound_nothing_is_made_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = listed(root)
    assert main(["recover", "--data", str(root)]) == 0
    assert "nothing to recover" in capsys.readouterr().out
    assert listed(root) == before
    starts(root)


def test_records_that_wait_for_their_place_are_a_starts_to_give(root: Path) -> None:
    log = Log.open(root, clock=lambda: NOON, publish_interval_s=3600)
    log.append_now(decision("r-late"))
    shutil.copytree(root, root.parent / "copy")
    log.close()
    assert rebuild.recover(root.parent / "copy", None) is None
    starts(root.parent / "copy")
    assert verified(root.parent / "copy") == 0


SQL = {
    "a record is gone": "DELETE FROM rec WHERE idx = 7",
    "the last record is gone": "DELETE FROM rec WHERE idx = (SELECT max(idx) FROM rec)",
    "a record is another's": "UPDATE rec SET env = (SELECT env FROM rec WHERE idx = 9) WHERE idx = 7",
    "an entry is another's": "UPDATE rec SET leaf = (SELECT leaf FROM rec WHERE idx = 9) WHERE idx = 7",
    "a record is named after another request": "UPDATE rec SET request_id = 'r-77' WHERE idx = 7",
    "a record is stored as another kind": "UPDATE rec SET kind = 'key-event' WHERE idx = 7",
    "a record has another number": "UPDATE rec SET seq = seq + 100000 WHERE idx = 7",
    "two records changed places": "UPDATE rec SET idx = CASE idx WHEN 7 THEN -8 WHEN 8 THEN -7 END WHERE idx IN (7, 8);"
    "UPDATE rec SET idx = -idx WHERE idx < 0",
    "a record has no place": "UPDATE rec SET idx = NULL WHERE idx = 7",
    "a record is in a log that it does not name": "INSERT INTO member (log, rec_id) SELECT 'x-2026', id FROM rec WHERE idx = 7",
    "the head is smaller": "UPDATE head SET size = size - 1 WHERE log = ''",
    "the head is gone": "DELETE FROM head",
    "a log has a head and no files": "INSERT INTO head (log, size, checkpoint) SELECT 'x-2026', size, checkpoint FROM head",
    "files are on their way": "INSERT INTO staged (log, path, place, data) VALUES ('', 'tile/0/000', 0, x'00')",
}


@pytest.mark.parametrize("harm", SQL)
def test_a_store_that_is_not_what_its_files_say_is_made_again(root: Path, harm: str) -> None:
    before = table(root)
    with closing(sqlite3.connect(root / datadir.DATABASE)) as database:
        database.executescript(SQL[harm])
    assert recovered(root).why
    assert table(root) == before
    assert rebuild.recover(root, None) is None
    starts(root)
    assert verified(root) == 0


def _cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-1])


def _forge(place: Path) -> None:
    """One byte of every record's envelope: a byte anywhere might lie in a page that holds nothing."""
    content = place.read_bytes()
    assert b"payloadType" in content
    place.write_bytes(content.replace(b"payloadType", b"payloadTypf"))


FILES = {
    "a full tile is cut": ("log/tile/0/000", _cut),
    "a full bundle was changed": ("log/tile/entries/000", swap),
    "a record's file was changed": ("envelopes/000", swap),
    "a record's file is gone": ("envelopes/000", Path.unlink),
    "a tile is far too long": ("log/tile/0/000", lambda place: os.truncate(place, 1 << 34)),
    "a tile is a pipe": ("log/tile/0/000", lambda place: (place.unlink(), os.mkfifo(place))),
    "the database file was changed": ("apostille.db", _forge),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("harm", FILES)
def test_files_that_are_not_what_was_signed_are_seen(root: Path, harm: str) -> None:
    before = table(root)
    path, change = FILES[harm]
    change(root / path)
    assert recovered(root).why
    assert table(root) == before
    starts(root)
    assert verified(root) == 0
    assert rebuild.recover(root, None) is None
