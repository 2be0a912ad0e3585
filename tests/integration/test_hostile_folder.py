"""Somebody who may write to the folders of the log, and nothing else, beside a running server: he gets no other file of the machine
published, has none deleted, and stops nobody's requests.
"""

import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit.storage import directory
from tests.integration.test_bad_input import lives
from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

SECRET = "PRIVATE KEY"


@contextmanager
def running(url: str, folder: Path) -> Iterator[Server]:
    """A server of one tenant, killed at the end."""
    config = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}}
    started = Server.start(Server.prepare(folder, config, catalogue({"n/one": deployment(url, model="one")})))
    try:
        yield started
    finally:
        started.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with far_side() as url, running(url, tmp_path_factory.mktemp("folder")) as started:
        yield started
        assert started.stop() == 0
        assert "Traceback" not in started.log_text


def got(server: Server, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and content of what the tenant asks for."""
    headers = {"authorization": f"Bearer {key_of('de')}"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{server.url}/{path}", body, headers), timeout=20
        ) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def asked(server: Server) -> str:
    """Id of the record of a request."""
    body = {"model": "one", "messages": [{"role": "user", "content": "hello"}]}
    _, content = got(server, "v1/chat/completions", json.dumps(body).encode())
    return str(json.loads(content)["apostille"]["record"])


def linked(place: Path, secret: Path) -> None:
    place.symlink_to(secret)


def sparse(place: Path, _: Path) -> None:
    with place.open("wb") as file:
        file.truncate(1 << 40)


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "link": linked,
    "link-of-a-folder": lambda place, secret: place.symlink_to(secret.parent),
    "pipe": lambda place, _: os.mkfifo(place),
    "folder": lambda place, _: place.mkdir(),
    "sparse": sparse,
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", PLANTED)
def test_what_is_no_tile_is_not_served(server: Server, kind: str) -> None:
    secret = server.data / "keys/root.key.pem"
    assert SECRET in secret.read_text()
    place = server.data / "log/tile/0" / f"{900 + list(PLANTED).index(kind)}"
    PLANTED[kind](place, secret)
    answers: list[tuple[int, bytes]] = []
    asking = [
        threading.Thread(target=lambda: answers.append(got(server, f"log/tile/0/{place.name}"))) for _ in range(40)
    ]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    assert {status for status, _ in answers} == {404}
    assert not any(SECRET.encode() in content for _, content in answers)
    assert got(server, "log/checkpoint")[0] == 200
    lives(server)


@pytest.mark.parametrize("path", ["log/checkpoint", "log/tile/0/000.p"])
def test_a_log_that_somebody_damaged_is_no_defect_of_ours(tmp_path: Path, path: str) -> None:
    with far_side() as url, running(url, tmp_path) as server:
        lives(server)
        record = asked(server)
        while got(server, f"v1/records/{record}/sigstore")[0] != 200:
            time.sleep(0.05)
        place = server.data / path
        for each in (place,) if place.is_file() else place.iterdir():
            each.write_bytes(b"damaged")
        for what in ("proof", "sigstore"):
            status, content = got(server, f"v1/records/{record}/{what}")
            assert (status, json.loads(content)["error"]["code"]) == (503, "unreadable")
        assert "Traceback" not in server.log_text


def test_partial_tiles_that_are_a_link_are_dropped_and_nothing_behind_it(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/one.pem").write_text(SECRET)
    (tmp_path / "log/tile/0").mkdir(parents=True)
    (tmp_path / "log/tile/0/000.p").symlink_to(tmp_path / "keys")
    directory.TileDirectory(tmp_path / "log").drop_partials("tile/0/000")
    assert (tmp_path / "keys/one.pem").read_text() == SECRET
    assert not (tmp_path / "log/tile/0/000.p").is_symlink()
