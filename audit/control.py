"""Acts of an operator on a log that a server holds: over a socket in the data directory, which its owner alone can reach.

One process holds a data directory, so a command cannot open the log beside it. It asks that process, over ``control.sock`` (mode
0600), and the process looks at who asks (``SO_PEERCRED``): itself or root. Nothing is added by this that the owner of the files
could not do after stopping the server, and nothing listens on the network. A line of JSON goes each way.

Whoever asked and got no answer does not know whether it was done (``unanswered``), and must not do it again by another way; where
nobody was asked (``no-server``) nothing was.
"""

import contextlib
import json
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audit import canonical
from audit.errors import AuditError, MalformedError, UnreadableError

SOCKET = "control.sock"
"""Of the one process that holds a directory; where several share one, each has its own: ``socket_of``."""
NO_SERVER, UNANSWERED = "no-server", "unanswered"
MAX_LINE = 65_536
LINE_S = 5.0
"""Longest wait for a whole command, however slowly it comes: one connection is served at a time."""
ANSWER_S = 60.0
"""Longest wait for what a server makes of a command; more than one may wait before ours."""
PAUSE_S = 0.2
"""Between tries of a process that has no descriptor left for a connection."""
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
        self._closing = False
        self._lock = threading.Lock()
        self._current: socket.socket | None = None
        self._listener = _listening(self._place)
        self._inode = self._place.lstat().st_ino
        self._thread = threading.Thread(target=self._run, name="log-control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more. An act under way is carried out and answered; half a command is not waited for."""
        with contextlib.suppress(OSError):  # another process of our name may have taken the place of this one
            if self._place.lstat().st_ino == self._inode:
                self._place.unlink()
        with self._lock:
            self._closing = True
            if self._current is not None:
                _shut(self._current, socket.SHUT_RD)
        _shut(self._listener, socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closing:
                    return
                _log.warning("a command cannot be taken now: %s", error.strerror)
                time.sleep(PAUSE_S)
                continue
            with connection:
                if not self._take(connection):
                    return
                try:
                    self._answer(connection)
                except OSError as error:
                    _log.warning("a command was not answered: %s", error.strerror)
                finally:
                    self._take(None)

    def _take(self, connection: socket.socket | None) -> bool:
        """Whether commands are still taken; ``connection``: the one that is served now."""
        with self._lock:
            self._current = connection
            return not self._closing

    def _answer(self, connection: socket.socket) -> None:
        try:
            _check_peer(connection)
            asked = _read(connection, LINE_S)
            act = self._acts.get(str(asked.get("act")))
            if act is None:
                raise MalformedError("expected an act that this server knows", code="act-unknown")
            _log.warning("asked by its operator: %s", asked["act"])
            answer: Mapping[str, Any] = {"ok": act(asked)}
        except AuditError as error:
            answer = {"error": {"code": error.code, "message": str(error)}}
        except OSError:
            raise
        except Exception:  # noqa: BLE001  # a defect in an act must not end the answering of others
            _log.exception("an act failed")
            answer = {"error": {"code": "internal-error", "message": "a defect; the server's log has its trace"}}
        connection.settimeout(LINE_S)
        connection.sendall(_line(answer))


def _listening(place: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        place.unlink(missing_ok=True)
        # The name gets the mode of its socket (unix(7), Linux). A umask would be every thread's: others are making folders now.
        os.fchmod(listener.fileno(), 0o600)
        with _address(place) as address:
            listener.bind(address)
        listener.listen(4)
    except BaseException:
        listener.close()
        raise
    return listener


def ask(place: Path, act: str, **more: object) -> Mapping[str, Any]:
    """Have the server whose socket is at ``place`` do something.

    Raises ``UnreadableError``: ``no-server`` if none was asked, ``unanswered`` if it is not known what the one that was asked did;
    ``MalformedError``: ``act-forbidden``, ``act-malformed``, or with the code that the server gave.
    """
    line = _line({"act": act, **more})
    if len(line) > MAX_LINE:
        raise MalformedError(f"expected a command of at most {MAX_LINE} bytes, got {len(line)}", code="act-malformed")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        _connect(connection, place)
        try:
            with contextlib.suppress(BrokenPipeError):  # whoever is refused is told so before it was heard
                connection.sendall(line)
            answer = _read(connection, ANSWER_S)
        except (OSError, MalformedError) as cause:
            raise UnreadableError(
                f"expected an answer of the server at `{place}`, got none: `apostille keys list` shows what it did",
                code=UNANSWERED,
            ) from cause
    return _answered(answer)


def _connect(connection: socket.socket, place: Path) -> None:
    connection.settimeout(ANSWER_S)
    try:
        with _address(place) as address:
            connection.connect(address)
    except PermissionError as cause:
        raise MalformedError(
            f"expected to be the user of the server at `{place}`, or root, got another", code="act-forbidden"
        ) from cause
    except BlockingIOError as cause:  # others wait already
        raise UnreadableError(
            f"expected the server at `{place}` to take a command, it is busy", code=UNANSWERED
        ) from cause
    except OSError as cause:
        raise UnreadableError(f"expected a server that answers at `{place}`, none does", code=NO_SERVER) from cause


def _answered(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    error, found = answer.get("error"), answer.get("ok")
    if isinstance(error, dict):
        raise MalformedError(str(error.get("message")), code=str(error.get("code")))
    if not isinstance(found, dict):
        raise UnreadableError("expected `ok` or `error` in the server's answer, got neither", code=UNANSWERED)
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


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _read(connection: socket.socket, limit_s: float) -> dict[str, Any]:
    """One line, whole within a time. Raises ``MalformedError`` (``act-malformed``), ``OSError``."""
    content, end = b"", time.monotonic() + limit_s
    while not content.endswith(b"\n"):
        connection.settimeout(max(end - time.monotonic(), 0.001))
        chunk = connection.recv(4096)
        content += chunk
        if not chunk or len(content) > MAX_LINE or time.monotonic() > end:
            raise MalformedError("expected one line of JSON", code="act-malformed")
    try:
        value = canonical.decode(content, limit=MAX_LINE)
    except MalformedError as cause:
        raise MalformedError("expected one line of JSON", code="act-malformed") from cause
    if not isinstance(value, dict):
        raise MalformedError("expected a JSON object", code="act-malformed")
    return value


def _shut(held: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        held.shutdown(how)
