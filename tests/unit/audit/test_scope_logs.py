"""Logs by scope: each is the main log, filtered, in its order, whatever fails and wherever the process dies."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import checkpoint, datadir, dsse, founding, layout, merkle, scope, scope_logs, sequencer, statement, tiles
from audit.errors import EvidenceUnavailable, HistoryError, MalformedError
from audit.folder import directory_files
from audit.log import Log, Pending
from audit.scope_logs import ScopeLogs
from audit.sequencer import Publication
from audit.statement import ScopeRecord
from audit.storage.base import MAIN, Row, Sequenced
from audit.storage.directory import TileDirectory
from audit.storage.sqlite import Store
from audit.vocabulary import RecordKind
from audit.witnessing import Witnesses
from tests.simulators import ledger
from tests.simulators.dying import Base, Died, Disk, Failing, opened_keys
from tests.simulators.small_log import ORIGIN

A, B, C = "acme-eu-2026", "acme-us-2026", "other-2026"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin=ORIGIN)
    return tmp_path / "data"


def decision(request_id: str, *scopes: str) -> Pending:
    """A decision that says itself in which scopes it is."""
    said = tuple(ScopeRecord(log=each, group="", codes=()) for each in scopes)
    return Pending(
        request_id=request_id,
        kind=RecordKind.DECISION,
        outcome="substituted",
        scopes=scopes,
        build=lambda position, _: statement.render_decision(
            replace(ledger.decision(request_id, position), scopes=said)
        ),
    )


def leaves(root: Path, log: str = MAIN) -> list[bytes]:
    """The entries of a log's files, from its signed checkpoint; the root is made again by the recursive definition."""
    place = root / (layout.LOG if log == MAIN else f"{layout.SCOPES}{log}")
    main = checkpoint.parse_vkey((root / layout.KEYS / layout.LOG_VKEY).read_text().strip())
    vkey = main if log == MAIN else scope.key(main, log)
    files = directory_files(place)
    tree = checkpoint.verify(checkpoint.parse_bytes(files.read(tiles.CHECKPOINT_PATH)), (vkey,))
    found: list[bytes] = []
    for index in range(-(-tree.size // tiles.WIDTH)):
        found += tiles.TileReader(files.read, tree.size).entries(index)
    assert (len(found), _root(found)) == (tree.size, tree.root)
    return found


def _root(found: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, as it is written there."""
    if len(found) <= 1:
        return merkle.leaf_hash(found[0]) if found else merkle.EMPTY_ROOT
    split = 1 << (len(found) - 1).bit_length() - 1
    return merkle.node_hash(_root(found[:split]), _root(found[split:]))


def filtered(root: Path, log: str) -> list[bytes]:
    """Entries of the records that say that they are in a scope, in the order of the main log."""
    with closing(datadir.open_directory(root)) as opened:
        rows = list(opened.rows("SELECT env, leaf FROM rec WHERE kind = 'decision' AND idx IS NOT NULL ORDER BY idx"))
    found = []
    for envelope, leaf in rows:
        assert isinstance(envelope, bytes)
        assert isinstance(leaf, bytes)
        said = statement.decision_of(statement.parse(dsse.parse(envelope).payload))
        found += [leaf] if log in scope.logs(said.scopes) else []
    return found


@settings(max_examples=12, deadline=None)
@given(
    batches=st.lists(
        st.lists(st.sets(st.sampled_from((A, B, C, "x-2027"))), min_size=1, max_size=40), min_size=1, max_size=4
    )
)
def test_a_scopes_log_is_the_main_log_filtered(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[set[str]]]
) -> None:
    root = tmp_path_factory.mktemp("filtered") / "data"
    founding.init(root, origin=ORIGIN)
    opened = Log.open(root, publish_interval_s=0.001)
    for number, batch in enumerate(batches):
        opened.append_now(*(decision(f"r-{number}-{i}", *sorted(each)) for i, each in enumerate(batch)))
    opened.close()
    used = {each for batch in batches for scopes in batch for each in scopes}
    for log in used:
        assert leaves(root, log) == filtered(root, log)
    with closing(datadir.open_directory(root)) as directory:
        assert set(directory.scopes()) == used
    assert leaves(root)


def test_a_record_of_two_scopes_is_once_in_each_and_can_be_read_from_either(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.02)
    opened.append_now(decision("r-1", A))
    opened.append_now(decision("r-2", A, B))
    opened.append_now(decision("r-3"))
    opened.close()
    assert (len(leaves(root, A)), len(leaves(root, B)), len(leaves(root))) == (2, 1, len(filtered(root, "")) + 8)
    with closing(datadir.open_directory(root)) as directory:
        places = [[r.index for r in directory.of_scope(log).of_request("r-2")] for log in (A, B)]
        assert places == [[1], [0]]
        assert directory.of_scope(B).record(0) == directory.of_request("r-2")[0].envelope
        assert directory.of_scope(B).of_request("r-1") == ()
        for unknown in ("acme-eu-2031", "../log", "acme"):
            with pytest.raises(MalformedError):
                directory.of_scope(unknown)


def test_a_log_goes_on_after_a_restart_and_when_it_was_let_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scope_logs, "MOST_OPEN", 2)
    names = [f"t{i}-2026" for i in range(5)]
    for start in range(2):
        opened = Log.open(root, publish_interval_s=0.001)
        for turn in range(3):
            opened.append_now(*(decision(f"r-{start}-{turn}-{n}", n) for n in names))
        opened.close()
        assert len(opened._writer.scopes._open) == 2
    for name in names:
        assert leaves(root, name) == filtered(root, name)
        assert len(leaves(root, name)) == 6


def test_the_same_key_under_another_name_signs_a_scope(root: Path) -> None:
    opened = Log.open(root)
    opened.append_now(decision("r-1", A))
    opened.close()
    main = checkpoint.parse_vkey((root / layout.KEYS / layout.LOG_VKEY).read_text().strip())
    note = checkpoint.parse_bytes((root / layout.SCOPES / A / "checkpoint").read_bytes())
    assert note.text.startswith(f"{ORIGIN}/{A}\n1\n")
    assert scope.of_origin(ORIGIN, f"{ORIGIN}/{A}") == A
    with pytest.raises(Exception, match="expected a signature by a known key"):
        checkpoint.verify(note, (main, scope.key(main, B)))


# --- crashes and failures -------------------------------------------------------------------------------------------------


@dataclass
class Nth(Failing):
    """Fails when a step comes for the n-th time, counted from 1."""

    nth: int = 1

    def around(self, name: str, act: Callable[[], None]) -> None:
        self.seen.append(name)
        now = name == self.step and self.seen.count(name) == self.nth
        if now and not self.after:
            raise Died
        act()
        if now:
            raise Died


def _row(number: int) -> Row:
    scopes = ((A,), (A, B), (A, B, C))[number % 3]
    return Row(f"r-{number}", "key-event", "e", number, b"{}", b"entry %d" % number, scopes)


def _main(store: Store, root: Path) -> None:
    """Give every row its place in the main log, without accidents."""
    signer, _ = opened_keys(root)
    directory = TileDirectory(root / layout.LOG)
    edge, _ = sequencer.resume(store, directory, signer)
    found = sequencer.sequence(store, edge, signer)
    assert found is not None
    sequencer.publish(found[1], directory)
    store.unstage()


def _scopes(store: Store, logs: ScopeLogs) -> None:
    while publications := logs.sequence():
        for each in publications:
            logs.publish(each)
        store.unstage([each.log for each in publications])


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("step", "nth"), [("sequence", 1), ("tile", 1), ("tile", 3), ("checkpoint", 1), ("checkpoint", 2), ("unstage", 1)]
)
def test_dying_between_the_files_of_three_scopes_leaves_what_a_restart_finishes(
    root: Path, step: str, nth: int, after: bool
) -> None:
    signer, _ = opened_keys(root)
    place = root / datadir.DATABASE
    with closing(Store(place)) as store:
        store.insert([_row(i) for i in range(7)])
        _main(store, root)
        _scopes(store, ScopeLogs(store, root / layout.SCOPES, signer, Witnesses()))
        store.insert([_row(i) for i in range(7, 14)])
        _main(store, root)
    armed, failing = Base(place), Nth(step, after, nth=nth)
    armed.arm(failing)
    logs = ScopeLogs(armed, root / layout.SCOPES, signer, Witnesses(), lambda folder: Disk(folder, failing))
    with closing(armed), pytest.raises(Died):
        _scopes(armed, logs)
    with closing(Store(place)) as store:
        logs = ScopeLogs(store, root / layout.SCOPES, signer, Witnesses())
        logs.resume()
        _scopes(store, logs)
        assert [store.staged(log) for log in (A, B, C)] == [[], [], []]
    for log in (A, B, C):
        assert leaves(root, log) == [_row(i).leaf for i in range(14) if log in _row(i).scopes]


KILLED = """
import sys, threading
from pathlib import Path
from audit.log import Log
from tests.unit.audit.test_scope_logs import A, B, C, decision
log = Log.open(Path(sys.argv[1]), publish_interval_s=0.001)
print("ready", flush=True)
number = 0
while True:
    log.append_now(*(decision(f"{sys.argv[2]}-{number}-{i}", *(A, B, C)[: i % 4]) for i in range(8)))
    number += 1
"""


def test_killed_while_three_scopes_are_published_every_log_goes_on(root: Path) -> None:
    for number in range(2):
        command = [sys.executable, "-c", KILLED, str(root), str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(0.3 + 0.05 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    opened = Log.open(root)  # ends what was left open
    opened.close()
    with closing(datadir.open_directory(root)) as directory:
        kinds = [each.kind for each in directory.of_scope(A).sequenced(1 << 40)]
        assert list(directory.rows("SELECT 1 FROM member WHERE idx IS NULL")) == []
        for log in (A, B, C):
            query = "SELECT r.leaf FROM member m JOIN rec r ON r.id = m.rec_id WHERE m.log = ? ORDER BY r.idx"
            assert leaves(root, log) == [leaf for (leaf,) in directory.rows(query, log)]
    assert kinds.count(RecordKind.DECISION) == kinds.count(RecordKind.RESULT) == len(filtered(root, A)) > 0


def test_a_scopes_log_ahead_of_the_store_signs_nothing(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.02)
    opened.append_now(decision("r-1", A))
    opened.close()
    files = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    opened = Log.open(root, publish_interval_s=0.02)
    opened.append_now(decision("r-2", A))
    opened.close()
    for place, content in files.items():
        if layout.SCOPES.rstrip("/") not in place.parts:  # everything but the scopes' files is restored
            place.write_bytes(content)
    for place in root.glob("log/**/*"):
        if place.is_file() and place not in files:
            place.unlink()
    with pytest.raises(HistoryError) as caught:
        Log.open(root)
    assert caught.value.code == "log-ahead"


async def test_a_store_that_fails_between_the_main_log_and_the_scopes_delays_and_loses_nothing(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.02)
    await opened.append(decision("r-0", A))
    await _published(root, A, 1)
    commit, failures = opened._store.sequence, []

    def sequence(batches: Sequence[Sequenced]) -> None:
        if batches[0].log != MAIN and len(failures) < 2:
            failures.append(batches)
            raise EvidenceUnavailable("database or disk is full")
        commit(batches)

    opened._store.sequence = sequence  # type: ignore[method-assign]
    await opened.append(decision("r-1", A, B))
    assert await opened.wait_published("r-1", 10)
    await _published(root, B, 1)
    assert opened.state == "ok"
    await asyncio.to_thread(opened.close)
    assert len(failures) == 2
    assert (leaves(root, A), leaves(root, B)) == (filtered(root, A), filtered(root, B))


async def test_the_main_log_does_not_wait_for_the_files_of_scopes(root: Path) -> None:
    opened = Log.open(root, publish_interval_s=0.01)
    held, going_on = asyncio.Event(), threading.Event()
    publish, loop = opened._writer.scopes.publish, asyncio.get_running_loop()

    def slowly(publication: Publication) -> None:
        loop.call_soon_threadsafe(held.set)
        going_on.wait(20)
        publish(publication)

    opened._writer.scopes.publish = slowly  # type: ignore[method-assign]
    await opened.append(decision("r-1", A))
    await held.wait()
    size = opened.published_size
    await opened.append(decision("r-2", A))
    for _ in range(500):
        with closing(datadir.open_directory(root)) as directory:
            (after,) = directory.of_request("r-2")
        if after.index is not None:
            break
        await asyncio.sleep(0.01)
    assert after.index == size  # it has its place in the main log, while a scope's file is still to be written
    going_on.set()
    assert await opened.wait_published("r-2", 10)
    await asyncio.to_thread(opened.close)
    assert leaves(root, A) == filtered(root, A)


def test_a_new_year_begins_its_logs_a_few_at_a_time(root: Path) -> None:
    signer, _ = opened_keys(root)
    names = [f"t{i}-2027" for i in range(2 * scope_logs.MOST_BEGUN + 1)]
    with closing(Store(root / datadir.DATABASE)) as store:
        store.insert([Row("r-1", "key-event", "e", 0, b"{}", b"entry", tuple(names))])
        _main(store, root)
        logs, turns = ScopeLogs(store, root / layout.SCOPES, signer, Witnesses()), []
        while publications := logs.sequence():
            turns.append(len(publications))
    assert turns == [scope_logs.MOST_BEGUN, scope_logs.MOST_BEGUN, 1]


async def test_a_scope_whose_log_cannot_be_begun_now_delays_nobody_and_comes_later(root: Path) -> None:
    (root / "scopes").write_text("in the way")
    opened = Log.open(root, publish_interval_s=0.02)
    await opened.append(decision("r-1", A))
    assert await opened.wait_published("r-1", 10)  # in the main log
    for _ in range(200):
        if opened.state == "tiles-unwritable":
            break
        await asyncio.sleep(0.02)
    assert opened.state == "tiles-unwritable"
    await opened.append(decision("r-2", A))
    (root / "scopes").unlink()
    await _published(root, A, 2)
    await asyncio.to_thread(opened.close)
    assert opened.state == "ok"
    assert leaves(root, A) == filtered(root, A)


@pytest.mark.parametrize("scopes", [("acme",), ("../x-2026",), (A, A)])
def test_a_scope_that_no_log_can_have_is_refused_before_it_is_durable(scopes: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError):
        decision("r-1", *scopes)


async def _published(root: Path, log: str, size: int) -> None:
    for _ in range(500):
        place = root / layout.SCOPES / log / "checkpoint"
        if place.exists() and checkpoint.parse_text(checkpoint.parse(place.read_text()).text).size >= size:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"expected {size} entries of `{log}`")
