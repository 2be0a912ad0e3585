"""Runs a program in an interpreter of its own that can reach nothing, and says what its calls gave.

Off by default. ``Sandbox.prove`` tries the doors before the first request and refuses where one is open, so that an unknown
kernel, container or machine is never trusted. A program gets its own process each time: no state, no environment, no descriptor
but two pipes.
"""

import ast
import asyncio
import contextlib
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from proxy.errors import ConfigurationError
from proxy.sandbox import system_calls

CHILD = Path(__file__).with_name("child.py")
MAX_OUTPUT = 131_072
"""Bytes of an answer that are read; more is no answer."""
MAX_VALUE = 2_000
"""Characters of one value: the interpreter tells no more, so that more was written by a program itself, to be read at length here."""
MAX_PROGRAM = 65_536
"""Characters of a program; longer is not run."""
STARTING_S = 2.0
"""Seconds that the interpreter may take to start, on top of a program's own."""

PROBES = (
    ("open('/etc/hostname').read()", "PermissionError"),
    ("open('/tmp/apostille-probe', 'w')", "PermissionError"),
    ("__import__('os').listdir('/')", "PermissionError"),
    ("__import__('os').fork()", "PermissionError"),
    ("__import__('os').execv('/bin/true', ['true'])", "PermissionError"),
    ("__import__('os').kill(__import__('os').getppid(), 0)", "PermissionError"),
    ("__import__('os').dup(1)", "PermissionError"),
    ("__import__('_socket').socket()", "PermissionError"),
    ("__import__('_posixsubprocess')", "ModuleNotFoundError"),
)
"""Doors, and what trying each must give. The sockets' module is loaded for the probe only."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program's calls gave, in order: values as ``repr``, None where one raised or has none that can be told."""

    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per program. ``cpu_s`` and ``wall_s``: seconds; ``memory``: bytes of address space."""

    cpu_s: int = 2
    wall_s: float = 4.0
    memory: int = 512 * 1024 * 1024


class Sandbox:
    """Runs programs, at most ``at_once`` at a time; for one event loop."""

    def __init__(self, limits: Limits, at_once: int) -> None:
        self._limits = limits
        self._places = asyncio.Semaphore(at_once)

    async def prove(self) -> None:
        """Try the doors. Raises ``ConfigurationError`` (``sandbox-unavailable``) if one is open or the machine is not known."""
        machine = platform.machine()
        if sys.platform != "linux" or not system_calls.supported(machine):
            raise _unavailable(f"a kernel with seccomp on a known machine, got {sys.platform} on {machine}")
        calls = tuple(call for call, _ in PROBES)
        answers = await self._answers("", calls, probing=True)
        if answers is None:
            raise _unavailable("the isolated interpreter to start, and it did not")
        for (call, wanted), answer in zip(PROBES, answers, strict=True):
            if answer.get("error") != wanted:
                raise _unavailable(f"`{call}` to fail with {wanted}, got {answer.get('error') or 'no error'}")

    async def run(self, program: str, calls: Sequence[str], within_s: float) -> Ran | None:
        """What the calls gave; None if the program did not come to its end inside its limits or ``within_s`` seconds."""
        if len(program) > MAX_PROGRAM or within_s <= 0:
            return None
        try:
            async with asyncio.timeout(within_s), self._places:
                answers = await self._answers(program, calls)
        except TimeoutError:
            return None
        if answers is None:
            return None
        return Ran(values=tuple(_value(each) for each in answers))

    async def _answers(
        self, program: str, calls: Sequence[str], *, probing: bool = False
    ) -> list[dict[str, str]] | None:
        job = {
            "program": program,
            "calls": list(calls),
            "seconds": self._limits.cpu_s,
            "bytes": self._limits.memory,
            "filter": system_calls.program(platform.machine()).hex(),
            "longest": MAX_VALUE,
            "probing": probing,
        }
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-B", str(CHILD)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self._limits.wall_s + STARTING_S):
                output = await _exchange(child, orjson.dumps(job))
                await child.wait()
        except TimeoutError:
            output = b""
        finally:
            if child.returncode is None:
                child.kill()
                await asyncio.shield(child.wait())
        return _parsed(output, len(calls))


async def _exchange(child: asyncio.subprocess.Process, job: bytes) -> bytes:
    """Hand the job over and read the answer, no more of it than may be one."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(ConnectionError):
        child.stdin.write(job)
        await child.stdin.drain()
    child.stdin.close()
    output = bytearray()
    while len(output) <= MAX_OUTPUT:
        chunk = await child.stdout.read(MAX_OUTPUT)
        if not chunk:
            return bytes(output)
        output += chunk
    raise TimeoutError  # it is told no further, and nobody waits for its end


def _parsed(output: bytes, calls: int) -> list[dict[str, str]] | None:
    """The answers, if that is what was written: a hostile program may write what it likes."""
    try:
        found = orjson.loads(output)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, list) or len(found) != calls:
        return None
    for each in found:
        if not isinstance(each, dict) or not all(isinstance(v, str) for v in each.values()):
            return None
    return found


def _value(answer: dict[str, str]) -> str | None:
    """The value of an answer in one spelling; None if it is not a literal."""
    told = answer.get("value")
    if told is None or len(told) > MAX_VALUE:
        return None
    try:
        return repr(ast.literal_eval(told))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _unavailable(expected: str) -> ConfigurationError:
    return ConfigurationError(f"`sandbox`: expected {expected}", code="sandbox-unavailable")
