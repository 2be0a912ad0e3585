"""Another provider's API through the translating transport: a simulated Anthropic server, real litellm, no network at import."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from audit.vocabulary import Role
from proxy.core import enforcement
from proxy.core.catalogue import Capabilities, Deployment, Price, TransportKind
from proxy.core.enforcement import AdmittedCall
from proxy.transports.base import UpstreamError, UpstreamRequest
from proxy.transports.litellm import LiteLLMTransport
from proxy.wire import completion
from proxy.wire.event_stream import EventStream

SECRET = "sk-ant-very-secret"


class Anthropic(BaseHTTPRequestHandler):
    """Messages API: answers, streams, or fails as the last user text says."""

    protocol_version = "HTTP/1.1"
    keys: ClassVar[list[str]] = []
    geos: ClassVar[list[object]] = []

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.keys.append(str(self.headers.get("x-api-key")))
        self.geos.append(body.get("inference_geo"))
        text = json.dumps(body["messages"][-1]["content"])
        for status, kind in ((429, "rate_limit_error"), (529, "overloaded_error"), (401, "authentication_error")):
            if str(status) in text:
                self._json(status, {"type": "error", "error": {"type": kind, "message": "no " + SECRET}})
                return
        if "long" in text:
            error = {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 4 maximum"}
            self._json(400, {"type": "error", "error": error})
            return
        if body.get("stream"):
            self._stream()
            return
        self._json(
            200,
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": [{"type": "text", "text": "forty-two"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 11, "output_tokens": 3},
            },
        )

    def _json(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self) -> None:
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "usage": {"input_tokens": 11, "output_tokens": 1},
        }
        events = [
            ("message_start", {"message": message}),
            ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}),
            ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "forty-"}}),
            ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "two"}}),
            ("content_block_stop", {"index": 0}),
            ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
            ("message_stop", {}),
        ]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for kind, data in events:
            self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Anthropic)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def call(url: str, defaults: Mapping[str, str] = MappingProxyType({})) -> AdmittedCall:
    """An admitted call; only a test of a transport makes one by hand."""
    deployment = Deployment(
        id="anthropic/x",
        model="x",
        developer="anthropic",
        operator="anthropic",
        provider="anthropic",
        regions=("US",),
        transport=TransportKind.LITELLM,
        base_url=url,
        upstream_model="anthropic/claude-sonnet-4-5",
        api_key_env="KEY",
        price=Price(input_micro_usd=1, output_micro_usd=1),
        capabilities=Capabilities(context=1000, max_output=100),
        defaults=defaults,
    )
    seal = enforcement._SEAL
    return AdmittedCall(leg="author", role=Role.AUTHOR, deployment=deployment, obligations=(), seal=seal)


async def through(
    url: str, text: str, *, stream: bool = False, defaults: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    transport = LiteLLMTransport({"KEY": SECRET})
    request = UpstreamRequest(
        body={"messages": [{"role": "user", "content": text}], "max_tokens": 20}, stream=stream, timeout_s=30
    )
    response = await transport.open(call(url, defaults), request)
    content = b"".join([chunk async for chunk in response.chunks()])
    await response.aclose()
    return content


@pytest.mark.filterwarnings("ignore")
async def test_an_answer_comes_in_openais_shape_with_usage(url: str) -> None:
    found = completion.parse(await through(url, "hello"))
    assert found.text == "forty-two"
    assert found.usage is not None
    assert (found.usage.tokens_in, found.usage.tokens_out) == (11, 3)
    assert SECRET in Anthropic.keys


@pytest.mark.filterwarnings("ignore")
async def test_the_place_that_a_catalogue_promises_is_sent(url: str) -> None:
    await through(url, "hello", defaults={"inference_geo": "us"})
    assert Anthropic.geos[-1] == "us"


@pytest.mark.filterwarnings("ignore")
async def test_a_stream_is_openai_events_with_an_end_mark(url: str) -> None:
    events = EventStream(keep_usage=True)
    content = events.feed(await through(url, "hello", stream=True))
    assert events.done
    pieces = [json.loads(line[6:]) for line in content.decode().splitlines() if line.startswith("data: ")]
    assert "".join(c["delta"].get("content") or "" for p in pieces for c in p["choices"]) == "forty-two"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("429", "upstream-rate-limited"),
        ("529", "upstream-server-error"),
        ("401", "upstream-misconfigured"),
        ("long", "context-overflow"),
    ],
)
async def test_errors_are_mapped_and_their_text_is_dropped(url: str, text: str, code: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        await through(url, text)
    assert caught.value.code == code
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}},
        {"type": "image_url", "image_url": "HTTP://127.0.0.1:1/"},
        {"type": "file", "file": {"file_id": "gs://bucket/object"}},
        {"type": "file", "file": {"file_data": "file:///etc/passwd"}},
    ],
)
async def test_an_address_in_a_message_is_never_fetched_from_here(url: str, part: dict[str, Any]) -> None:
    transport = LiteLLMTransport({"KEY": SECRET})
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "see http://x"}, part]}]}
    with pytest.raises(UpstreamError, match="got an address"):
        await transport.open(call(url), UpstreamRequest(body=body, stream=False, timeout_s=5))


def test_importing_it_connects_to_nobody() -> None:
    script = """
import socket, sys
def refuse(*a, **k): raise SystemExit("a connection at import: " + repr(a[1:]))
socket.socket.connect = refuse
socket.create_connection = refuse
from proxy.transports.litellm import _import
_import()
print("quiet")
"""
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "quiet", found.stderr[-2000:]
