"""A wire that fails when it is told to: a TCP relay before a server, with the failures that a network has.

It can lose the answer to a message that arrived, cut before a message arrives, or swallow everything and keep the line open.
"""

import contextlib
import socket
import threading
from types import TracebackType


class Cutter:
    """A relay on a free port of the loopback interface. Each failure happens once, to the connection that meets it."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lost = b""
        self._cut = b""
        self._swallowing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Cutter":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        self.cut()

    def lose_answer_to(self, message: bytes) -> None:
        """Pass the next message with these bytes on, and cut before its answer comes back."""
        self._lost = message

    def cut_before(self, message: bytes) -> None:
        """Cut instead of passing the next message with these bytes on."""
        self._cut = message

    def swallow(self) -> None:
        """From now on nothing passes, and no line is closed."""
        self._swallowing.set()

    def cut(self) -> None:
        """Cut every line."""
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._open += [client, server]
            answering = threading.Event()
            answering.set()
            threading.Thread(target=self._requests, args=(client, server, answering), daemon=True).start()
            threading.Thread(target=self._answers, args=(server, client, answering), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, answering: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while content := client.recv(1 << 16):
                if self._swallowing.is_set():
                    continue
                if self._cut and self._cut in content:
                    self._cut = b""
                    break
                if self._lost and self._lost in content:
                    self._lost = b""
                    answering.clear()
                server.sendall(content)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
            client.shutdown(socket.SHUT_RDWR)

    def _answers(self, server: socket.socket, client: socket.socket, answering: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while content := server.recv(1 << 16):
                if not answering.is_set():
                    break
                if not self._swallowing.is_set():
                    client.sendall(content)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
