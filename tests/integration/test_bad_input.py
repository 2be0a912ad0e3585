"""Bad input of every kind gets the right status and says what was expected; nothing of it is logged; the server lives."""

import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

CANARY = "canary-4711"
GOOD = {"model": "one", "messages": [{"role": "user", "content": f"say {CANARY}"}]}
PATH = "/v1/chat/completions"
MESSAGES = "/v1/messages"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with far_side() as url:
        config = {
            "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
            "traces": {"file": True},
        }
        documents = catalogue({"n/one": deployment(url, model="one")})
        running = Server.start(Server.prepare(tmp_path_factory.mktemp("bad"), config, documents))
        yield running
        assert running.stop() == 0
        assert CANARY not in running.log_text
        assert key_of("de") not in running.log_text


def post(
    server: Server, body: bytes, headers: dict[str, str] | None = None, path: str = PATH
) -> tuple[int, dict[str, object]]:
    """Status and error of a body sent as it stands."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    sent = {"authorization": f"Bearer {key_of('de')}", "content-type": "application/json", **(headers or {})}
    connection.request("POST", path, body=body, headers=sent)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content.get("error", {})


def lives(server: Server) -> None:
    assert post(server, json.dumps(GOOD).encode())[0] == 200


BODIES = {
    "not JSON": (b"{" + CANARY.encode(), 400, "invalid-json", "JSON"),
    "bad UTF-8": (b'{"model": "one", "messages": "\xff\xfe' + CANARY.encode() + b'"}', 400, "invalid-json", "UTF-8"),
    "a list": (b"[]", 400, "invalid-json", "object"),
    "no messages": (json.dumps({"model": "one", "messages": []}).encode(), 400, "invalid-type", "messages"),
    "wrong types": (json.dumps({**GOOD, "messages": CANARY}).encode(), 400, "invalid-type", "messages"),
    "wrong role": (json.dumps({**GOOD, "messages": [{"role": CANARY}]}).encode(), 400, "invalid-type", "role"),
    "wrong content": (
        json.dumps({**GOOD, "messages": [{"role": "user", "content": 7}]}).encode(),
        400,
        "invalid-type",
        "content",
    ),
    "wrong stream": (json.dumps({**GOOD, "stream": CANARY}).encode(), 400, "invalid-type", "stream"),
    "wrong limit": (json.dumps({**GOOD, "max_tokens": -1}).encode(), 400, "invalid-type", "from 1 to"),
    "n": (json.dumps({**GOOD, "n": 2}).encode(), 400, "unsupported-value", "`n`"),
    "another host": (
        json.dumps({**GOOD, "api_base": "http://127.0.0.1:1/"}).encode(),
        400,
        "unknown-parameter",
        "api_base",
    ),
    "another model": (json.dumps({**GOOD, "models": ["x"]}).encode(), 400, "unknown-parameter", "models"),
    "fallbacks": (json.dumps({**GOOD, "fallbacks": ["x"]}).encode(), 400, "unknown-parameter", "fallbacks"),
    "provider tool": (
        json.dumps({**GOOD, "tools": [{"type": "mcp", "server_url": "http://x"}]}).encode(),
        400,
        "unsupported-value",
        "client",
    ),
    "unknown model": (json.dumps({**GOOD, "model": "nobody"}).encode(), 404, "model-not-found", "/v1/models"),
    "unknown option": (json.dumps({**GOOD, "apostille": {"panle": 1}}).encode(), 400, "unknown-option", "panle"),
    "wrong option": (json.dumps({**GOOD, "apostille": {"mode": CANARY}}).encode(), 400, "invalid-option", "standard"),
    "misplaced option": (
        json.dumps({**GOOD, "apostille": {"min_panel": 2}}).encode(),
        400,
        "option-not-applicable",
        "`apostille.min_panel`: expected it with a composite such as `apostille/fusion`, got a single model",
    ),
    "unknown class": (
        json.dumps({**GOOD, "apostille": {"data_classes": ["helath"]}}).encode(),
        400,
        "unknown-data-class",
        "ethnicity, financial, genetic, health, ",
    ),
    "unknown purpose": (
        json.dumps({**GOOD, "apostille": {"purpose": "world-rule"}}).encode(),
        400,
        "unknown-purpose",
        "general",
    ),
    "10,000 messages": (
        json.dumps({**GOOD, "messages": GOOD["messages"] * 10_000}).encode(),
        413,
        "too-many-messages",
        "4096",
    ),  # type: ignore[operator]
    "deep": (b'{"model":"one","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid-json", "JSON"),
    "empty": (b"", 400, "invalid-json", "JSON"),
}


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_a_bad_body_says_what_was_expected(server: Server, kind: str) -> None:
    body, status, code, said = BODIES[kind]
    found, error = post(server, body)
    assert (found, error["code"]) == (status, code)
    assert said in str(error["message"])
    assert CANARY not in json.dumps(error)
    lives(server)


@pytest.mark.parametrize("kind", sorted(BODIES))
def test_a_bad_body_is_none_of_a_message_either(server: Server, kind: str) -> None:
    found, error = post(server, BODIES[kind][0], path=MESSAGES)
    assert (found, error["type"]) in ((400, "invalid_request_error"), (413, "request_too_large"))
    assert "expected" in str(error["message"])
    assert CANARY not in json.dumps(error)
    lives(server)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/v1/messages", "got `/v1` twice"),
        ("/chat/completions", "got one without `/v1`"),
        (f"/v1/{CANARY}", "expected a path of this API;"),
    ],
)
def test_a_base_url_with_and_without_the_version_is_told(server: Server, path: str, said: str) -> None:
    found, error = post(server, json.dumps(GOOD).encode(), path=path)
    assert (found, error["code"]) == (404, "not-found")
    assert said in str(error["message"])
    assert CANARY not in json.dumps(error)


def test_a_request_that_no_model_can_serve_says_what_is_missing(server: Server) -> None:
    body = {**GOOD, "model": "apostille/auto", "max_tokens": 10_000_000}
    found, error = post(server, json.dumps(body).encode())
    assert (found, error["code"]) == (451, "no-capable-model")
    assert "none takes an answer of 10000000 tokens." in str(error["message"])


def test_50_megabytes_are_refused_without_being_read(server: Server) -> None:
    place = urlsplit(server.url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 80), timeout=10) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key_of('de')}\r\ncontent-length: {50 << 20}\r\n\r\n"
        connection.sendall(head.encode() + b" " * 1000)
        answer = b""
        while not answer.endswith(b"}") and (part := connection.recv(65_536)):
            answer += part
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"20971520" in answer
    lives(server)


def test_a_body_that_grows_past_the_limit_is_refused(server: Server) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)

    def parts() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * (1 << 20)

    try:
        connection.request(
            "POST", PATH, body=parts(), headers={"authorization": f"Bearer {key_of('de')}"}, encode_chunked=True
        )
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server answered and closed while we were still sending
    finally:
        connection.close()
    lives(server)


@pytest.mark.parametrize(
    "given", [None, "", "Basic abc", "Bearer ", "Bearer ap-wrong", "Bearer a.b.c", "Bearer " + "x" * 10_000]
)
def test_a_missing_or_wrong_key_is_a_401(server: Server, given: str | None) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    headers = {} if given is None else {"authorization": given}
    connection.request("POST", PATH, body=json.dumps(GOOD), headers=headers)
    response = connection.getresponse()
    error = json.loads(response.read())["error"]
    connection.close()
    assert response.status == 401
    assert error["code"] in ("missing-api-key", "invalid-api-key")
    assert "ap-wrong" not in json.dumps(error)
    lives(server)


def test_headers_cannot_be_injected(server: Server) -> None:
    """What a client names comes back in no header, and a split header is refused by the parser."""
    for name in ("one\r\nx-evil: 1", "one\nx-evil: 1", "one\x00"):
        status, error = post(server, json.dumps({**GOOD, "model": name}).encode())
        assert (status, error["code"]) == (400, "invalid-type")
    place = urlsplit(server.url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 80), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\napostille-jurisdiction: US\x00\r\n\r\n")
        assert b" 400 " in connection.recv(65_536).split(b"\r\n")[0]
    lives(server)


def test_a_jurisdiction_header_of_a_stranger_is_on_record_and_does_not_count(server: Server) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    headers = {"authorization": f"Bearer {key_of('de')}", "apostille-jurisdiction": "US, <script>"}
    connection.request("POST", PATH, body=json.dumps(GOOD), headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    assert (response.status, response.headers["apostille-jurisdictions"]) == (200, "DE")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/nothing", 404),
        ("GET", "/log/../keys/root.key.pem", 404),
        ("GET", "/log/tile/%2e%2e/%2e%2e/keys/log.key.pem", 404),
        ("GET", "/log/tile/0/000/../../../keys/log.key.pem", 404),
        ("GET", "/v1/records/" + "x" * 500, 401),
        ("GET", "/healthz", 200),
        ("GET", "/log/checkpoint", 200),
    ],
)
def test_paths_and_methods(server: Server, method: str, path: str, status: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    connection.request(method, path)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    assert response.status == status
    assert b"PRIVATE" not in content


def test_nothing_of_the_content_is_in_the_data_directory(server: Server) -> None:
    lives(server)
    for place in server.data.rglob("*"):
        if place.is_file():
            assert CANARY.encode() not in place.read_bytes(), place
