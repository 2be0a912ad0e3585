"""One log ends and another begins: quoted, verified across, and finished wherever it was cut short."""

import errno
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from audit import datadir, founding, log_ending, rebuild, rotation
from audit.bundle_command import bundle_main
from audit.cli import verify_main
from audit.errors import AuditError, HistoryError, VerificationError
from audit.log import Log
from audit.rotation_plan import Plan
from audit.vocabulary import EndReason, RecordKind
from tests.simulators import appending
from tests.simulators.rotating import CUTS, NEW, OLD, PLACES, Died, finish, rotate, use, verified


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin=OLD)
    appending.keep_policies(tmp_path / "data")
    use(tmp_path / "data", "r-1", appending.in_a_scope())
    return tmp_path / "data"


def test_reading_bundles_and_verification_go_over_the_chain(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = (root / "log/checkpoint").read_bytes()
    (tmp_path / "kept").write_bytes(kept)
    done = rotate(root)
    use(root, "r-2")
    assert (done.final.origin, done.origin, done.ended) == (OLD, NEW, str(root / "ended/0"))
    for request in ("r-1", "r-2"):
        assert verified(root, request) == 0
        assert bundle_main(["--data", str(root), "--record", request, "--out", str(tmp_path / request)]) == 0
        assert verify_main([str(tmp_path / request)]) == 0
    capsys.readouterr()
    assert verified(root, "--earlier", str(tmp_path / "kept")) == 0
    out = capsys.readouterr().out
    assert "2 logs" in out
    assert "✓" in next(line for line in out.splitlines() if "[chain]" in line)
    assert "✓" in next(line for line in out.splitlines() if "[extends]" in line)
    assert bundle_main(["--data", str(root), "--out", str(tmp_path / "whole")]) == 0
    assert verify_main([str(tmp_path / "whole")]) == 0
    assert verify_main([str(root / "ended/0")]) == 0, "expected the old log to be evidence by itself"


def test_the_logs_of_scopes_end_with_the_main_log_and_begin_anew_beside_the_next(root: Path, tmp_path: Path) -> None:
    scoped = appending.in_a_scope()
    name = scoped.log
    rotate(root)
    use(root, "r-2", scoped)
    for place, request, origin in ((root / "ended/0", "r-1", OLD), (root, "r-2", NEW)):
        assert (place / "scopes" / name / "checkpoint").read_text().startswith(f"{origin}/{name}\n2\n")
        with datadir.opened(place) as source:
            assert {each.request_id for each in source.of_scope(name).sequenced(9)} == {request}
        assert verify_main([str(place), "--scope", name]) == 0
        assert verify_main([str(place / "scopes" / name)]) == 0
        assert bundle_main(["--data", str(place), "--scope", name, "--out", str(tmp_path / request)]) == 0
        assert verify_main([str(tmp_path / request), "--scope", name]) == 0
    assert verified(root, "r-1", "--scope", name) == verified(root, "r-2", "--scope", name) == 0
    assert verified(root) == 0
    with sqlite3.connect(root / "ended/0/apostille.db") as database:
        database.execute("DELETE FROM member")
    database.close()
    assert verify_main([str(root / "ended/0"), "--scope", name]) == 1
    (root / "ended/0/scopes" / name / "checkpoint").write_bytes((root / "scopes" / name / "checkpoint").read_bytes())
    assert verified(root) == 1, "expected another log's checkpoint not to pass for that of the scope that ended"


def test_a_scope_that_cannot_be_published_keeps_the_log_from_ending(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_ending, "PUBLISHED_S", 0.3)
    log = Log.open(root, publish_interval_s=0.02)
    (root / "scopes").rename(root / "scopes.aside")
    (root / "scopes").write_text("no folder")
    appending.request(log, "r-2", replace(appending.in_a_scope(), log="other-2026"))
    log.close()
    with pytest.raises((AuditError, OSError)):
        rotate(root)
    (root / "scopes").unlink()
    (root / "scopes.aside").rename(root / "scopes")
    with datadir.opened(root) as source:
        assert list(source.of_kind(RecordKind.LOG_END)) == []
    assert finish(root).origin == NEW
    with datadir.opened(root / "ended/0") as source:
        assert len(list(source.of_scope("other-2026").sequenced(9))) == 2


@pytest.mark.parametrize(("old", "new"), [(OLD, f"{OLD}/acme-eu-2026"), (f"{NEW}/acme-eu-2026", NEW)])
def test_an_origin_that_reads_as_a_scopes_is_refused(tmp_path: Path, old: str, new: str) -> None:
    founding.init(tmp_path, origin=old)
    with pytest.raises(HistoryError, match="scope's log"):
        rotate(tmp_path, new)
    assert not (tmp_path / datadir.ROTATION).exists()


def test_an_auditor_needs_both_keys(root: Path, tmp_path: Path) -> None:
    old = (root / "keys/log.vkey").read_bytes()
    done = rotate(root)
    use(root, "r-2")
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    shutil.copy(root / "keys/root.pem", trusted)
    (trusted / "log.vkey").write_text(done.vkey + "\n")
    assert verified(root, "--trust", str(trusted)) == 1
    (trusted / "log.vkey").write_bytes(old + done.vkey.encode() + b"\n")
    assert verified(root, "--trust", str(trusted)) == 0


def test_rotating_again_makes_a_chain_of_three(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rotate(root)
    use(root, "r-2")
    rotate(root, "log.example/2028")
    use(root, "r-3")
    capsys.readouterr()
    assert verified(root) == 0
    assert "3 logs" in capsys.readouterr().out
    assert verified(root, "r-1") == verified(root, "r-2") == verified(root, "r-3") == 0
    with pytest.raises(HistoryError, match="no log of this directory had"):
        rotate(root, NEW)


def test_the_old_key_is_gone_and_nothing_follows_the_end(root: Path) -> None:
    before = (root / "keys/log.key.pem").read_bytes()
    rotate(root)
    assert (root / "keys/log.key.pem").read_bytes() != before
    assert [p for p in root.rglob("*") if p.is_file() and p.read_bytes() == before] == []
    assert not (root / "ended/0/keys/root.key.pem").exists()
    (root / "ended/0/keys/log.key.pem").write_bytes(before)
    shutil.copy(root / "keys/root.key.pem", root / "ended/0/keys/root.key.pem")
    for name in ("log.key.pem", "root.key.pem"):
        (root / "ended/0/keys" / name).chmod(0o600)
    with pytest.raises(HistoryError) as caught:
        Log.open(root / "ended/0")
    assert caught.value.code == "log-ended"


def test_a_directory_that_is_in_use_is_not_rotated(root: Path) -> None:
    log = Log.open(root)
    with pytest.raises(HistoryError) as caught:
        rotate(root)
    log.close()
    assert caught.value.code == "log-in-use"
    assert not (root / datadir.ROTATION).exists()


@pytest.mark.parametrize("origin", [OLD, "", "two words", "a+b"])
def test_an_origin_that_will_not_do_changes_nothing(root: Path, origin: str) -> None:
    with pytest.raises(AuditError):
        rotate(root, origin)
    assert not (root / datadir.ROTATION).exists()
    use(root, "r-2")
    assert verified(root) == 0


@pytest.mark.parametrize("cut", CUTS)
def test_whatever_cuts_it_short_is_finished_later(root: Path, cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        CUTS[cut](patch)
        with pytest.raises(Died):
            rotate(root)
    with pytest.raises(HistoryError) as caught:
        Log.open(root)
    assert caught.value.code == "rotation-unfinished"
    assert verified(root) == verified(root, "r-1") == 3, "expected parts of two logs not to read as failed evidence"
    with pytest.raises(AuditError) as unfinished:  # it would put the store of one log beside the files of the other
        rebuild.recover(root, None)
    assert unfinished.value.code == "rotation-unfinished"
    done = finish(root)
    assert done.origin == NEW
    assert sorted(p.name for p in root.iterdir()) == sorted(
        ["apostille.db", "ended", "keys", "lock", "log", "policies"]
    ), "expected nothing of the rotation to be left"
    use(root, "r-2")
    assert verified(root) == 0
    assert verified(root, "r-1") == verified(root, "r-2") == 0
    with datadir.opened(root / "ended/0") as source:
        assert len(list(source.of_kind(RecordKind.LOG_END))) == 1


def test_what_is_left_of_a_new_log_is_not_taken_for_the_one_after_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not let go of a folder: the rotation is not done before it does."""
    with monkeypatch.context() as patch:
        patch.setattr(rotation.shutil, "rmtree", _kept)
        with pytest.raises(OSError, match="busy"):
            rotate(root)
    assert finish(root).origin == NEW
    use(root, "r-2")
    rotate(root, "log.example/2028")
    use(root, "r-3")
    assert verified(root) == verified(root, "r-1") == verified(root, "r-3") == 0


def _kept(_: Path, *, ignore_errors: bool = False) -> None:
    if not ignore_errors:
        raise OSError(errno.EBUSY, "busy")


def test_a_new_log_that_has_not_begun_yet_begins_at_the_next_opening(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rotate(root)
    assert verified(root) == 3, "whether it will quote the old one cannot be told"
    assert f"`{NEW}` has not begun" in capsys.readouterr().out
    with datadir.opened(root) as source:
        assert list(source.of_kind(RecordKind.LOG_START)) == []
    Log.open(root).close()
    assert verified(root) == 0


# --- compromise -------------------------------------------------------------------------------------------------------


def test_a_log_whose_key_was_stolen_is_not_believed_without_witnesses(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trusted = (root / "log/checkpoint").read_bytes()
    use(root, "r-2")
    rotate(root, reason=EndReason.COMPROMISED, trusted=trusted)
    use(root, "r-3")
    capsys.readouterr()
    assert verified(root) == 3
    assert "only a quorum of witnesses" in capsys.readouterr().out
    assert verified(root, "r-3") == 0


def test_a_trusted_checkpoint_of_another_history_is_refused(root: Path, tmp_path: Path) -> None:
    founding.init(tmp_path / "other", origin=OLD)
    with pytest.raises(VerificationError):
        rotate(root, reason=EndReason.COMPROMISED, trusted=(tmp_path / "other/log/checkpoint").read_bytes())
    assert not (root / datadir.ROTATION).exists()


# --- tampering --------------------------------------------------------------------------------------------------------


def test_a_log_that_was_swapped_under_the_chain_shows(root: Path, tmp_path: Path) -> None:
    """Another log of the same name and key, ended properly, in the place of the one that is quoted."""
    shutil.copytree(root, tmp_path / "twin")
    use(tmp_path / "twin", "r-other")
    rotate(root)
    use(root, "r-2")
    rotate(tmp_path / "twin")
    assert verified(root) == 0
    shutil.rmtree(root / "ended/0")
    shutil.copytree(tmp_path / "twin/ended/0", root / "ended/0")
    assert verified(root) == 1


def test_entries_after_the_end_show(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    log.append_now()
    log_ending.wait(root, log)
    plan = Plan(origin=NEW, number=0, reason="rotated", trusted="", log_key=PLACES.log)
    log.append_now(log_ending.last_record(log, plan, root, "2026-11-26T00:00:00.000000Z"))
    log.close()
    with pytest.raises(HistoryError, match="has ended"):
        Log.open(root)
    database = sqlite3.connect(root / datadir.DATABASE)
    with database:  # an operator who takes the end out of the store
        database.execute("UPDATE rec SET kind = 'key-event' WHERE kind = 'log-end'")
    database.close()
    use(root, "r-9")
    assert verified(root) == 1
