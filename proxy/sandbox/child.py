"""What the isolated interpreter runs: shut every door, then a program that a model wrote, then its examples.

Started as ``python -I -S -B child.py`` with one job as JSON on standard input and nothing else open; standard library only. The
job is ``{"program", "calls", "seconds", "bytes", "filter", "longest", "probing"}``; the answer on standard output is a list of
what each call gave: ``{"value": repr}``, ``{"error": name}``, or the list is missing where the program never came to its end.
Nothing that is written here is trusted.
"""

import ctypes
import io
import json
import os
import resource
import sys

# fmt: off
PRELOADED = (
    "abc", "bisect", "cmath", "collections", "collections.abc", "copy", "dataclasses", "datetime", "decimal",
    "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "numbers", "operator",
    "queue", "random", "re", "statistics", "string", "sys", "time", "types", "typing", "unicodedata",
)
# fmt: on
"""Modules that programs import: loaded before the doors are shut, since no file can be opened after."""
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 22, 38, 4
_SIGKILL, _FILTER = 9, 2


class _Program(ctypes.Structure):
    """``struct sock_fprog`` (linux/filter.h)."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def shut(seconds: int, size: int, content: bytes) -> None:
    """Limits of time and memory, then the filter. Raises ``OSError`` if the kernel does not take one of them."""
    for limit, value in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, size),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(limit, (value, value))
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(length=len(content) // 8, filter=content)
    for what, first, second in (
        (_PR_SET_PDEATHSIG, _SIGKILL, None),
        (_PR_SET_DUMPABLE, 0, None),
        (_PR_SET_NO_NEW_PRIVS, 1, None),
        (_PR_SET_SECCOMP, _FILTER, ctypes.byref(program)),
    ):
        if libc.prctl(what, first, second, 0, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    sys.path.clear()


def run(source: str, calls: list[str], longest: int) -> list[dict[str, str]]:
    """What each call gives after the program was run; raises whatever the program raises."""
    names: dict[str, object] = {"__name__": "candidate", "__builtins__": __builtins__}
    exec(compile(source, "candidate", "exec"), names)  # noqa: S102  # this is what the doors were shut for
    return [_called(call, names, longest) for call in calls]


def _called(call: str, names: dict[str, object], longest: int) -> dict[str, str]:
    try:
        return {"value": repr(eval(call, names))[:longest]}  # noqa: S307
    except Exception as error:  # noqa: BLE001  # whatever a program raises is an answer
        return {"error": type(error).__name__}


def main() -> None:
    """One job."""
    job = json.loads(sys.stdin.buffer.read())
    for name in PRELOADED:
        __import__(name)
    if job["probing"]:
        __import__("_socket")
    output = sys.stdout.fileno()
    sys.stdout = sys.stderr = io.StringIO()
    shut(job["seconds"], job["bytes"], bytes.fromhex(job["filter"]))
    sys.setrecursionlimit(2_000)
    answers = run(job["program"], job["calls"], job["longest"])
    os.write(output, json.dumps(answers).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
