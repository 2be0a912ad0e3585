"""Asking witnesses: honest ones are counted, and nothing that another one does costs more than its own line."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from audit import checkpoint, keys, tiles, witness, witness_store
from audit.checkpoint import COSIGNATURE, Checkpoint, VerifierKey
from audit.errors import EvidenceUnavailable, HistoryError, MalformedError
from audit.storage.directory import TileDirectory
from audit.witness_client import WitnessClient
from audit.witness_store import Witness
from audit.witnessing import Peer, Witnesses
from tests.simulators.rogue_witness import Behaviour, Reply, Rogue, behaving

ORIGIN = "log.example/asking"
SIGNER = keys.log_signer(ORIGIN, b"\1" * 32)
ROGUE = keys.log_signer("witness.example/rogue", b"\2" * 32)
ROGUE_KEY = VerifierKey(name=ROGUE.name, kind=COSIGNATURE, public=ROGUE.public)

Stage = Callable[[Behaviour], Rogue]
Make = Callable[..., Witnesses]


class Growing:
    """A log in memory as its files."""

    def __init__(self) -> None:
        self.edge = tiles.TreeEdge()
        self.files: dict[str, bytes] = {}

    def grow(self, count: int, salt: bytes = b"") -> tuple[str, Checkpoint]:
        self.edge, files = self.edge.grow([b"entry %d %s" % (self.edge.size + i, salt) for i in range(count)])
        self.files.update(files)
        tree = Checkpoint(origin=ORIGIN, size=self.edge.size, root=self.edge.root())
        return checkpoint.sign(tree, SIGNER), tree

    def read(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        yield lambda behave: stack.enter_context(behaving(behave))


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Witnesses] = []

    def asking(*peers: Peer, quorum: int = 0, timeout_s: float = 5.0) -> Witnesses:
        made.append(Witnesses(peers, quorum=quorum, timeout_s=timeout_s))
        return made[-1]

    yield asking
    for each in made:
        each.close()


@pytest.fixture
def honest(tmp_path: Path) -> Iterator[Witness]:
    log = checkpoint.vkey_of(SIGNER)
    witness_store.init(tmp_path / "w", "witness.example/honest", [log])
    opened = Witness(tmp_path / "w", lambda: 5)
    yield opened
    opened.close()


def served(held: Witness) -> Behaviour:
    def behave(content: bytes) -> Reply:
        answer = held.add(content)
        return answer.status, {"content-type": answer.media_type}, answer.body

    return behave


def peer(rogue: Rogue, *vkeys: VerifierKey) -> Peer:
    return Peer(client=WitnessClient(rogue.url), vkeys=vkeys or (ROGUE_KEY,))


def cosigners(note: str, *vkeys: VerifierKey) -> list[str]:
    return list(checkpoint.cosigners(checkpoint.parse(note), vkeys))


def test_every_checkpoint_of_a_growing_log_is_cosigned_over_one_connection(
    honest: Witness, stage: Stage, make: Make
) -> None:
    rogue, log = stage(served(honest)), Growing()
    asking = make(peer(rogue, *honest.vkeys), quorum=1)
    asking.take_up(*log.grow(3), log.read)
    for count in (1, 5, 300, 1):
        note = asking.cosign(*log.grow(count), log.read)
        assert cosigners(note, *honest.vkeys) == ["witness.example/honest"]
    assert asking.status[0].cosigned_size == 310
    assert asking.retry_in() is None
    assert (rogue.connections, len(rogue.asked)) == (1, 6)  # the first checkpoint took two: its size was not known


def test_a_witness_that_missed_some_checkpoints_gets_a_proof_from_where_it_is(
    honest: Witness, stage: Stage, make: Make
) -> None:
    log = Growing()
    rogue = stage(served(honest))
    make(peer(rogue, *honest.vkeys)).take_up(*log.grow(7), log.read)
    log.grow(600)
    note = make(peer(rogue, *honest.vkeys)).take_up(*log.grow(10), log.read)
    assert cosigners(note, *honest.vkeys) == ["witness.example/honest"]


def lines_of(content: bytes, signer: keys.LogSigner, note: str | None = None) -> bytes:
    return checkpoint.cosign(
        checkpoint.parse(note) if note else witness.parse_request(content).note, signer, 5
    ).encode()


OTHER_NOTE = checkpoint.sign(Checkpoint(origin=ORIGIN, size=3, root=b"\7" * 32), SIGNER)
SIZES = itertools.count(1)
ROGUES: dict[str, tuple[Behaviour, str]] = {
    "a line over another checkpoint": (lambda c: (200, {}, lines_of(c, ROGUE, OTHER_NOTE)), "signature"),
    "a line of another key": (lambda c: (200, {}, lines_of(c, SIGNER)), "cosignature"),
    "no line": (lambda _: (200, {}, b""), "note"),
    "not even text": (lambda _: (200, {}, b"\xff\xfe"), "note"),
    "a second text": (lambda c: (200, {}, b"x\n\n" + lines_of(c, ROGUE)), "cosignature"),
    "more than a client reads": (lambda _: (200, {}, b"A" * 1_000_000), "witness-unreachable"),
    "less than it says": (
        lambda _: (200, {"content-length": "50", "connection": "close"}, b"A"),
        "witness-unreachable",
    ),
    "a redirect": (lambda _: (307, {"location": "http://127.0.0.1:1/"}, b""), "witness-unreachable"),
    "an error of its own": (lambda _: (500, {}, b""), "witness-unreachable"),
    "a log that it does not know": (lambda _: (404, {}, b""), "witness-refused"),
    "a proof that it does not take": (lambda _: (422, {}, b""), "witness-differs"),
    "a size that is none": (lambda _: (409, {}, b"-1\n"), "tree-size"),
    "another size each time": (lambda _: (409, {}, b"%d\n" % (next(SIZES) % 7 + 1)), "witness-refused"),
    "a size above ours": (lambda _: (409, {}, b"1000\n"), "witness-ahead"),
    "our size, with another root": (lambda _: (409, {}, b"40\n"), "witness-differs"),
}


@pytest.mark.parametrize("kind", ROGUES)
def test_what_one_witness_does_costs_its_own_line_only(kind: str, honest: Witness, stage: Stage, make: Make) -> None:
    behave, code = ROGUES[kind]
    log = Growing()
    peers = [peer(stage(behave)), peer(stage(served(honest)), *honest.vkeys)]
    asking = make(*peers, quorum=1)
    note = asking.cosign(*log.grow(40), log.read)
    assert cosigners(note, *honest.vkeys, ROGUE_KEY) == ["witness.example/honest"]
    assert [status.failing for status in asking.status] == [code, ""]
    assert asking.retry_in() is not None


@pytest.mark.parametrize("kind", ["a size above ours", "our size, with another root", "a proof that it does not take"])
def test_at_a_start_a_witness_that_knows_another_history_is_heeded(
    kind: str, honest: Witness, stage: Stage, make: Make
) -> None:
    behave, code = ROGUES[kind]
    log = Growing()
    asking = make(peer(stage(served(honest)), *honest.vkeys), peer(stage(behave)))
    with pytest.raises(HistoryError) as caught:
        asking.take_up(*log.grow(40), log.read)
    assert caught.value.code == code


def test_a_witness_that_never_answers_is_left_and_asked_again_only_when_it_is_done(
    honest: Witness, stage: Stage, make: Make
) -> None:
    release = threading.Event()

    def hang(_: bytes) -> Reply:
        release.wait(30)
        return 500, {}, b""

    log, silent = Growing(), stage(hang)
    asking = make(peer(silent), peer(stage(served(honest)), *honest.vkeys), quorum=1, timeout_s=0.5)
    for _ in range(2):
        note = asking.cosign(*log.grow(3), log.read)
        assert cosigners(note, *honest.vkeys) == ["witness.example/honest"]
    assert asking.status[0].failing == "witness-unreachable"
    assert len(silent.asked) == 1
    release.set()


def test_a_quorum_that_is_not_reached_says_so_and_keeps_the_lines_it_had(
    honest: Witness, stage: Stage, make: Make
) -> None:
    willing = threading.Event()

    def reluctant(content: bytes) -> Reply:
        return (200, {}, lines_of(content, ROGUE)) if willing.is_set() else (503, {}, b"")

    good, log = stage(served(honest)), Growing()
    peers = [peer(stage(reluctant)), peer(good, *honest.vkeys)]
    asking = make(*peers, quorum=2)
    note, tree = log.grow(3)
    with pytest.raises(EvidenceUnavailable) as caught:
        asking.cosign(note, tree, log.read)
    assert caught.value.code == "witness-quorum"
    asked = len(good.asked)
    willing.set()
    peers[0].retry_at = 0.0
    found = asking.cosign(note, tree, log.read)
    assert sorted(cosigners(found, *honest.vkeys, ROGUE_KEY)) == ["witness.example/honest", ROGUE.name]
    assert len(good.asked) == asked
    assert asking.again(tree, log.read) is None


def test_lines_of_a_published_checkpoint_are_not_lost_when_it_is_published_again(tmp_path: Path) -> None:
    directory, (note, _) = TileDirectory(tmp_path), Growing().grow(3)
    line = checkpoint.cosign(checkpoint.parse(note), ROGUE, 5)
    directory.replace_checkpoint(note + line)
    directory.replace_checkpoint(note)
    assert directory.read("checkpoint").decode() == note + line
    later = checkpoint.cosign(checkpoint.parse(note), ROGUE, 6)
    directory.replace_checkpoint(note + later)
    assert directory.read("checkpoint").decode() == note + later


@pytest.mark.parametrize("url", ["ftp://w", "http://", "http://w?x=1", "http://u@w", "http://[", "http://w:99999", "w"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(MalformedError):
        WitnessClient(url)
