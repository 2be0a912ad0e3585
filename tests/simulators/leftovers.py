"""Processes that tests started: whatever a test that failed left running is ended with it, and takes no core from the next."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_started: list["subprocess.Popen[str]"] = []


def noted(process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
    """Remember a process that is to end with the test that started it."""
    _started.append(process)
    return process


@contextmanager
def ended() -> Iterator[None]:
    """End at the end what was started since the beginning and runs still."""
    before = len(_started)
    try:
        yield
    finally:
        for process in _started[before:]:
            if process.poll() is None:
                process.kill()
                process.wait(10)
        del _started[before:]
