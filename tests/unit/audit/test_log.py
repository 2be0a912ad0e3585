"""The durable log: nothing acknowledged is lost, nothing is in it twice, and every crash leaves what a restart can finish."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import datadir, founding, layout, tiles
from audit.errors import EvidenceUnavailable, HistoryError
from audit.log import Appended, Log, Pending
from audit.recording import BACKDATED
from audit.storage import directory as storage
from audit.vocabulary import RecordKind
from tests.simulators.small_log import ORIGIN, decision, entries, result, rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin=ORIGIN)
    return tmp_path / "data"


@pytest.fixture
def log(root: Path) -> Iterator[Log]:
    opened = Log.open(root, publish_interval_s=0.02)
    yield opened
    opened.close()


async def test_what_is_acknowledged_is_in_the_log_once_and_in_order(root: Path, log: Log) -> None:
    async def one(i: int) -> tuple[Appended, ...]:
        return await log.append(decision(f"r-{i}"))

    done = await asyncio.gather(*(one(i) for i in range(300)))
    assert await log.wait_published("r-299", 10)
    await asyncio.to_thread(log.close)
    found = rows(root)
    assert sorted(r for _, r, *_ in found if r.startswith("r-")) == sorted(f"r-{i}" for i in range(300))
    assert [index for index, *_ in found] == list(range(len(found)))
    assert len(entries(root)) == len(found)
    assert len({a.position.seq for (a,) in done}) == 300


async def test_several_records_of_one_append_are_one_transaction(log: Log, root: Path) -> None:
    (one,) = await log.append(decision("r-1"))
    both = await log.append(result("r-1", one.pae_digest), decision("r-2"))
    assert [a.position.seq for a in both] == [one.position.seq + 1, one.position.seq + 2]


async def test_a_builder_that_fails_fails_alone_and_leaves_no_gap(log: Log, root: Path) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("a defect of the caller")

    bad = Pending(request_id="r-bad", kind=RecordKind.DECISION, build=broken)
    outcomes = await asyncio.gather(
        *(log.append(each) for each in (decision("r-1"), bad, decision("r-2"))), return_exceptions=True
    )
    assert isinstance(outcomes[1], RuntimeError)
    await asyncio.to_thread(log.close)
    *_, (_, _, _, epoch, _) = rows(root)
    seqs = [seq for _, _, _, of, seq in rows(root) if of == epoch]
    assert seqs == list(range(len(seqs)))


def test_an_appended_record_cannot_be_made_by_hand(log: Log) -> None:
    made = log.append_now(decision("r-1"))[0]
    with pytest.raises(PermissionError):
        Appended(
            request_id="r",
            kind=RecordKind.DECISION,
            envelope=made.envelope,
            pae_digest=made.pae_digest,
            position=made.position,
            seal=object(),
        )


def test_starting_never_creates_a_history(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="apostille init") as caught:
        Log.open(tmp_path)
    assert caught.value.code == "log-missing"


def test_a_history_is_never_overwritten(root: Path) -> None:
    before = (root / layout.KEYS / layout.LOG_VKEY).read_bytes()
    with pytest.raises(HistoryError):
        founding.init(root, origin=ORIGIN)
    assert (root / layout.KEYS / layout.LOG_VKEY).read_bytes() == before


def test_private_keys_are_their_owners_alone(root: Path) -> None:
    for place in (root / layout.KEYS).glob("*.key.pem"):
        assert place.stat().st_mode & 0o077 == 0
        place.chmod(0o644)
    with pytest.raises(HistoryError, match="0600"):
        Log.open(root)


def test_two_processes_cannot_hold_one_directory(root: Path, log: Log) -> None:
    with pytest.raises(HistoryError) as caught:
        Log.open(root)
    assert caught.value.code == "log-in-use"
    assert f"process {os.getpid()} on `{socket.gethostname()}` does: stop it" in str(caught.value)


def test_whatever_a_lock_file_says_is_not_repeated_and_a_link_is_not_followed(root: Path) -> None:
    handle = storage.lock(root / storage.LOCK)
    (root / storage.LOCK).write_bytes(b"1 \x1b[31mnobody\n")
    with pytest.raises(HistoryError, match="another one does") as caught:
        storage.lock(root / storage.LOCK)
    assert "\x1b" not in str(caught.value)
    os.close(handle)
    (root / storage.LOCK).unlink()
    (root / storage.LOCK).symlink_to("precious")
    (root / "precious").write_text("kept")
    with pytest.raises(OSError, match="symbolic"):
        storage.lock(root / storage.LOCK)
    assert (root / "precious").read_text() == "kept"


def test_a_decision_of_a_dead_process_gets_its_orphaned_result(root: Path) -> None:
    opened = Log.open(root)
    opened.append_now(decision("r-1"))
    opened._writer.stop()  # dies without recovery marks
    os.close(opened._lock)
    opened._store.close()
    again = Log.open(root)
    again.close()
    kinds = [(request_id, kind) for _, request_id, kind, *_ in rows(root) if request_id == "r-1"]
    assert kinds == [("r-1", "decision"), ("r-1", "result")]
    Log.open(root).close()
    assert len([r for r in rows(root) if r[1] == "r-1"]) == 2


def test_a_log_restored_from_a_backup_signs_nothing(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.02)
    opened.append_now(decision("r-1"))
    opened.close()
    backup = (root / datadir.DATABASE).read_bytes()
    opened = Log.open(root, publish_interval_s=0.02)
    opened.append_now(decision("r-2"))
    opened.close()
    (root / datadir.DATABASE).write_bytes(backup)
    for leftover in root.glob(f"{datadir.DATABASE}-*"):
        leftover.unlink()
    with pytest.raises(HistoryError) as caught:
        Log.open(root)
    assert caught.value.code == "log-ahead"


@pytest.mark.parametrize("kind", ["tile", "checkpoint"])
def test_files_that_contradict_what_was_signed_refuse_to_start(root: Path, kind: str) -> None:
    place = root / layout.LOG / "checkpoint"
    if kind == "tile":
        place = next(p for p in (root / layout.LOG / "tile" / "0").rglob("*") if p.is_file())
    content = bytearray(place.read_bytes())
    content[4 if kind == "tile" else -12] ^= 1
    place.write_bytes(bytes(content))
    with pytest.raises(HistoryError):
        Log.open(root)


# --- a store that fails and comes back ------------------------------------------------------------------------------------


async def test_a_store_that_cannot_be_written_fails_closed_and_recovers_by_itself(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.02)
    await opened.append(decision("r-1"))
    insert = opened._store.insert

    def full(_: object) -> None:
        raise EvidenceUnavailable("database or disk is full")

    opened._store.insert = full  # type: ignore[method-assign]
    with pytest.raises(EvidenceUnavailable) as caught:
        await opened.append(decision("r-2"))
    assert (caught.value.code, opened.state) == ("store-unwritable", "store-unwritable")
    opened._store.insert = insert  # type: ignore[method-assign]
    for _ in range(100):
        try:
            await opened.append(decision("r-3"))
            break
        except EvidenceUnavailable:
            await asyncio.sleep(0.05)
    assert opened.state == "ok"
    await asyncio.to_thread(opened.close)
    epoch = rows(root)[-1][3]
    seqs = [seq for *_, each, seq in rows(root) if each == epoch]
    assert seqs == list(range(len(seqs)))


async def test_a_disk_that_takes_no_tiles_says_so_and_catches_up(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.02)
    write = opened._writer.directory.write_tile

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    opened._writer.directory.write_tile = full  # type: ignore[method-assign]
    await opened.append(decision("r-1"))
    for _ in range(100):
        if opened.state == "tiles-unwritable":
            break
        await asyncio.sleep(0.02)
    assert opened.state == "tiles-unwritable"
    opened._writer.directory.write_tile = write  # type: ignore[method-assign]
    assert await opened.wait_published("r-1", 10)
    await asyncio.to_thread(opened.close)
    assert len(entries(root)) == len(rows(root))


async def test_a_queue_over_its_limit_and_a_deadline_fail_closed(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.02, queue_limit=1, deadline_s=0.05)
    insert = opened._store.insert

    def slow(found: object) -> None:
        import time

        time.sleep(0.3)
        insert(found)  # type: ignore[arg-type]

    opened._store.insert = slow  # type: ignore[method-assign]
    first = opened.submit(decision("r-1"))
    await asyncio.sleep(0.02)
    second = opened.submit(decision("r-2"))
    with pytest.raises(EvidenceUnavailable) as caught:
        opened.submit(decision("r-3"))
    assert caught.value.code == "queue-full"
    with pytest.raises(EvidenceUnavailable) as caught:
        await second
    assert caught.value.code == "append-deadline"
    with pytest.raises(EvidenceUnavailable):
        await first
    opened._store.insert = insert  # type: ignore[method-assign]
    await asyncio.to_thread(opened.close)
    assert "r-2" not in {r for _, r, *_ in rows(root)}  # it was given up before it was written


def test_a_new_key_is_certified_before_it_signs_and_says_so_in_the_log(root: Path) -> None:
    opened = Log.open(root)
    opened.append_now(decision("r-1"))
    opened.close()
    kinds = [kind for _, _, kind, *_ in rows(root)]
    assert kinds.count("key-event") == 2  # one at the founding, one at this start
    certificates = list((root / layout.KEYS / layout.CERTIFICATES).glob("*.pem"))
    assert len(certificates) == 2
    assert BACKDATED.total_seconds() > 0


@pytest.mark.timeout(60)
@pytest.mark.parametrize("harm", ["garbage", "nothing", "a gigabyte", "another log's"])
def test_a_published_checkpoint_that_was_changed_stops_the_log_and_not_its_end(root: Path, harm: str) -> None:
    """The thread that publishes must not die of it in silence: health would say ok, and a stop would never end."""
    log = Log.open(root, publish_interval_s=0.02)
    log.append_now(decision("r-1"))
    _until_published(log)
    place = root / layout.LOG / tiles.CHECKPOINT_PATH
    if harm == "a gigabyte":
        os.truncate(place, 1 << 30)
    elif harm == "another log's":
        founding.init(root.parent / "other", origin="log.example/other")
        place.write_bytes((root.parent / "other" / layout.LOG / tiles.CHECKPOINT_PATH).read_bytes())
    else:
        place.write_bytes(b"garbage" if harm == "garbage" else b"")
    log.append_now(decision("r-2"))
    for _ in range(1000):
        if log.state != "ok":
            break
        time.sleep(0.02)
    assert log.state in ("history-broken", "log-differs")
    with pytest.raises(EvidenceUnavailable):
        log.append_now(decision("r-3"))
    log.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("where", ["insert", "write_tile"])
def test_a_defect_in_either_thread_stops_the_log_and_says_so(
    root: Path, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: object) -> None:
        raise RuntimeError("a slip of ours")

    log = Log.open(root, publish_interval_s=0.02)
    _until_published(log)
    setattr(log._store if where == "insert" else log._writer.directory, where, defect)
    if where == "insert":
        with pytest.raises(EvidenceUnavailable) as caught:
            log.append_now(decision("r-1"))  # the one that met it is not left waiting
        assert caught.value.code == "log-stopped"
    else:
        log.append_now(decision("r-1"))
    while log.state == "ok":
        time.sleep(0.01)
    assert log.state == "log-stopped"
    with pytest.raises(EvidenceUnavailable) as caught:
        log.append_now(decision("r-2"))
    assert caught.value.code == "log-stopped"
    log.close()
    assert "a slip of ours" in caplog.text
    again = Log.open(root)  # what was durable gets its place
    again.close()
    found = {request for _, request, *_ in rows(root)}
    assert ("r-1" in found, "r-2" in found) == (where == "write_tile", False)


def _until_published(log: Log) -> None:
    while not log.settled:
        time.sleep(0.01)


def test_the_lock_of_a_checkpoint_is_nobody_elses_to_hold(root: Path) -> None:
    guard = root / layout.LOG / ".checkpoint.lock"
    guard.chmod(0o644)  # as an earlier release made it
    log = Log.open(root, publish_interval_s=0.02)
    log.append_now(decision("r-1"))
    log.close()
    assert guard.stat().st_mode & 0o777 == 0o600
