"""The plan of a rotation: what it refuses before anything is ended, and that whoever finishes it follows nothing else."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from audit import datadir, founding, log_ending, rotation_plan
from audit.errors import AuditError, HistoryError
from audit.log import Log
from audit.publishing import Publishing
from audit.signers.opening import KeyPlaces
from audit.vocabulary import EndReason
from tests.simulators import appending
from tests.simulators.rotating import CUTS, NEW, OLD, PLACES, Died, finish, rotate, use, verified


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin=OLD)
    appending.keep_policies(tmp_path / "data")
    use(tmp_path / "data", "r-1", appending.in_a_scope())
    return tmp_path / "data"


@pytest.mark.parametrize("cut", ["before the end is on record", "after the end is on record", "at rename 3"])
def test_another_rotation_than_the_unfinished_one_is_refused_and_not_taken_for_done(
    root: Path, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of all the one that says that the key was stolen."""
    trusted = (root / "log/checkpoint").read_bytes()
    with monkeypatch.context() as patch:
        CUTS[cut](patch)
        with pytest.raises(Died):
            rotate(root)
    for more in (
        {"origin": "log.example/other"},
        {"reason": EndReason.COMPROMISED},
        {"log_key": "file:another.pem"},
        {"trusted": trusted},
    ):
        with pytest.raises(HistoryError) as caught:
            rotate(root, **more)  # type: ignore[arg-type]
        assert caught.value.code == "rotation-unfinished"
    assert rotate(root, "").origin == NEW
    use(root, "r-2")
    assert verified(root) == 0


@pytest.mark.parametrize("cut", CUTS)
def test_a_configuration_that_names_the_new_key_already_finishes_it_all_the_same(
    root: Path, cut: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = "file:second.key.pem"
    with monkeypatch.context() as patch:
        CUTS[cut](patch)
        with contextlib.suppress(Died):  # no key waits for its place
            rotate(root, log_key=new)
    now = KeyPlaces(log=new)
    if (root / datadir.ROTATION).exists():
        assert finish(root, now).log_key == new
    log = Log.open(root, publish_interval_s=0.02, places=now)
    appending.request(log, "r-2")
    log.close()
    assert verified(root) == verified(root, "r-1") == verified(root, "r-2") == 0


def test_whoever_comes_late_to_a_rotation_does_not_end_the_new_log(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        CUTS["before the end is on record"](patch)
        with pytest.raises(Died):
            rotate(root)
    stale = rotation_plan.read(root)
    finish(root)
    use(root, "r-2", appending.in_a_scope())
    with pytest.raises(HistoryError, match="meanwhile"):
        log_ending.end(root, stale, PLACES, Publishing())
    with monkeypatch.context() as patch:
        patch.setattr(rotation_plan, "read", lambda _: stale)
        patch.setattr(log_ending, "end", lambda *_: None)
        with pytest.raises(HistoryError, match="meanwhile"):
            finish(root)
    use(root, "r-3")
    assert (root / "scopes").is_dir()
    assert verified(root) == verified(root, "r-2") == verified(root, "r-3") == 0


@pytest.mark.parametrize(
    "log_key", ["file:./log.key.pem", "file:../keys/log.key.pem", "file:link.pem", "file:copy.pem"]
)
def test_the_old_key_by_another_name_is_no_new_key(root: Path, log_key: str) -> None:
    (root / "keys/link.pem").symlink_to("log.key.pem")
    shutil.copy(root / "keys/log.key.pem", root / "keys/copy.pem")
    with pytest.raises(HistoryError, match="never used again"):
        rotate(root, log_key=log_key)
    assert not (root / datadir.ROTATION).exists()
    use(root, "r-2")
    assert verified(root) == 0


def test_the_key_of_a_log_before_the_last_is_no_new_key_either(root: Path) -> None:
    shutil.copy(root / "keys/log.key.pem", root / "keys/first.pem")
    rotate(root)
    use(root, "r-2")
    with pytest.raises(HistoryError, match="never used again"):
        rotate(root, "log.example/2028", log_key="file:first.pem")


def test_a_key_that_cannot_be_used_is_found_before_the_old_log_is_ended(root: Path) -> None:
    (root / "keys/second.pem").write_text("no key")
    (root / "keys/second.pem").chmod(0o600)
    with pytest.raises(AuditError):
        rotate(root, log_key="file:second.pem")
    use(root, "r-2")
    assert verified(root) == 0


def test_an_ended_log_that_was_taken_away_leaves_its_number_free(root: Path, tmp_path: Path) -> None:
    rotate(root)
    use(root, "r-2")
    rotate(root, "log.example/2028")
    use(root, "r-3")
    (root / "ended/0").rename(tmp_path / "archive")
    assert rotate(root, "log.example/2029").ended == str(root / "ended/2")
    use(root, "r-4")
    assert verified(root, "r-2") == verified(root, "r-3") == verified(root, "r-4") == 0


@pytest.mark.parametrize(
    "change",
    [
        {"number": "../.."},
        {"number": -1},
        {"number": True},
        {"origin": 1},
        {"reason": "because"},
        {"reason": []},
        {"more": 1},
    ],
    ids=str,
)
def test_a_plan_that_was_changed_is_refused(root: Path, change: dict[str, object]) -> None:
    plan = {"origin": NEW, "number": 0, "reason": "rotated", "trusted": "", "log_key": PLACES.log}
    (root / datadir.ROTATION).write_text(json.dumps(plan | change))
    with pytest.raises(HistoryError) as caught:
        finish(root)
    assert caught.value.code == "rotation"
    (root / datadir.ROTATION).unlink()
    use(root, "r-2")
    assert verified(root) == 0
