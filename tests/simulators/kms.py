"""A key service that answers ``GetPublicKey`` and ``Sign`` as AWS KMS does (JSON 1.1), with real keys, over real HTTP."""

import base64
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils


class KeyService:
    """Two keys, ``issuing`` and ``log``. ``failing``: HTTP status and error code with which it refuses everything."""

    def __init__(self) -> None:
        self.issuing = ec.generate_private_key(ec.SECP256R1())
        self.log = ed25519.Ed25519PrivateKey.generate()
        self.failing: tuple[int, str] | None = None
        self.calls: list[str] = []
        self.url = ""

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Members of the answer; raises ``KeyError`` for a key that there is not."""
        key, algorithm = {
            "issuing": (self.issuing, "ECDSA_SHA_256"),
            "log": (self.log, "ED25519_SHA_512"),
        }[asked["KeyId"]]
        if operation == "GetPublicKey":
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            der = key.public_key().public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined]
            return {"KeyId": asked["KeyId"], "PublicKey": _text(der), "SigningAlgorithms": [algorithm]}
        assert asked["SigningAlgorithm"] == algorithm
        message = base64.b64decode(asked["Message"])
        if isinstance(key, ed25519.Ed25519PrivateKey):
            assert asked["MessageType"] == "RAW"
            return {"Signature": _text(key.sign(message))}
        digest = {"RAW": hashes.SHA256(), "DIGEST": utils.Prehashed(hashes.SHA256())}[asked["MessageType"]]
        return {"Signature": _text(key.sign(message, ec.ECDSA(digest)))}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _handler(service: KeyService) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            operation = self.headers["x-amz-target"].removeprefix("TrentService.")
            service.calls.append(operation)
            if service.failing is not None:
                status, code = service.failing
                return self._send(status, {"__type": code, "message": "a message with arn:secret in it"})
            try:
                return self._send(200, service.answer(operation, asked))
            except KeyError:
                return self._send(400, {"__type": "NotFoundException", "message": "no such key"})

        def _send(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        log_message: Callable[..., None] = lambda *_: None

    return Handler


@contextmanager
def running() -> Iterator[KeyService]:
    """The service on a free port."""
    service = KeyService()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
