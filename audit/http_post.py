"""One server that takes a body and gives a short one back, over HTTP: keep-alive, bounded in time and size, and nothing followed.

Standard library only. A redirect is an answer like any other; proxies of the environment are not used. The certificate of an
``https`` address is checked against the system's authorities.
"""

import http.client
import socket
import time
from contextlib import suppress
from urllib.parse import urlsplit

from audit.errors import MalformedError

Unreachable = (OSError, http.client.HTTPException, ValueError)
"""What a server that does not answer raises; ``ValueError``: a host name that cannot be encoded."""


class PostClient:
    """The connection to one server. Not safe under threads, but for ``abort``.

    ``what``: the server in words, for errors, whose code is ``code``. ``suffix``: what follows the path of the address.
    ``limit``: most bytes of an answer.
    """

    def __init__(self, url: str, *, what: str, code: str, media_type: str, limit: int, suffix: str = "") -> None:
        """Raises ``MalformedError`` unless ``url`` is an ``http`` or ``https`` address without query and fragment."""
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname, parts.port
        except ValueError as cause:
            raise MalformedError(f"expected the address of {what}", code=code) from cause
        if parts.scheme not in ("http", "https") or not self._host or parts.query or parts.fragment or parts.username:
            raise MalformedError(f"expected an http or https address of {what}", code=code)
        self._secure = parts.scheme == "https"
        self._path = (parts.path.rstrip("/") + suffix) if suffix else (parts.path or "/")
        self._media_type = media_type
        self._limit = limit
        self._connection: http.client.HTTPConnection | None = None

    @property
    def host(self) -> str:
        """Name of the server, in lower case."""
        assert self._host is not None
        return self._host

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
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self.host, self._port, timeout=timeout_s)

    def _exchange(self, connection: http.client.HTTPConnection, content: bytes, deadline: float) -> tuple[int, bytes]:
        try:
            connection.request("POST", self._path, content, {"content-type": self._media_type})
            answer = connection.getresponse()
            body = bytearray()
            while chunk := answer.read1(self._limit):
                body += chunk
                if len(body) > self._limit or time.monotonic() > deadline:
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
