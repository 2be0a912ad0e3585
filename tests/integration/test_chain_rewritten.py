"""What an operator with every key, those of logs that ended too, can rewrite in a chain of logs; and who finds it.

A log that ended is quoted by the one after it, so a change of one contradicts the other; who changes all of them is found by
whoever kept a checkpoint of any.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.test_rewritten_history import dated_back, deleted, edited_row, linked, reordered
from tests.simulators import chain
from tests.simulators.chain import Chain
from tests.simulators.evidence import failed
from tests.simulators.tampering import Json, Rewriting


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Three logs with two requests each."""
    return chain.made(tmp_path_factory.mktemp("chain") / "data")


@pytest.fixture
def logs(honest: Chain, tmp_path: Path) -> Chain:
    """A copy, in which every log has its key again."""
    copy = honest.copy(tmp_path / "data")
    for number, key in enumerate(copy.keys):
        (copy.log(number) / "keys/log.key.pem").write_bytes(key)
        shutil.copy(copy.root / "keys/root.key.pem", copy.log(number) / "keys")
    return copy


def kept(logs: Chain, number: int, place: Path) -> Path:
    """An auditor's folder with the checkpoint of one log."""
    found = logs.trust(place)
    (found / "checkpoint").write_bytes(logs.checkpoint(number))
    return found


def test_logs_that_are_made_anew_and_unchanged_hold(
    logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = kept(logs, 0, tmp_path / "trust")
    for number in range(3):
        Rewriting(logs.log(number)).publish()
    assert failed(capsys, "--data", str(logs.root), "--trust", str(trust)) == (0, set())


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("rewrite", [deleted, edited_row, dated_back, reordered])
def test_a_log_that_was_rewritten_after_its_end_contradicts_the_one_after_it(
    rewrite: Callable[[Rewriting], None],
    number: int,
    logs: Chain,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trust = kept(logs, number, tmp_path / "trust")
    history = Rewriting(logs.log(number))
    rewrite(history)
    assert failed(capsys, "--data", str(logs.root))[0] == 1, "only the rows are changed, not the log"
    history.publish()
    code, found = failed(capsys, "--data", str(logs.root))
    assert (code, "chain" in found) == (1, True)
    code, found = failed(capsys, "--data", str(logs.root), "--trust", str(trust))
    assert (code, found >= {"chain", "extends"}) == (1, True)


def test_without_the_end_statement_the_next_log_follows_nothing(
    logs: Chain, capsys: pytest.CaptureFixture[str]
) -> None:
    history = Rewriting(logs.log(0))
    history.execute("DELETE FROM rec WHERE kind = 'log-end'")
    history.publish()
    code, found = failed(capsys, "--data", str(logs.root))
    assert (code, "chain" in found) == (1, True)


def moved(logs: Chain, *, kind: str, keep: bool, change: Callable[[Json], Json] = lambda said: said) -> None:
    """Bring the last record of a kind from the first log to the end of the second. ``keep``: leave it where it was too."""
    old, new = Rewriting(logs.log(0)), Rewriting(logs.log(1))
    ((row,),) = old.execute("SELECT MAX(id) FROM rec WHERE kind = ?", kind)
    brought(old, new, row, change)
    if not keep:
        old.execute("DELETE FROM rec WHERE id = ?", row)
    old.publish()
    new.publish()


def brought(old: Rewriting, new: Rewriting, row: int, change: Callable[[Json], Json]) -> None:
    """Insert one row of a store into another, before its log-end."""
    ((request, kind, epoch, seq, env, leaf),) = old.execute(
        "SELECT request_id, kind, epoch, seq, env, leaf FROM rec WHERE id = ?", row
    )
    ((end,),) = new.execute("SELECT MAX(idx) FROM rec")
    new.execute("UPDATE rec SET idx = ? WHERE idx = ?", end + 1, end)
    new.execute(
        "INSERT INTO rec (request_id, kind, epoch, seq, env, leaf, idx) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *(request, kind, epoch, seq, env, leaf, end),
    )
    new.resign(end, change)


def without_tree(said: Json) -> Json:
    return linked(said, {})


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("change", [lambda said: said, without_tree])
def test_a_record_that_was_moved_or_copied_to_the_next_log_shows_in_both(
    change: Callable[[Json], Json], keep: bool, logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = kept(logs, 0 if not keep else 1, tmp_path / "trust")
    moved(logs, kind="result", keep=keep, change=change)
    code, found = failed(capsys, "--data", str(logs.root))
    assert code == 1
    assert found >= {"chain", "pairs", "sequence"}, found
    code, found = failed(capsys, "--data", str(logs.root), "--trust", str(trust))
    assert (code, "extends" in found) == (1, True)
