"""A log begins whole, or the next try begins it: whoever died in the middle, and whatever did not answer."""

from pathlib import Path

import pytest

from audit import durable, founding, keys, layout
from audit.cli import verify_main
from audit.errors import EvidenceUnavailable, HistoryError
from audit.log import Log
from audit.storage import opening

ORIGIN = "log.example/founding"


class Died(BaseException):
    """The process is gone here."""


def begun(root: Path) -> None:
    """The log is there, goes on, and verifies."""
    Log.open(root).close()
    assert verify_main(["--data", str(root)]) == 0


@pytest.mark.parametrize("count", range(4))
def test_whoever_died_before_the_verifier_key_was_there_begins_anew(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, left = durable.replace, [count]

    def dying(place: Path, content: bytes) -> None:
        left[0] -= 1
        if left[0] < 0 or place.name == layout.LOG_VKEY:
            raise Died
        replace(place, content)

    with monkeypatch.context() as patch:
        patch.setattr(durable, "replace", dying)
        with pytest.raises(Died):
            founding.init(tmp_path / "data", origin=ORIGIN)
    founding.init(tmp_path / "data", origin=ORIGIN)
    begun(tmp_path / "data")


def test_a_store_that_cannot_be_made_leaves_no_log_in_the_way_of_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object) -> None:
        raise EvidenceUnavailable("the record store cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(opening, "create", unavailable)
        with pytest.raises(EvidenceUnavailable):
            founding.init(tmp_path / "data", origin=ORIGIN)
    founding.init(tmp_path / "data", origin=ORIGIN)
    begun(tmp_path / "data")


def test_a_log_is_never_begun_over_another(tmp_path: Path) -> None:
    founding.init(tmp_path, origin=ORIGIN)
    before = (tmp_path / "keys/log.key.pem").read_bytes()
    with pytest.raises(HistoryError) as caught:
        founding.init(tmp_path, origin="log.example/another")
    assert caught.value.code == "log-exists"
    (tmp_path / "apostille.db").unlink()
    with pytest.raises(HistoryError):
        founding.init(tmp_path, origin="log.example/another")
    assert (tmp_path / "keys/log.key.pem").read_bytes() == before


def test_a_key_is_in_its_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = keys.private_pem(keys.log_signer(ORIGIN).key)

    def dying(self: Path, target: Path) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Path, "hardlink_to", dying)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Died):
            keys.write_private(tmp_path / "log.key.pem", pem)
    assert not (tmp_path / "log.key.pem").exists()
    keys.write_private(tmp_path / "log.key.pem", pem)
    assert [each.name for each in tmp_path.iterdir()] == ["log.key.pem"], "expected no copy of a key beside it"
    assert keys.read_private(tmp_path / "log.key.pem") == pem
    with pytest.raises(FileExistsError):
        keys.write_private(tmp_path / "log.key.pem", b"another")
    assert [each.name for each in tmp_path.iterdir()] == ["log.key.pem"]
    assert keys.read_private(tmp_path / "log.key.pem") == pem


def test_the_store_of_a_new_log_is_its_owners_alone(tmp_path: Path) -> None:
    founding.init(tmp_path, origin=ORIGIN)
    private = ("apostille.db", "keys/log.key.pem", "keys/root.key.pem")
    assert {each: (tmp_path / each).stat().st_mode & 0o777 for each in private} == dict.fromkeys(private, 0o600)
