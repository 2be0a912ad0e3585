"""Acts of an operator on a log that a server holds: over a socket in the data directory, which its owner alone can reach.

One process holds a data directory, so a command cannot open the log beside it. It asks that process, over ``control.sock`` (mode
0600), and the process looks at who asks (``SO_PEERCRED``): itself or root. Nothing is added by this that the owner of the files
could not do after stopping the server, and nothing listens on the network. A line of JSON goes each way.
"""

import contextlib
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.errors import AuditError, MalformedError, UnreadableError

SOCKET = "control.sock"
"""Of the one process that holds a directory; where several share one, each has its own: ``socket_of``."""
MAX_LINE = 65_536
TIMEOUT_S = 30.0
_LONGEST_PATH = 100
"""Bytes that an address of a Unix socket holds, with some to spare; a longer one goes by way of the folder's descriptor."""

_log = logging.getLogger(__name__)

Acts = Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]
"""What may be asked for, by name. Each takes and gives a JSON object; raises ``AuditError``."""


def socket_of(instance: str | None) -> str:
    """Name of the socket of a process: of the replica called ``instance``, where several share a data directory."""
    return SOCKET if instance is None else f"control-{instance}.sock"


class Control:
    """Answers acts until it is closed, one at a time, on its own thread."""

    def __init__(self, root: Path, acts: Acts, name: str = SOCKET) -> None:
        """Raises ``OSError``. For the process whose name it is only: a socket that is there is a dead one's."""
        self._acts = acts
        self._place = root / name
        self._place.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            with _address(self._place) as address:
                self._listener.bind(address)
        finally:
            os.umask(before)
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._run, name="log-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(TIMEOUT_S)
                try:
                    self._answer(connection)
                except OSError as error:
                    _log.warning("a command was not answered: %s", error)

    def _answer(self, connection: socket.socket) -> None:
        try:
            _check_peer(connection)
            asked = _read(connection)
            act = self._acts.get(str(asked.get("act")))
            if act is None:
                raise MalformedError("expected an act that this server knows", code="act-unknown")
            _log.warning("asked by its operator: %s", asked["act"])
            answer: Mapping[str, Any] = {"ok": act(asked)}
        except AuditError as error:
            answer = {"error": {"code": error.code, "message": str(error)}}
        except Exception:  # noqa: BLE001  # a defect in an act must not end the answering of others
            _log.exception("an act failed")
            answer = {"error": {"code": "internal-error", "message": "a defect; the server's log has its trace"}}
        connection.sendall(json.dumps(answer).encode() + b"\n")


def ask(place: Path, act: str, **more: object) -> Mapping[str, Any]:
    """Have the server whose socket is at ``place`` do something.

    Raises ``UnreadableError`` (``no-server``) if none answers, ``MalformedError`` with the code that it gave.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            with _address(place) as address:
                connection.connect(address)
            connection.sendall(json.dumps({"act": act, **more}).encode() + b"\n")
            answer = _read(connection)
        except OSError as cause:
            raise UnreadableError(
                f"expected a server that answers at `{place}`, none does", code="no-server"
            ) from cause
    if "error" in answer:
        raise MalformedError(str(answer["error"].get("message")), code=str(answer["error"].get("code")))
    found: Mapping[str, Any] = answer["ok"]
    return found


@contextlib.contextmanager
def _address(place: Path) -> Iterator[str]:
    if len(os.fsencode(place)) <= _LONGEST_PATH:
        yield str(place)
        return
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)


def _check_peer(connection: socket.socket) -> None:
    """Whoever asks is this process's user, or root."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    if user not in (0, os.geteuid()):
        raise MalformedError("expected a command of the server's own user", code="act-forbidden")


def _read(connection: socket.socket) -> dict[str, Any]:
    content = b""
    while not content.endswith(b"\n"):
        chunk = connection.recv(4096)
        content += chunk
        if not chunk or len(content) > MAX_LINE:
            raise MalformedError("expected one line of JSON", code="act-malformed")
    try:
        value = json.loads(content)
    except ValueError as cause:
        raise MalformedError("expected one line of JSON", code="act-malformed") from cause
    if not isinstance(value, dict):
        raise MalformedError("expected a JSON object", code="act-malformed")
    return value
