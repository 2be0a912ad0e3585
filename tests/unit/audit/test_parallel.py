"""Shared out among processes, a verification finds what it finds alone; a process that dies is no verification."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from audit import administration, datadir, layout, learning, manifests, parallel, succession
from audit.administration import KeyEvent
from audit.appraisal import Appraised, Appraiser, Batch, in_turn
from audit.derived import EVERYTHING
from audit.errors import UnreadableError
from audit.examine import Trust
from audit.learning import Feedback
from audit.log_check import Spread
from audit.manifests import Manifest
from audit.records import Anchor
from audit.report import chain, document, render
from audit.succession import LogEnd, LogStart
from audit.verify import Outcome, Report, verify_log
from audit.vocabulary import EndReason, Judgement, KeyEventKind, RecordKind, Sha256Hex
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


def no_record(log: Ledger) -> None:
    """A decision of the second bundle is something else."""
    log.tamper_record("r-135", RecordKind.DECISION, lambda _: b"{}")


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


@pytest.mark.parametrize("change", [nothing, no_record])
def test_processes_count_what_one_counts(written: Ledger, tmp_path: Path, change: Callable[[Ledger], None]) -> None:
    copy = tmp_path / "data"
    shutil.copytree(written.root, copy)
    change(Ledger(copy, written.authority, written.log_key, written.signer))
    now = datetime.now(UTC)
    alone, shared = (chain.computed(copy, EVERYTHING, now, verified=False, jobs=jobs) for jobs in (1, 2))
    assert render.html(*shared) == render.html(*alone)
    assert document.as_json(*shared) == document.as_json(*alone)
    page, tables = alone
    assert (page.unreadable, tables.requests) == ((0, REQUESTS) if change is nothing else (1, REQUESTS - 1))
    assert page.unmatched == page.unreadable


def test_what_records_say_of_each_other_comes_back_from_processes(tmp_path: Path) -> None:
    log = Ledger.create(tmp_path / "data")
    log.request("r-1")
    nought = Sha256Hex("0" * 64)
    place, at, seq = Anchor(origin=ledger.ORIGIN, size=1, root=nought), ledger.AT, log.seq
    counted = Manifest(records=nought, first_seq=0, last_seq=seq - 1, entries=(0, 0), counts={}, final=False)
    revoked = KeyEvent(
        event=KeyEventKind.REVOKED,
        keyid=Sha256Hex(log.signer.keyid),
        certificate=nought,
        not_before=at,
        not_after=at,
        from_index=1,
        reason="left in a taxi",
    )
    judged = Feedback(
        id="f-1",
        record="r-2",
        tenant="acme",
        result=nought,
        result_index=1,
        judgement=Judgement.UP,
        preferred="",
        over="",
        principal=nought,
    )
    start = LogStart(origin="log.example/another", log_key=nought, organisation=nought)
    end = LogEnd(
        origin=ledger.ORIGIN, log_key=nought, final=place, successor="log.example/next", reason=EndReason.COMPROMISED
    )
    for kind, rendered in (
        (RecordKind.MANIFEST, partial(manifests.render, counted)),
        (RecordKind.KEY_EVENT, partial(administration.render_key_event, revoked)),
        (RecordKind.FEEDBACK, partial(learning.render_feedback, judged)),
        (RecordKind.LOG_START, partial(succession.render_start, start)),
        (RecordKind.LOG_END, partial(succession.render_end, end)),
    ):
        log.append("", kind, rendered(at=at, position=log.position(), anchor=None))
    log.publish()
    alone = verified(log.root, in_turn)
    failed = {each.obligation.id for each in alone.findings if each.outcome is Outcome.FAILED}
    assert failed == {"counts", "revoked", "pairs", "ends"}
    assert verified(log.root, parallel.spread(2)) == alone


class Dying(Appraiser):
    """Ends its process."""

    def __call__(self, batch: Batch) -> tuple[Appraised, ...]:
        os._exit(9)


def test_a_process_that_dies_leaves_it_undecided() -> None:
    dying = Dying(Trust(roots=(), log_keys=()), {}, range(0), None, signatures=True)
    with pytest.raises(UnreadableError):
        list(parallel.spread(2)(dying, [Batch(0, (), None)]))


def test_what_is_not_appraised_is_not_verified(written: Ledger) -> None:
    nothing_found = verified(written.root, lambda appraiser, batches: iter(list(map(appraiser, batches))[:1]))
    assert {each.obligation.id: each.outcome for each in nothing_found.findings}["entries"] is Outcome.UNDECIDED
    with pytest.raises(ValueError):
        verified(written.root, lambda appraiser, batches: (appraiser(each)[:-1] for each in batches))
