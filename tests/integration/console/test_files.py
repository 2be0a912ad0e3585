"""The console as a server gives it: files of a fixed table with strict headers, and nothing where it is off."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from proxy.api import console
from tests.simulators.server import Server, catalogue, deployment, tenant

FILES = sorted(place.name for place in console.STATIC.iterdir())


@contextmanager
def running(folder: Path, *, on: bool = True) -> Iterator[str]:
    """The address of a server without requests."""
    config = {
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
        "server": {"port": 0, **({} if on else {"console": False})},
    }
    documents = catalogue({"n/a": deployment("http://127.0.0.1:1/v1", model="good")})
    server = Server.start(Server.prepare(folder, config, documents))
    try:
        yield server.url
    finally:
        assert server.stop() == 0, server.log_text


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("console")) as found:
        yield found


def fetched(url: str, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """The answer to a path as it stands, which no client library tidies up."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


@pytest.mark.parametrize("name", ["", *FILES])
def test_every_file_comes_with_strict_headers(url: str, name: str) -> None:
    response, content = fetched(url, f"/console/{name}")
    assert (response.status, content) == (200, (console.STATIC / (name or "index.html")).read_bytes())
    policy = dict(each.split(" ", 1) for each in response.headers["content-security-policy"].split("; "))
    assert policy.pop("default-src") == "'none'"
    assert {policy[each] for each in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert {policy[each] for each in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert "unsafe" not in str(policy)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"
    again, empty = fetched(url, f"/console/{name}", if_none_match=response.headers["etag"])
    assert (again.status, empty) == (304, b"")


def test_the_place_without_its_slash_leads_there(url: str) -> None:
    response, _ = fetched(url, "/console")
    assert (response.status, response.headers["location"]) == (308, "/console/")


@pytest.mark.parametrize(
    "path",
    [
        "/console/../api/console.py",
        "/console/..%2fapi%2fconsole.py",
        "/console/static/app.js",
        "/console/%2e%2e/%2e%2e/pyproject.toml",
        "/console//etc/passwd",
        "/console/nothing.js",
    ],
)
def test_nothing_but_the_table_is_served(url: str, path: str) -> None:
    response, content = fetched(url, path)
    assert (response.status, b"not-found" in content) == (404, True)
    assert fetched(url, "/console/app.js", "POST")[0].status == 405


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    with running(tmp_path, on=False) as url:
        for path in ("/console", "/console/", "/console/app.js"):
            assert fetched(url, path)[0].status == 404


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_short_and_has_nothing_inside_that_its_policy_forbids(name: str) -> None:
    text = (console.STATIC / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) < 250
    assert Path(name).suffix in console.MEDIA_TYPES
    if name.endswith(".html"):
        assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?:", text)
    if name.endswith(".js"):
        assert max(map(len, text.splitlines())) <= 134
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|localStorage", text)
        assert set(re.findall(r'from "([^"]+)"', text)) <= {f"./{each}" for each in FILES}
