"""Somebody who may write to the folders of the log, and nothing else, beside a running server: he gets no other file of the machine
published, has none deleted, and stops nobody's requests.
"""

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.storage import directory
from tests.integration.test_bad_input import lives
from tests.simulators.server import Server, catalogue, deployment, far_side, tenant

SECRET = "PRIVATE KEY"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with far_side() as url:
        config = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}}
        documents = catalogue({"n/one": deployment(url, model="one")})
        running = Server.start(Server.prepare(tmp_path_factory.mktemp("folder"), config, documents))
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.log_text


def got(server: Server, path: str) -> tuple[int, bytes]:
    """Status and content."""
    try:
        with urllib.request.urlopen(f"{server.url}/{path}", timeout=20) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


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


def test_partial_tiles_that_are_a_link_are_dropped_and_nothing_behind_it(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/one.pem").write_text(SECRET)
    (tmp_path / "log/tile/0").mkdir(parents=True)
    (tmp_path / "log/tile/0/000.p").symlink_to(tmp_path / "keys")
    directory.TileDirectory(tmp_path / "log").drop_partials("tile/0/000")
    assert (tmp_path / "keys/one.pem").read_text() == SECRET
    assert not (tmp_path / "log/tile/0/000.p").is_symlink()
