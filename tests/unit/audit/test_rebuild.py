"""A record store made again from files: the log goes on from where it was shown, nothing is invented."""

import errno
import resource
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from audit import datadir, founding, layout, rebuild, tiles
from audit.errors import AuditError, HistoryError
from audit.log import Log
from audit.storage import renewal
from audit.storage.directory import TileDirectory
from audit.storage.renewal import NewFile
from audit.vocabulary import RecordKind
from proxy.cli import main
from tests.simulators.recovering import NOON, filled, listed, lose, recovered, starts, swap, table, verified
from tests.simulators.small_log import ORIGIN, decision, entries


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


def test_a_lost_database_is_made_again_row_by_row(root: Path) -> None:
    before, facts = table(root), table(root, "SELECT value FROM meta WHERE key = 'instance'")
    shown = entries(root)
    lose(root)
    with pytest.raises(HistoryError, match="log"):
        Log.open(root, clock=lambda: NOON)
    found = recovered(root)
    assert (found.entries, found.records, found.missing, found.waiting, found.repaired) == (len(before),) * 2 + (
        (),
        0,
        (),
    )
    assert table(root) == before
    assert table(root, "SELECT value FROM meta WHERE key = 'instance'") == facts
    assert starts(root)[: len(shown)] == shown
    assert verified(root) == 0


def test_an_older_copy_gives_way_to_what_was_published_since(root: Path) -> None:
    older = root.parent / "older.db"
    shutil.copy(root / datadir.DATABASE, older)
    filled(root, 1000, 20)
    before = table(root)
    lose(root)
    shutil.copy(older, root / datadir.DATABASE)
    with pytest.raises(HistoryError, match="restored from a backup"):
        Log.open(root, clock=lambda: NOON)
    rebuild.recover(root, None)
    assert table(root) == before
    assert (root / "aside-0001" / datadir.DATABASE).read_bytes() == older.read_bytes()
    starts(root)
    assert verified(root) == 0


def test_it_may_be_run_again_and_changes_nothing(root: Path) -> None:
    before = table(root)
    for _ in range(3):
        lose(root)
        assert recovered(root).missing == ()
        assert table(root) == before
    starts(root)
    assert verified(root) == 0


def test_an_entry_whose_record_is_lost_stays_an_entry(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lose(root)
    shown = entries(root)
    (root / layout.ENVELOPES / "000").unlink()
    assert main(["recover", "--data", str(root)]) == 0
    told = capsys.readouterr().out
    assert told.count("no record is at hand") == 256
    assert len(table(root)) == len(shown) - 256
    assert starts(root)[: len(shown)] == shown
    assert verified(root) == 1
    assert "expected its record, got none" in capsys.readouterr().out


def test_a_record_that_is_not_its_entrys_is_never_taken(root: Path) -> None:
    place = root / layout.ENVELOPES / "000"
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(content)
    before = table(root)
    assert rebuild.recover(root, None).missing == ()  # the store that was set aside has it
    assert table(root) == before
    starts(root)
    assert place.read_bytes() != bytes(content)
    shutil.rmtree(root / "aside-0001")
    place.write_bytes(content)
    lose(root)
    assert len(rebuild.recover(root, None).missing) == 1


@pytest.mark.parametrize("path", ["tile/entries/000", "tile/0/000", "tile/entries/001.p/{}", "tile/0/001.p/{}"])
@pytest.mark.parametrize("harm", ["gone", "altered"])
def test_damaged_tiles_are_written_again_from_the_store(root: Path, path: str, harm: str) -> None:
    place = root / layout.LOG / path.format(len(table(root)) - 256)
    content = place.read_bytes()
    if harm == "gone":
        place.unlink()
    else:
        place.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    found = rebuild.recover(root, None)
    assert found.repaired == (place.relative_to(root).as_posix(),)
    assert place.read_bytes() == content
    starts(root)
    assert verified(root) == 0


def test_files_of_no_signed_tree_are_set_aside(root: Path) -> None:
    folder = root / layout.LOG / "tile/entries/001.p"
    size = len(table(root))
    (folder / "250").write_bytes((folder / str(size - 256)).read_bytes())
    (folder / "1").write_bytes(b"\0\0")
    rebuild.recover(root, None)
    assert sorted(each.name for each in (root / "aside-0001/log/tile/entries/001.p").iterdir()) == ["1", "250"]
    starts(root)
    assert verified(root) == 0


def test_entries_that_are_nowhere_are_an_end(root: Path) -> None:
    lose(root)
    (root / layout.LOG / "tile/entries/000").unlink()
    with pytest.raises(HistoryError) as caught:
        rebuild.recover(root, None)
    assert caught.value.code == "entries-missing"
    assert not (root / datadir.DATABASE).exists()


def test_an_altered_entry_that_no_store_can_mend_is_refused(root: Path) -> None:
    lose(root)
    place = root / layout.LOG / "tile/entries/000"
    content = place.read_bytes()
    place.write_bytes(content[:9] + bytes([content[9] ^ 1]) + content[10:])
    with pytest.raises(HistoryError) as caught:
        rebuild.recover(root, None)
    assert caught.value.code == "log-differs"


def test_what_was_written_and_not_published_comes_to_the_same_place(root: Path) -> None:
    """A witness is asked after the tiles are written: what it may have seen must come again."""
    checkpoint = (root / layout.LOG / tiles.CHECKPOINT_PATH).read_bytes()
    filled(root, 2000, 30)
    later = entries(root)
    (root / layout.LOG / tiles.CHECKPOINT_PATH).write_bytes(checkpoint)
    lose(root)
    found = recovered(root)
    assert found.waiting == len(later) - found.entries > 0
    assert starts(root)[: len(later)] == later
    assert verified(root) == 0


def test_records_that_had_no_place_are_taken_from_the_old_store(root: Path) -> None:
    log = Log.open(root, clock=lambda: NOON, publish_interval_s=3600)
    (appended,) = log.append_now(decision("r-late"))
    shutil.copytree(root, root.parent / "copy")
    log.close()
    copy = root.parent / "copy"
    assert table(copy, "SELECT request_id FROM rec WHERE idx IS NULL")[-1] == ("r-late",)
    (copy / layout.LOG / "tile/0/000").unlink()
    found = recovered(copy)
    assert found.orphans == ("r-late",)
    starts(copy)
    kinds = [kind for name, kind, *_ in table(copy) if name == "r-late"]
    assert kinds == [RecordKind.DECISION.value, RecordKind.RESULT.value]
    assert appended.envelope.encode() in [env for *_, env, _, _ in table(copy)]
    assert verified(copy) == 0


def test_a_running_log_is_left_alone(root: Path) -> None:
    log = Log.open(root, clock=lambda: NOON)
    try:
        with pytest.raises(HistoryError) as caught:
            rebuild.recover(root, None)
        assert caught.value.code == "log-in-use"
    finally:
        log.close()
    assert verified(root) == 0


class Died(BaseException):
    """The process is gone here."""


def dies(*_: object) -> None:
    raise Died


@pytest.mark.parametrize("at", ["write_tile", "finish", "add"])
def test_whoever_dies_in_the_middle_runs_it_again(root: Path, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table(root)
    (root / layout.LOG / "tile/0/000").unlink()
    target: type = TileDirectory if at == "write_tile" else NewFile
    with monkeypatch.context() as patch:
        patch.setattr(target, at, dies)
        patch.setattr(renewal, "_put_back", lambda *_: None)  # who is dead puts nothing back
        with pytest.raises(Died):
            rebuild.recover(root, None)
    with pytest.raises(HistoryError):
        Log.open(root, clock=lambda: NOON)
    recovered(root)
    assert table(root) == before
    starts(root)
    assert verified(root) == 0


# --- what does not come to its end ------------------------------------------------------------------------------------


def test_what_is_refused_changes_nothing(root: Path) -> None:
    place = root / layout.LOG / tiles.CHECKPOINT_PATH
    kept = place.read_bytes()
    swap(place)
    before = listed(root)
    with pytest.raises(AuditError):
        rebuild.recover(root, None)
    assert listed(root) == before
    place.write_bytes(kept)
    starts(root)


def test_a_disk_that_is_full_is_said_and_changes_nothing(root: Path) -> None:
    before = table(root)
    (root / layout.LOG / "tile/0/000").unlink()

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "recover", "--data", str(root)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small,
    )
    assert done.returncode == 2
    assert "apostille: evidence-unavailable: the record store cannot be made again" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(root.glob("*.rebuilding*"))
    assert table(root) == before
    starts(root)
    assert verified(root) == 0


def test_a_file_that_cannot_be_set_aside_leaves_the_others_where_they_were(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / layout.LOG / "tile/0/000").unlink()
    before = listed(root)
    replace, tried = Path.replace, []

    def held(self: Path, target: Path) -> Path:
        tried.append(self.name)
        if self.name == f"{datadir.DATABASE}-wal" and tried.count(self.name) == 1:
            raise OSError(errno.EIO, "input/output error", str(self))
        return replace(self, target)

    with closing(sqlite3.connect(root / datadir.DATABASE)) as reading, monkeypatch.context() as patch:
        reading.execute("SELECT 1 FROM rec").fetchall()  # so that there is a write-ahead log beside it
        patch.setattr(Path, "replace", held)
        with pytest.raises(OSError, match="input/output"):
            rebuild.recover(root, None)
    assert listed(root) == before
    assert not list(root.glob("aside-*"))


def test_what_an_earlier_recovery_set_aside_is_never_written_over(root: Path) -> None:
    for number in (1, 2):
        lose(root)
        (root / datadir.DATABASE).write_bytes(b"damaged %d" % number)
        recovered(root)
    shutil.rmtree(root / "aside-0001")  # an operator who makes room
    lose(root)
    (root / datadir.DATABASE).write_bytes(b"damaged 3")
    assert recovered(root).aside == "aside-0003"
    assert (root / "aside-0002" / datadir.DATABASE).read_bytes() == b"damaged 2"
    assert (root / "aside-0003" / datadir.DATABASE).read_bytes() == b"damaged 3"
    assert (root / datadir.DATABASE).stat().st_mode & 0o777 == 0o600
