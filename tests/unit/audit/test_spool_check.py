"""Rows of a spool are judged by the keys of the log; keys that cannot be read now say nothing about the rows."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from audit import datadir, founding, layout
from audit.errors import EvidenceUnavailable, HistoryError
from audit.log import Log
from audit.spool_check import SpoolCheck
from audit.storage.base import Row
from tests.simulators import appending


class _Empty:
    """A store that has nothing yet."""

    def has(self, rows: Sequence[Row], /) -> bool:
        return False

    def key_events(self, request_ids: Sequence[str], /) -> list[bytes]:
        return []


class _Unreadable(_Empty):
    """A store that somebody wrote to."""

    def key_events(self, request_ids: Sequence[str], /) -> list[bytes]:
        return [b"{}"]


NOTHING = _Empty()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin="log.example/spool")
    appending.keep_policies(tmp_path / "data")
    log = Log.open(tmp_path / "data", publish_interval_s=0.02)
    appending.request(log, "r-1")
    log.close()
    return tmp_path / "data"


def rows(root: Path) -> list[Row]:
    with datadir.opened(root) as source:
        found = source.rows("SELECT request_id, kind, epoch, seq, env, leaf FROM rec ORDER BY id")
        return [Row(*each, ()) for each in found]  # type: ignore[arg-type]


def test_rows_as_they_were_written_pass(root: Path) -> None:
    SpoolCheck(root, NOTHING)(rows(root))


def test_a_row_without_a_certified_key_is_a_damaged_spool(root: Path) -> None:
    for each in (root / layout.KEYS / "instances").iterdir():
        each.unlink()
    with pytest.raises(HistoryError) as caught:
        SpoolCheck(root, NOTHING)(rows(root))
    assert caught.value.code == "spool-damaged"


@pytest.mark.parametrize("path", ["root.pem", "issuing.pem", "instances"])
def test_keys_that_cannot_be_read_now_are_waited_for(root: Path, path: str) -> None:
    """The thread that empties the spool tries again then; whatever else it is told ends it."""
    place = root / layout.KEYS / path
    place = next(place.iterdir()) if place.is_dir() else place
    place.unlink(missing_ok=True)
    place.symlink_to(root)  # no file of ours is one, and reading it fails whoever asks
    with pytest.raises(EvidenceUnavailable, match="cannot be read"):
        SpoolCheck(root, NOTHING)(rows(root))


def test_a_key_event_that_cannot_be_read_may_be_a_revocation(root: Path) -> None:
    """It ends the thread that empties the spool, which tells it; an error that it does not know would end it in silence."""
    with pytest.raises(HistoryError, match="key events"):
        SpoolCheck(root, _Unreadable())(rows(root))
