"""A proxy and its witnesses, each a process: what is published is cosigned; forks and restored copies refuse to start."""

import http.client
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from audit import checkpoint, founding, layout, proofs, witness
from audit.checkpoint import SignedNote
from audit.folder import directory_files
from audit.log import Log
from audit.request_check import proof_of
from audit.tiles import TileReader
from audit.witness import AddCheckpoint
from audit.witness_client import WitnessClient
from audit.witnessing import Peer, Witnesses
from tests.simulators.server import Server, apostille, catalogue, deployment, far_side, key_of, tenant
from tests.simulators.small_log import decision
from tests.simulators.witness import WitnessProcess

TENANTS = {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with far_side() as url:
        yield url


class Scene:
    """A proxy's folder and the witnesses of its log."""

    def __init__(self, folder: Path, upstream: str, names: tuple[str, ...], log: dict[str, object]) -> None:
        self.folder = folder
        config = {"tenants": TENANTS}
        self.config = Server.prepare(folder / "proxy", config, catalogue({"n/one": deployment(upstream, model="one")}))
        self.vkey = layout.vkeys_of((folder / "proxy/data/keys/log.vkey").read_bytes())
        self.witnesses = [
            WitnessProcess.start(WitnessProcess.prepare(folder / n, f"witness.example/{n}", *self.vkey)) for n in names
        ]
        asked = [{"url": w.url, "vkey_file": str(w.vkey_file)} for w in self.witnesses]
        document = {"log": {"publish_interval_ms": 100, "witnesses": asked, "witness_timeout_ms": 5000, **log}}
        text = self.config.read_text()
        assert "log:\n  publish_interval_ms: 100\n" in text
        self.config.write_text(
            text.replace("log:\n  publish_interval_ms: 100\n", f"log: {json.dumps(document['log'])}\n")
        )
        self.servers: list[Server] = []

    @property
    def data(self) -> Path:
        return self.folder / "proxy" / "data"

    def start(self) -> Server:
        self.servers.append(Server.start(self.config))
        return self.servers[-1]

    def refused(self) -> str:
        found = apostille("serve", "--config", str(self.config))
        assert found.returncode == 2, found.stderr
        return found.stderr

    def end(self) -> None:
        for each in (*self.servers, *self.witnesses):
            with suppress(ProcessLookupError):
                each.kill()

    def named(self) -> list[str]:
        return [option for w in self.witnesses for option in ("--witness", str(w.vkey_file))]

    def cosigned(self, content: bytes) -> list[str]:
        keys = [key for w in self.witnesses for key in layout.vkeys_of(w.vkey_file.read_bytes())]
        return sorted(checkpoint.cosigners(checkpoint.parse_bytes(content), keys))


@pytest.fixture
def scene(tmp_path: Path, upstream: str) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(*names: str, **log: object) -> Scene:
        made.append(Scene(tmp_path, upstream, names, log))
        return made[-1]

    yield make
    for each in made:
        each.end()


def ask(server: Server, method: str = "POST", path: str = "/v1/chat/completions") -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    body = (
        json.dumps({"model": "one", "messages": [{"role": "user", "content": "hello"}]}) if method == "POST" else None
    )
    try:
        connection.request(method, path, body, {"authorization": f"Bearer {key_of('de')}"})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("expected it to hold within half a minute")


def published(server: Server) -> SignedNote:
    return checkpoint.parse_bytes(ask(server, "GET", "/log/checkpoint")[2])


def size_of(note: SignedNote) -> int:
    return checkpoint.parse_text(note.text).size


def test_what_is_published_is_cosigned_and_a_quorum_verifies(scene: Callable[..., Scene], tmp_path: Path) -> None:
    stage = scene("w1", "w2")
    server = stage.start()
    for _ in range(3):
        status, headers, _ = ask(server)
        assert status == 200
    until(lambda: ask(server, "GET", f"/v1/records/{headers['apostille-record']}/proof?kind=result")[0] == 200)
    proof = ask(server, "GET", f"/v1/records/{headers['apostille-record']}/proof")[2]
    both = ["witness.example/w1", "witness.example/w2"]
    assert stage.cosigned(published(server).raw.encode()) == both, server.log_text
    proven = proofs.parse(proof)
    assert stage.cosigned(proven.note.raw.encode()) == both
    reader = TileReader(lambda path: (stage.data / "log" / path).read_bytes(), size_of(proven.note))
    proofs.verify(proven, reader.entry(proven.index))
    health = json.loads(ask(server, "GET", "/healthz")[2])
    assert [(w["name"], w["failing"]) for w in health["witnesses"]] == [(name, "") for name in both]
    assert server.stop() == 0, server.log_text

    content = (stage.data / "log/checkpoint").read_bytes()
    assert stage.cosigned(content) == both
    data = ["--data", str(stage.data)]
    assert apostille("bundle", "--out", str(tmp_path / "bundle"), *data).returncode == 0
    for target in (data, [headers["apostille-record"], *data], [str(tmp_path / "bundle")]):
        found = apostille("verify", *target, *stage.named(), "--quorum", "2")
        assert found.returncode == 0, found.stdout + found.stderr
        assert apostille("verify", *target, "--quorum", "2").returncode == 0  # by the keys beside the log
    assert stage.start().stop() == 0


def test_a_witness_that_is_away_stops_nothing_and_catches_up(scene: Callable[..., Scene]) -> None:
    stage = scene("w1", witness_timeout_ms=500)
    (away,) = stage.witnesses
    away.kill()
    server = stage.start()
    assert ask(server)[0] == 200
    until(lambda: size_of(published(server)) >= 4)
    assert stage.cosigned(published(server).raw.encode()) == []
    health = json.loads(ask(server, "GET", "/healthz")[2])
    assert (health["status"], health["witnesses"][0]["failing"]) == ("ok", "witness-unreachable")
    stage.witnesses[0] = WitnessProcess.start(away.folder, away.port)
    until(lambda: stage.cosigned(published(server).raw.encode()) == ["witness.example/w1"])
    assert server.stop() == 0


def older_copy(stage: Scene) -> Path:
    """The whole data directory as it is now, with its log."""
    copy = stage.folder / "copy"
    shutil.copytree(stage.data, copy)
    return copy


def restore(stage: Scene, copy: Path) -> None:
    shutil.rmtree(stage.data)
    shutil.copytree(copy, stage.data)


def test_a_restored_older_copy_refuses_to_start_because_a_witness_has_more(scene: Callable[..., Scene]) -> None:
    stage = scene("w1")
    assert stage.start().stop() == 0
    copy = older_copy(stage)
    server = stage.start()
    assert ask(server)[0] == 200
    assert server.stop() == 0
    restore(stage, copy)
    before = (stage.data / "log/checkpoint").read_bytes()
    assert "witness-ahead" in stage.refused()
    assert (stage.data / "log/checkpoint").read_bytes() == before


def test_a_fork_is_refused_by_the_witness_and_by_its_own_next_start(scene: Callable[..., Scene]) -> None:
    stage = scene("w1")
    (judge,) = stage.witnesses
    assert stage.start().stop() == 0
    copy = older_copy(stage)
    server = stage.start()
    assert ask(server)[0] == 200
    assert server.stop() == 0
    seen = size_of(checkpoint.parse_bytes((stage.data / "log/checkpoint").read_bytes()))

    forked = Log.open(copy, publish_interval_s=0.02)  # the same keys, and no witness to ask
    for i in range(12):
        forked.append_now(decision(f"r-{i}"))
    forked.close()
    note = checkpoint.parse_bytes((copy / "log/checkpoint").read_bytes())
    assert size_of(note) > seen
    read = lambda path: (copy / "log" / path).read_bytes()  # noqa: E731
    proof = TileReader(read, size_of(note)).consistency_proof(seen)
    request = AddCheckpoint(old=seen, proof=proof, note=checkpoint.only(note, stage.vkey))
    assert judge.post(witness.format_request(request))[0] == 422
    stale = AddCheckpoint(old=0, proof=(), note=request.note)
    assert judge.post(witness.format_request(stale)) == (409, "text/x.tlog.size", b"%d\n" % seen)

    restore(stage, copy)
    assert "witness-differs" in stage.refused()


def test_a_required_quorum_fails_closed_and_recovers_by_itself(scene: Callable[..., Scene]) -> None:
    stage = scene("w1", witness_quorum=1, witness_timeout_ms=500, witness_grace_ms=200)
    server = stage.start()
    assert ask(server)[0] == 200
    until(lambda: size_of(published(server)) >= 5)
    (away,) = stage.witnesses
    away.kill()
    held = published(server)
    until(lambda: ask(server)[0] == 503)
    status, _, body = ask(server)
    assert (status, json.loads(body)["error"]["code"]) == (503, "witness-quorum")
    assert ask(server, "GET", "/healthz")[0] == 503
    assert stage.cosigned(published(server).raw.encode()) == ["witness.example/w1"]
    assert published(server).text == held.text
    stage.witnesses[0] = WitnessProcess.start(away.folder, away.port)
    until(lambda: ask(server)[0] == 200)
    until(lambda: size_of(published(server)) > size_of(held))
    stage.witnesses[0].kill()
    assert ask(server)[0] in (200, 503)
    assert server.stop() == 0
    assert stage.cosigned((stage.data / "log/checkpoint").read_bytes()) == ["witness.example/w1"]
    assert "witness-quorum" in stage.refused()
    assert stage.cosigned((stage.data / "log/checkpoint").read_bytes()) == ["witness.example/w1"]


def test_logs_of_scopes_are_cosigned_and_wait_for_no_witness(tmp_path: Path) -> None:
    root, name = tmp_path / "data", "acme-eu-2026"
    founding.init(root, origin="log.example/test")
    main = layout.vkeys_of((root / "keys/log.vkey").read_bytes())
    held = WitnessProcess.start(WitnessProcess.prepare(tmp_path / "w", "witness.example/w", *main))
    vkeys = layout.vkeys_of(held.vkey_file.read_bytes())
    asked = Witnesses([Peer(client=WitnessClient(held.url), vkeys=vkeys)], timeout_s=10)
    log = Log.open(root, publish_interval_s=0.02, witnesses=asked)
    place = root / layout.SCOPES / name

    def state() -> tuple[int, bool]:
        """Size of the scope's published log, and whether it is cosigned."""
        if not (place / "checkpoint").exists():
            return 0, False
        note = checkpoint.parse((place / "checkpoint").read_text())
        return size_of(note), bool(checkpoint.cosigners(note, vkeys))

    try:
        log.append_now(replace(decision("r-1"), scopes=(name,)))
        until(lambda: state() == (1, True))
        port = held.port
        held.kill()
        log.append_now(replace(decision("r-2"), scopes=(name,)))
        until(lambda: state() == (2, False))
        held = WitnessProcess.start(held.folder, port)
        until(lambda: state() == (2, True))  # though nothing new came into the log
    finally:
        log.close()
        held.kill()
    note = checkpoint.parse((place / "checkpoint").read_text())
    proven = proofs.parse(proof_of(directory_files(place), note, 1))
    assert list(checkpoint.cosigners(proven.note, vkeys)) == ["witness.example/w"]
