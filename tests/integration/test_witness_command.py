"""``apostille witness`` over real HTTP: statuses, media types, bounds, a kill between requests, and the right to refuse."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import checkpoint, keys, layout, witness
from audit.witness import MAX_REQUEST_BYTES
from audit.witness_store import origin_hash
from tests.simulators.witness import ORIGIN, SmallLog, WitnessProcess

LOG = SmallLog.of(40)
FORK = SmallLog.of(40, "another", keep=5)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[WitnessProcess]:
    found = WitnessProcess.start(WitnessProcess.prepare(tmp_path / "w1", "witness.example/w1", LOG.vkey))
    yield found
    found.kill()


def post(running: WitnessProcess, log: SmallLog, old: int, new: int) -> tuple[int, str, bytes]:
    return running.post(witness.format_request(log.request(old, new)))


def test_statuses_media_types_and_bodies_are_those_of_the_specification(running: WitnessProcess) -> None:
    vkeys = layout.vkeys_of(running.vkey_file.read_bytes())
    status, media, body = post(running, LOG, 0, 9)
    assert (status, media) == (200, "text/plain; charset=utf-8")
    assert len(witness.accept(body, LOG.note(9), vkeys)) == 2
    assert post(running, LOG, 0, 20) == (409, "text/x.tlog.size", b"9\n")
    assert post(running, FORK, 9, 9) == (409, "text/x.tlog.size", b"9\n")
    assert post(running, FORK, 9, 20)[0] == 422
    stranger = SmallLog(LOG.leaves, keys.log_signer("log.example/other"))
    assert post(running, stranger, 0, 9)[0] == 404
    thief = SmallLog(LOG.leaves, keys.log_signer(ORIGIN))
    assert post(running, thief, 9, 20)[0] == 403
    assert running.post(b"old 10\n\n" + LOG.note(9).raw.encode())[0] == 400
    assert running.post(b"nonsense")[0] == 400
    assert running.ask("GET", witness.ADD_CHECKPOINT)[0] == 405
    assert running.ask("GET", "/elsewhere")[0] == 404
    assert running.stop() == 0


def test_the_latest_checkpoint_can_be_looked_up_by_anyone(running: WitnessProcess) -> None:
    path = f"/{origin_hash(ORIGIN)}/checkpoint"
    assert running.ask("GET", path)[0] == 404
    post(running, LOG, 0, 9)
    status, _, body = running.ask("GET", path)
    note = checkpoint.parse_bytes(body)
    vkeys = layout.vkeys_of(running.vkey_file.read_bytes())
    assert (status, checkpoint.verify(note, [LOG.vkey, *vkeys])) == (200, LOG.tree(9))
    assert list(checkpoint.cosigners(note, vkeys)) == ["witness.example/w1"]


def test_a_body_over_the_limit_is_refused_and_the_next_request_answered(running: WitnessProcess) -> None:
    assert running.post(b"old 0\n" + b"A" * (MAX_REQUEST_BYTES + 100_000))[0] == 400
    assert post(running, LOG, 0, 9)[0] == 200


def test_a_killed_witness_remembers_what_it_answered(running: WitnessProcess) -> None:
    assert post(running, LOG, 0, 9)[0] == 200
    assert post(running, LOG, 9, 20)[0] == 200
    running.kill()
    again = WitnessProcess.start(running.folder)
    try:
        assert post(again, FORK, 20, 30)[0] == 422
        assert post(again, LOG, 9, 30) == (409, "text/x.tlog.size", b"20\n")
        assert post(again, LOG, 20, 30)[0] == 200
    finally:
        again.kill()


def test_a_folder_without_a_witness_is_refused_with_a_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "proxy.cli", "witness", "serve", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "witness-missing" in done.stderr
