"""A timestamp authority for tests: HTTP around ``openssl ts -reply``, which can also misbehave in every way that we refuse."""

import http.server
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_CONFIG = """\
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
other_policies = 1.2.3.4.2
digests = sha256
ess_cert_id_alg = sha256
[leaf]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
basicConstraints = CA:FALSE
"""

HUGE = 100_000_000
_BLOCK = bytes(65_536)


def needs_openssl() -> None:
    """Skip where there is no ``openssl``."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@dataclass
class Authority:
    """Keys of an authority in a folder. ``asked``: how often it was; ``mode``: how it answers; ``message``: what a token with
    another nonce is over."""

    folder: Path
    mode: str = "honest"
    asked: int = 0
    message: bytes = b""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def create(cls, folder: Path, *, days: str = "2") -> "Authority":
        """A root, and a certificate for timestamping below it that is valid for some days; negative: it has expired."""
        folder.mkdir(parents=True)
        (folder / "tsa.cnf").write_text(_CONFIG)
        (folder / "serial").write_text("01\n")
        for name in ("root", "tsa"):
            _openssl(folder, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        _openssl(
            folder, "req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=root", "-days", "9", "-out", "root.pem"
        )
        _openssl(folder, "req", "-new", "-key", "tsa.key", "-subj", "/CN=tsa", "-out", "tsa.csr")
        signed = ("-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "7", "-days", days)
        extended = ("-extfile", "tsa.cnf", "-extensions", "leaf")
        _openssl(folder, "x509", "-req", "-in", "tsa.csr", *signed, *extended, "-out", "tsa.pem")
        return cls(folder)

    @property
    def root(self) -> Path:
        """Certificate of its root."""
        return self.folder / "root.pem"

    def reply(self, query: bytes) -> bytes:
        """A response to a query, by openssl."""
        with self._lock, tempfile.TemporaryDirectory() as place:
            question, answer = Path(place) / "q", Path(place) / "r"
            question.write_bytes(query)
            _openssl(
                self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", str(question), "-out", str(answer)
            )
            return answer.read_bytes()

    def query(self, message: bytes) -> bytes:
        """A query of another client's, with a nonce of its own."""
        with tempfile.TemporaryDirectory() as place:
            data, question = Path(place) / "d", Path(place) / "q"
            data.write_bytes(message)
            _openssl(self.folder, "ts", "-query", "-data", str(data), "-sha256", "-cert", "-out", str(question))
            return question.read_bytes()

    def verifies(self, token: Path, data: Path) -> bool:
        """Whether ``openssl ts -verify`` accepts a token for some data."""
        command = ["openssl", "ts", "-verify", "-in", str(token), "-data", str(data), "-CAfile", str(self.root)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class _Server(http.server.ThreadingHTTPServer):
    def __init__(self, authority: Authority) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authority = authority


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["content-length"]))
        authority = self.server.authority
        authority.asked += 1
        match authority.mode:
            case "huge":
                self._send(200, b"", HUGE)
                with suppress(OSError):  # the other side has seen enough
                    for _ in range(HUGE // len(_BLOCK)):
                        self.wfile.write(_BLOCK)
                self.close_connection = True
            case "silent":
                time.sleep(1.5)
                self.close_connection = True
            case "slow":
                time.sleep(0.5)
                self._send(200, authority.reply(query))
            case "error":
                self._send(503, b"busy")
            case mode:
                self._send(200, _token(authority, mode, query))

    def _send(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/timestamp-reply")
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _token(authority: Authority, mode: str, query: bytes) -> bytes:
    match mode:
        case "garbage":
            return b"\x30\x82" + bytes(range(256)) * 4
        case "empty":
            return b""
        case "other-digest":
            return authority.reply(authority.query(b"another checkpoint"))
        case "other-nonce":
            return authority.reply(authority.query(authority.message))
    return authority.reply(query)


@contextmanager
def serving(authority: Authority) -> Iterator[str]:
    """Serve an authority; gives its address."""
    server = _Server(authority)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsr"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
