"""Whatever is changed in a log, and however many processes look at it, the same is found, in the same order."""

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from audit import datadir, layout, parallel
from audit.obligations import Outcome, Report
from audit.verify import verify_log
from tests.simulators import ledger
from tests.simulators.ledger import Ledger

REQUESTS = 390
"""Two records each: four bundles of entries."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Ledger.create(tmp_path_factory.mktemp("verification") / "data")
    for number in range(REQUESTS):
        made.request(f"r-{number}")
    made.publish()
    return made.root


@pytest.fixture(autouse=True)
def no_batch_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "ALONE", 0)


def changed(root: Path, chosen: random.Random) -> None:
    """Flip one bit in some files of the log and some records, or take them away."""
    tiles = sorted(path for path in (root / "log/tile").rglob("*") if path.is_file())
    for place in chosen.sample(tiles, chosen.randrange(3)):
        if chosen.random() < 0.2:
            place.unlink()
        else:
            content = place.read_bytes()
            place.write_bytes(ledger.flipped(content, chosen.randrange(len(content))))
    with closing(sqlite3.connect(root / "apostille.db")) as database, database:
        for index in chosen.sample(range(2 * REQUESTS), chosen.randrange(1, 6)):
            (content,) = database.execute("SELECT env FROM rec WHERE idx = ?", (index,)).fetchone()
            other = ledger.flipped(content, chosen.randrange(len(content)))
            database.execute("UPDATE rec SET env = ? WHERE idx = ?", (other, index))


def verified(root: Path, jobs: int, *, signatures: bool) -> Report:
    with closing(datadir.open_directory(root)) as source:
        keys = source.files.below(layout.KEYS)
        return verify_log(
            source.files.below(layout.LOG),
            layout.trust_of(keys),
            certificates=layout.certificates_of(keys),
            records=source.in_order(),
            spread=parallel.spread(jobs),
            signatures=signatures,
        )


@pytest.fixture
def copy(written: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(written, tmp_path / "data")
    yield tmp_path / "data"
    shutil.rmtree(tmp_path / "data")


@pytest.mark.parametrize("signatures", [True, False], ids=["all", "without signatures"])
@pytest.mark.parametrize("seed", range(8))
def test_any_number_of_processes_finds_the_same(seed: int, signatures: bool, copy: Path) -> None:
    changed(copy, random.Random(seed))
    alone = verified(copy, 1, signatures=signatures)
    assert alone.outcome is Outcome.FAILED
    assert verified(copy, 2, signatures=signatures) == alone
    assert verified(copy, 3, signatures=signatures) == alone
