"""The crash matrix of a log's sequencing: each step fails before it did anything, and after it did it; a restart finishes it."""

from pathlib import Path

import pytest

from audit import datadir, founding, keys, layout, sequencer, tiles
from audit.errors import HistoryError
from audit.storage.base import MAIN, Row
from audit.storage.directory import TileDirectory
from audit.storage.sqlite import Store
from tests.simulators.dying import Base, Died, Disk, Failing, opened_keys
from tests.simulators.small_log import ORIGIN, entries, rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin=ORIGIN)
    return tmp_path / "data"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", ["sequence", "tile", "checkpoint", "unstage"])
def test_dying_at_a_step_leaves_what_a_restart_finishes(root: Path, step: str, after: bool) -> None:
    signer, _ = opened_keys(root)
    store = Store(root / datadir.DATABASE)
    edge, _ = sequencer.resume(store, TileDirectory(root / layout.LOG), signer)
    store.insert([Row(f"r-{i}", "decision", "e", i, b"{}", b"entry %d" % i) for i in range(5)])
    store.close()
    failing = Failing(step, after)
    armed = Base(root / datadir.DATABASE)
    armed.arm(failing)
    with pytest.raises(Died):
        _all_steps(armed, Disk(root / layout.LOG, failing), edge, signer)
    armed.close()

    store = Store(root / datadir.DATABASE)
    edge, _ = sequencer.resume(store, TileDirectory(root / layout.LOG), signer)
    while (found := sequencer.sequence(store, edge, signer)) is not None:
        edge = found[0]
        sequencer.publish(found[1], TileDirectory(root / layout.LOG))
        store.unstage()
    assert store.staged(MAIN) == []
    store.close()
    assert entries(root)[-5:] == [b"entry %d" % i for i in range(5)]
    assert [index for index, *_ in rows(root)] == list(range(len(rows(root))))


def _all_steps(store: Store, directory: TileDirectory, edge: tiles.TreeEdge, signer: keys.LogSigner) -> None:
    found = sequencer.sequence(store, edge, signer)
    assert found is not None
    sequencer.publish(found[1], directory)
    store.unstage()


def test_a_second_sequencer_is_fenced_off(root: Path) -> None:
    signer, _ = opened_keys(root)
    store = Store(root / datadir.DATABASE)
    edge, _ = sequencer.resume(store, TileDirectory(root / layout.LOG), signer)
    store.insert([Row("r-1", "decision", "e", 0, b"{}", b"entry")])
    assert sequencer.sequence(store, edge, signer) is not None
    store.insert([Row("r-2", "decision", "e", 1, b"{}", b"another")])
    with pytest.raises(HistoryError) as caught:
        sequencer.sequence(store, edge, signer)  # still at the old size: a zombie
    assert caught.value.code == "head-moved"
    store.close()
