"""One witness over HTTP, from the log's side: keep-alive, bounded in time and size, and nothing followed.

Standard library only. A redirect is an answer like any other; proxies of the environment are not used. The certificate of an
``https`` address is checked against the system's authorities.
"""

import http.client
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

from audit.errors import MalformedError
from audit.witness import ADD_CHECKPOINT, MAX_ANSWER_BYTES

Unreachable = (OSError, http.client.HTTPException, ValueError)
"""What a witness that does not answer raises; ``ValueError``: a host name that cannot be encoded."""


class WitnessClient:
    """The connection to one witness. Not safe under threads, but for ``abort``."""

    def __init__(self, url: str) -> None:
        """Raises ``MalformedError`` unless ``url`` is an ``http`` or ``https`` address without query and fragment."""
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname, parts.port
        except ValueError as cause:
            raise MalformedError("expected the address of a witness", code="witness-url") from cause
        if parts.scheme not in ("http", "https") or not self._host or parts.query or parts.fragment or parts.username:
            raise MalformedError("expected an http or https address of a witness", code="witness-url")
        self._secure = parts.scheme == "https"
        self._path = parts.path.rstrip("/") + ADD_CHECKPOINT
        self._connection: http.client.HTTPConnection | None = None
        self._url = url

    def twin(self) -> "WitnessClient":
        """Another connection to the same witness."""
        return WitnessClient(self._url)

    def post(self, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Status and body of an answer. Raises ``Unreachable``, also where the body is over its limit."""
        deadline = time.monotonic() + timeout_s
        if self._connection is not None:
            try:
                return self._exchange(self._connection, content, deadline)
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()  # it was kept alive longer than the other side would; once more on a new one
        self._connection = self._new(timeout_s)
        return self._exchange(self._connection, content, deadline)

    def _new(self, timeout_s: float) -> http.client.HTTPConnection:
        assert self._host is not None
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout_s)

    def _exchange(self, connection: http.client.HTTPConnection, content: bytes, deadline: float) -> tuple[int, bytes]:
        try:
            connection.request("POST", self._path, content, {"content-type": "text/plain; charset=utf-8"})
            answer = connection.getresponse()
            body = bytearray()
            while chunk := answer.read1(MAX_ANSWER_BYTES):
                body += chunk
                if len(body) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                    raise TimeoutError("expected a short answer in time")
            if answer.length:
                raise http.client.IncompleteRead(bytes(body), answer.length)
            answer.close()  # reading in pieces does not, and then the connection could not be used again
        except BaseException:
            self.close()
            raise
        return answer.status, bytes(body)

    def abort(self) -> None:
        """Make whoever waits in ``post`` stop; for another thread."""
        connection = self._connection
        held = None if connection is None else connection.sock
        if held is not None:
            with suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
