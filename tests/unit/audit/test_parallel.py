"""Shared out among processes, a verification finds what it finds alone; a process that dies is no verification."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from audit import datadir, layout, parallel
from audit.appraisal import Appraised, Appraiser, Batch, in_turn
from audit.errors import UnreadableError
from audit.examine import Trust
from audit.log_check import Spread
from audit.verify import Outcome, Report, verify_log
from audit.vocabulary import RecordKind
from tests.simulators import ledger
from tests.simulators.ledger import Ledger

REQUESTS = 140
"""Two records each: more than one bundle of 256."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """A log of two bundles."""
    made = Ledger.create(tmp_path_factory.mktemp("parallel") / "data")
    for number in range(REQUESTS):
        lying = ledger.with_contribution("panel-1", "far-eu") if number == REQUESTS - 1 else lambda record: record
        made.request(f"r-{number}", change_result=lying)
    made.publish()
    return made


@pytest.fixture(autouse=True)
def no_batch_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch goes to another process."""
    monkeypatch.setattr(parallel, "ALONE", 0)


def verified(root: Path, spread: Spread) -> Report:
    """What is found about the whole log."""
    with closing(datadir.open_directory(root)) as source:
        keys = source.files.below(layout.KEYS)
        return verify_log(
            source.files.below(layout.LOG),
            layout.trust_of(keys),
            certificates=layout.certificates_of(keys),
            records=source.in_order(),
            spread=spread,
        )


def nothing(_: Ledger) -> None:
    """Leave it as it is: one result names a deployment that was not admitted."""


def another_record(log: Ledger) -> None:
    """A record of the second bundle is changed."""
    log.tamper_record("r-135", RecordKind.DECISION, lambda content: ledger.flipped(content, 40))


def another_entry(log: Ledger) -> None:
    """An entry of the first bundle is changed."""
    log.tamper("log/tile/entries/000", 200)


def no_bundle(log: Ledger) -> None:
    """The second bundle of entries is gone."""
    (log.root / "log/tile/entries/001.p" / str(2 * REQUESTS - 256)).unlink()


@pytest.mark.parametrize("change", [nothing, another_record, another_entry, no_bundle])
def test_processes_find_what_one_finds(written: Ledger, tmp_path: Path, change: Callable[[Ledger], None]) -> None:
    copy = tmp_path / "data"
    shutil.copytree(written.root, copy)
    change(Ledger(copy, written.authority, written.log_key, written.signer))
    alone = verified(copy, in_turn)
    assert alone.outcome is Outcome.FAILED
    assert verified(copy, parallel.spread(2)) == alone
    assert verified(copy, parallel.spread(1)) == alone


class Dying(Appraiser):
    """Ends its process."""

    def __call__(self, batch: Batch) -> tuple[Appraised, ...]:
        os._exit(9)


def test_a_process_that_dies_leaves_it_undecided() -> None:
    dying = Dying(Trust(roots=(), log_keys=()), {}, range(0), None)
    with pytest.raises(UnreadableError):
        list(parallel.spread(2)(dying, [Batch(0, (), None)]))


def test_what_is_not_appraised_is_not_verified(written: Ledger) -> None:
    nothing_found = verified(written.root, lambda appraiser, batches: iter(list(map(appraiser, batches))[:1]))
    assert {each.obligation.id: each.outcome for each in nothing_found.findings}["entries"] is Outcome.UNDECIDED
    with pytest.raises(ValueError):
        verified(written.root, lambda appraiser, batches: (appraiser(each)[:-1] for each in batches))
