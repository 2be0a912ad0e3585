"""A witness's address with anything behind it: honest, lying, slow, endless. Real HTTP with keep-alive, in this process."""

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Reply = tuple[int, dict[str, str], bytes]
Behaviour = Callable[[bytes], Reply]


@dataclass
class Rogue:
    """What was asked, and over how many connections."""

    url: str = ""
    asked: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextmanager
def behaving(behave: Behaviour) -> Iterator[Rogue]:
    """Serve on a free port."""
    rogue = Rogue()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            rogue.connections += 1
            super().setup()

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            rogue.asked.append(content)
            status, headers, body = behave(content)
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    rogue.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield rogue
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
