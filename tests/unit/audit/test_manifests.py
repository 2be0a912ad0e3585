"""Manifests: counted by the writer, found in the log, and held against it; what does not agree is named."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit import datadir, dsse, founding, manifests, statement
from audit.cli import verify_main
from audit.errors import EvidenceUnavailable, VerificationError
from audit.log import Log
from audit.manifests import Held, Manifest, Tally
from audit.records import Position
from audit.storage.sqlite import Store
from audit.vocabulary import RecordKind, Sha256Hex
from tests.simulators import appending, ledger


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin="log.example/manifests")
    return tmp_path / "data"


def found(root: Path) -> list[Manifest]:
    with datadir.opened(root) as source:
        stored = list(source.of_kind(RecordKind.MANIFEST))
    return [manifests.manifest_of(statement.parse(dsse.parse(each.envelope).payload)) for each in stored]


def test_a_clean_stop_counts_everything_of_the_epoch(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    for i in range(5):
        appending.request(log, f"r-{i}")
    log.close()
    *_, last = found(root)
    assert last.counts == {"key-event": {"": 1}, "decision": {"substituted": 5}, "result": {"ok": 5}}
    assert (last.first_seq, last.last_seq, last.final) == (0, 10, True)
    assert verify_main(["--data", str(root)]) == 0
    assert "2 manifest" in capsys.readouterr().out


def test_every_hour_is_counted_and_nothing_twice(root: Path) -> None:
    clock = Clock()
    log = Log.open(root, publish_interval_s=0.02, clock=clock)
    appending.request(log, "r-1")
    clock.now += timedelta(minutes=61)
    appending.request(log, "r-2")
    appending.request(log, "r-3")
    clock.now += timedelta(minutes=61)
    log.append_now()  # an hour without records has a manifest too: it counts the one before
    clock.now += timedelta(minutes=61)
    log.append_now()
    log.close()
    hours = found(root)[1:]
    assert [(each.first_seq, each.last_seq) for each in hours] == [(0, 2), (3, 7), (8, 8), (9, 9)]
    assert hours[1].counts == {"manifest": {"": 1}, "decision": {"substituted": 2}, "result": {"ok": 2}}
    assert [each.final for each in hours] == [False, False, False, True]
    assert verify_main(["--data", str(root)]) == 0


def test_a_writer_without_records_makes_no_manifest(root: Path) -> None:
    before = len(found(root))
    Log.open(root).close()
    assert len(found(root)) == before


def test_records_that_were_on_disk_after_all_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    appending.request(log, "r-1")
    insert = Store.insert

    def late(self: Store, rows: object) -> None:
        insert(self, rows)  # type: ignore[arg-type]
        raise EvidenceUnavailable("it was written, and the answer was lost")

    monkeypatch.setattr(Store, "insert", late)
    with pytest.raises(EvidenceUnavailable):
        log.append_now(appending.decision("r-2"))
    monkeypatch.undo()
    _again(log, "r-3")
    log.close()
    assert found(root)[-1].counts["decision"] == {"substituted": 3}
    assert verify_main(["--data", str(root)]) == 0


def _again(log: Log, request_id: str) -> None:
    import time

    for _ in range(200):
        try:
            appending.request(log, request_id)
        except EvidenceUnavailable:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("expected the store to be mended")


# --- held against the log ---------------------------------------------------------------------------------------------


DIGESTS = [Sha256Hex(f"{i:064x}") for i in range(6)]


def counted(end: int) -> Tally:
    """A tally of the first results of an epoch."""
    tally = Tally()
    for digest in DIGESTS[:end]:
        tally.add(RecordKind.RESULT, "ok", digest)
    return tally


def held(manifest: Manifest, order: tuple[int, ...] = (0, 1, 2, 3), missing: int | None = None) -> None:
    """Four results, then the manifest."""
    watching = Held()
    for seq in order:
        if seq != missing:
            watching.add(Position(instance="i", epoch="e", seq=seq), RecordKind.RESULT, "ok", DIGESTS[seq], None)
    watching.add(Position(instance="i", epoch="e", seq=4), RecordKind.MANIFEST, "", DIGESTS[4], manifest)
    watching.add(Position(instance="i", epoch="other", seq=0), RecordKind.RESULT, "error", DIGESTS[5], None)


HONEST = counted(4).manifest(9, final=False)


def test_a_manifest_holds_in_any_order_of_other_epochs_and_of_its_records() -> None:
    held(HONEST)
    held(HONEST, order=(2, 0, 3, 1))


@pytest.mark.parametrize(
    "lie",
    [
        replace(HONEST, counts={"result": {"ok": 3}}),
        replace(HONEST, counts={"result": {"ok": 3, "error": 1}}),
        replace(HONEST, counts={"result": {"ok": 4}, "decision": {"refused": 0}}),
        replace(HONEST, records=DIGESTS[0]),
        replace(HONEST, first_seq=1),
        replace(HONEST, last_seq=5),
        counted(3).manifest(9, final=False),
    ],
)
def test_a_manifest_that_does_not_count_what_there_is_fails(lie: Manifest) -> None:
    with pytest.raises(VerificationError) as caught:
        held(lie)
    assert caught.value.code in ("manifest-counts", "manifest-range")


def test_behind_a_gap_nothing_is_compared() -> None:
    held(replace(HONEST, records=DIGESTS[0]), missing=2)  # the sequence itself reports the gap


def test_the_statement_reads_as_written() -> None:
    rendered = manifests.render(HONEST, at=ledger.AT, position=Position(instance="i", epoch="e", seq=4), anchor=None)
    assert manifests.manifest_of(statement.parse(rendered)) == HONEST


def test_a_deleted_record_shows_in_the_log(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row that was deleted before it had a place leaves a gap in the numbers and a manifest that counts it."""
    log = Log.open(root, publish_interval_s=60)
    appending.request(log, "r-1")
    appending.request(log, "r-2")
    database = sqlite3.connect(root / datadir.DATABASE)
    with database:
        database.execute("DELETE FROM rec WHERE request_id = 'r-1'")
    database.close()
    log.close()
    assert verify_main(["--data", str(root)]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "[sequence]" in line]
    assert line.startswith("✗")
