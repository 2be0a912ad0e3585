"""The socket of a server: for its own user alone, one command at a time, and no client can hold it up or end it."""

import contextlib
import errno
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from audit import control
from audit.control import Control
from audit.errors import AuditError


def acts() -> dict[str, Any]:
    return {"echo": lambda asked: {"got": asked["text"]}}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with contextlib.closing(Control(tmp_path, acts())):
        yield tmp_path / control.SOCKET


@contextlib.contextmanager
def connected(place: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(place))
        yield connection


def echoed(place: Path) -> Mapping[str, Any]:
    return control.ask(place, "echo", text="x")


def code_of(place: Path, act: str = "echo", **more: object) -> str:
    with pytest.raises(AuditError) as caught:
        control.ask(place, act, **more)
    return caught.value.code


def test_an_act_is_answered_and_what_is_wrong_with_one_does_not_end_the_next(place: Path) -> None:
    assert echoed(place) == {"got": "x"}
    assert code_of(place, "format-disk") == "act-unknown"
    assert code_of(place) == "internal-error"  # the act fails with a defect
    assert code_of(place, text="z" * control.MAX_LINE) == "act-malformed"
    assert echoed(place) == {"got": "x"}


def test_a_socket_in_a_deep_folder_is_found(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with contextlib.closing(Control(deep, acts())):
        assert echoed(deep / control.SOCKET) == {"got": "x"}
    assert code_of(deep / control.SOCKET, text="x") == "no-server"


def test_the_socket_is_its_owners_alone_and_no_threads_umask_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A umask is the process's: folders that the log's threads make meanwhile would be closed to themselves."""
    before = os.umask(0)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("expected the umask of the process to be left alone"))
        with contextlib.closing(Control(tmp_path, acts())):
            assert (tmp_path / control.SOCKET).stat().st_mode & 0o777 == 0o600
    finally:
        monkeypatch.undo()
        os.umask(before)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}\n",
        b"[1]\n",
        b'{"act": "echo"',
        b'{"act": "echo", "text": NaN}\n',
        b'{"act": "format-disk", "act": "echo", "text": "x"}\n',
        b'{"act": "echo", "text": ' + b"[" * 30_000 + b"]" * 30_000 + b"}\n",
        b'{"act": "echo", "text": "x"}\n{"act": "echo", "text": "y"}\n',
        b"\xff\n",
        b"x" * (control.MAX_LINE + 1),
    ],
    ids=["nothing", "no act", "array", "half", "NaN", "twice", "deep", "two lines", "no text", "long"],
)
def test_what_is_no_command_is_refused_and_the_next_is_answered(place: Path, line: bytes) -> None:
    with connected(place) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").readline()
        assert any(code in answer for code in (b'"act-malformed"', b'"act-unknown"'))
        assert b"internal-error" not in answer
    assert echoed(place) == {"got": "x"}


@pytest.mark.timeout(60)
def test_a_client_that_sends_a_byte_now_and_then_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LINE_S", 0.3)
    done = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not done.wait(0.05):
                connection.sendall(b" ")

    with connected(place) as connection:
        trickling = threading.Thread(target=trickle, args=(connection,))
        trickling.start()
        try:
            assert echoed(place) == {"got": "x"}
        finally:
            done.set()
            trickling.join()


@pytest.mark.timeout(60)
def test_half_a_command_does_not_hold_up_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "LINE_S", 3600.0)
    served = Control(tmp_path, acts())
    with connected(tmp_path / control.SOCKET) as connection, connected(tmp_path / control.SOCKET):
        connection.sendall(b'{"act": "ec')
        while served._current is None:
            time.sleep(0.01)
        served.close()
        assert b"act-malformed" in connection.makefile("rb").readline()


def test_an_act_under_way_is_answered_when_the_server_stops(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(_: Mapping[str, Any]) -> Mapping[str, Any]:
        begun.set()
        go.wait(30)
        return {"done": True}

    served = Control(tmp_path, {"slow": slow})
    answers: list[Mapping[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(control.ask(tmp_path / control.SOCKET, "slow")))
    asking.start()
    begun.wait(30)
    stopping = threading.Thread(target=served.close)
    stopping.start()
    go.set()
    stopping.join()
    asking.join()
    assert answers == [{"done": True}]


def test_a_process_without_a_descriptor_left_answers_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, failures = socket.socket.accept, iter([errno.EMFILE, errno.ENFILE])

    def failing(self: socket.socket) -> tuple[socket.socket, Any]:
        number = next(failures, None)
        if number is not None:
            raise OSError(number, os.strerror(number))
        return accept(self)

    monkeypatch.setattr(control, "PAUSE_S", 0.01)
    monkeypatch.setattr(socket.socket, "accept", failing)
    with contextlib.closing(Control(tmp_path, acts())):
        assert echoed(tmp_path / control.SOCKET) == {"got": "x"}


# --- the name ---------------------------------------------------------------------------------------------------------


def test_a_link_in_the_place_of_the_socket_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / control.SOCKET).symlink_to(precious)
    with contextlib.closing(Control(tmp_path, acts())):
        assert echoed(tmp_path / control.SOCKET) == {"got": "x"}
    assert precious.read_text() == "kept"


def test_a_socket_that_a_killed_process_left_is_no_server_and_is_replaced(tmp_path: Path) -> None:
    place = tmp_path / control.SOCKET
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(place))
    assert code_of(place, text="x") == "no-server"
    with contextlib.closing(Control(tmp_path, acts())):
        assert echoed(place) == {"got": "x"}


def test_a_process_that_ends_leaves_its_successors_socket(tmp_path: Path) -> None:
    first = Control(tmp_path, acts())
    with contextlib.closing(Control(tmp_path, acts())):
        first.close()
        assert echoed(tmp_path / control.SOCKET) == {"got": "x"}


# --- who asks and who answers -----------------------------------------------------------------------------------------

_STRANGER = """
import socket
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
    try:
        one.connect("control.sock")
    except PermissionError:
        print("closed")
    else:
        try:
            one.sendall(b'{"act": "echo", "text": "x"}\\n')
        except BrokenPipeError:
            pass
        print(one.makefile().readline())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_another_user_is_refused_even_where_the_sockets_mode_lets_it_in(place: Path) -> None:
    def stranger() -> str:
        command = ["python3", "-I", "-c", _STRANGER]
        # The folder is the child's before it is another user: what is above it is closed to that one.
        done = subprocess.run(command, cwd=place.parent, user=65534, capture_output=True, text=True, check=True)
        return done.stdout

    place.parent.chmod(0o755)
    assert stranger() == "closed\n"
    place.chmod(0o777)
    assert '"act-forbidden"' in stranger()
    assert echoed(place) == {"got": "x"}


@pytest.mark.parametrize("answer", [b"", b'{"ok"', b"[]\n", b"{}\n", b'{"error": "x"}\n', b'{"ok": 1}\n'])
def test_whoever_got_no_answer_is_told_that_it_may_be_done(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / control.SOCKET))
        listener.listen(1)

        def dies() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        dying = threading.Thread(target=dies)
        dying.start()
        assert code_of(tmp_path / control.SOCKET, text="x") == "unanswered"
        dying.join()
