"""Hostile programs in the real sandbox, and programs that decide a real request through a running proxy."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from proxy.core.aggregation import examples
from proxy.errors import ConfigurationError
from proxy.sandbox import runner
from proxy.sandbox.runner import Limits, Sandbox
from tests.integration.test_aggregators import results
from tests.integration.test_limits import started
from tests.simulators.provider import Body, Provider
from tests.simulators.server import Server, apostille, deployment, key_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's seccomp")
LIMITS = Limits(cpu_s=1, wall_s=2.0, memory=512 * 1024 * 1024)
FLAG = "apostille-sandbox-was-left"

NOTHING = ((None,), ("-1",), ("False",))
"""What calls give that the kernel refused: an exception, libc's -1, a shell that did not run."""

HOSTILE = {
    "fork bomb": "import os\ndef f():\n    while True:\n        os.fork()",
    "process bomb by vfork": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(58)",
    "memory bomb": "def f():\n    x = []\n    while True:\n        x.append(bytearray(10 ** 8))",
    "memory bomb while it loads": "x = 'a' * (10 ** 10)",
    "endless loop": "while True:\n    pass",
    "endless loop in C": "def f():\n    return 10 ** 10 ** 9",
    "endless sleep": "import time\ntime.sleep(1000)",
    "endless recursion": "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f():\n    return f()\nf()",
    "output flood": "import os\nwhile True:\n    os.write(1, b'[' * 65536)",
    "file read": "def f():\n    return open('/etc/passwd').read()",
    "file written": f"def f():\n    open('/tmp/{FLAG}', 'w').write('x')\n    return 1",
    "folder listed": "import os\ndef f():\n    return os.listdir('/')",
    "file deleted": "import os\ndef f():\n    os.unlink('/etc/hosts')\n    return 1",
    "program executed": "import os\ndef f():\n    os.execv('/bin/sh', ['sh', '-c', 'true'])",
    "shell": f"import os\ndef f():\n    return os.system('touch /tmp/{FLAG}') == 0",
    "parent killed": "import os\ndef f():\n    os.kill(os.getppid(), 9)\n    return 1",
    "socket": "import socket\ndef f():\n    return socket.create_connection(('127.0.0.1', 9))",
    "thread": "import _thread\ndef f():\n    return _thread.start_new_thread(print, ())",
    "native code": "import ctypes, mmap\ndef f():\n    return mmap.mmap(-1, 4096, prot=7)",
    "early end": "import os\nos._exit(0)",
    "closed output": "import os\nos.close(1)\nwhile True:\n    pass",
    "answer of its own": "import os\nos.write(1, b'[{\"value\": 7}]')\nos._exit(0)",
    "long answer of its own": "import os\nos.write(1, b'[{\"value\": \"' + b'1,' * 1_100 + b'\"}]')\nos._exit(0)",
    "json replaced": "import json\njson.dumps = lambda _: '{}'\ndef f():\n    return 1",
    "io_uring": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(200))",
    "memory of others": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(310, 1, 0, 0, 0, 0, 0)",
    "file without a name": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(319, b'x', 0)",
    "program by its descriptor": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(322, 0, b'', 0, 0, 4096)",
    "process by clone3": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(435, ctypes.create_string_buffer(88), 88)",
    "page faults": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(323, 0)",
    "filters of its own": "import ctypes\ndef f():\n    return ctypes.CDLL(None).syscall(321, 0, b'x' * 99, 99)",
    "limits lifted": "import resource\ndef f():\n    return resource.setrlimit(resource.RLIMIT_CPU, (9, 9)) is None",
    "pattern without end": "import re\ndef f():\n    return re.match('(a+)+$', 'a' * 60 + 'b')",
    "digits without end": "import sys\nsys.set_int_max_str_digits(0)\ndef f():\n    return str(10 ** 10 ** 8)",
    "deep answer": "def f():\n    x = []\n    for _ in range(100000):\n        x = [x]\n    return x",
    "answer that is a program": "class A:\n    def __repr__(self):\n        return 'print(1)'\ndef f():\n    return A()",
}  # fmt: skip


@pytest.fixture
async def sandbox() -> Sandbox:
    made = Sandbox(LIMITS, at_once=2)
    await made.prove()
    return made


async def test_a_program_gives_its_values(sandbox: Sandbox) -> None:
    program = "import math, re, collections\ndef f(x):\n    print('noise')\n    return [x, math.pi > 3, {'a': (1,)}]"
    ran = await sandbox.run(program, ["f(1)", "f('é')", "g(1)", "f("], 10)
    assert ran is not None
    assert ran.values == ("[1, True, {'a': (1,)}]", "['é', True, {'a': (1,)}]", None, None)


async def test_a_method_of_a_class_is_run_with_what_its_task_takes_for_granted(sandbox: Sandbox) -> None:
    asked = examples.task(
        "class Solution:\n    def f(self, x: List[int]) -> int:\n        \n\nInput: x = [3,1,2]\nOutput: 1\n"
    )
    assert asked is not None
    text = "```python\nclass Solution:\n    def f(self, x: List[int]) -> int:\n        heapify(x)\n        return heappop(x)\n```"
    program = examples.program(text, asked)
    assert program is not None
    ran = await sandbox.run(program, asked.calls, 10)
    assert ran is not None
    assert examples.passed(asked, ran.values) == 1


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_program_does_nothing_and_ends(sandbox: Sandbox, name: str) -> None:
    children = _children()
    ran = await sandbox.run(HOSTILE[name], ["f()"], 20)
    assert ran is None or ran.values in NOTHING, ran
    assert _children() == children
    assert not Path(f"/tmp/{FLAG}").exists()


async def test_no_connection_is_made_even_by_native_calls(sandbox: Sandbox) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        port = listening.getsockname()[1]
        for program in (
            f"import _socket\ndef f():\n    s = _socket.socket()\n    s.connect(('127.0.0.1', {port}))\n    return 1",
            "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "def f():\n    return [(libc.syscall(n, 2, 1, 0), ctypes.get_errno()) for n in (41, 198)]",
        ):
            ran = await sandbox.run(program, ["f()"], 10)
            assert ran is None or ran.values in ((None,), ("[(-1, 1), (-1, 1)]",))
        with pytest.raises(BlockingIOError):
            listening.accept()


async def test_a_program_sees_no_environment_and_no_argument_of_ours(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APOSTILLE_SECRET_OF_A_TEST", "s3cret")
    ran = await sandbox.run("import os, sys\ndef f():\n    return [dict(os.environ), sys.argv[1:]]", ["f()"], 10)
    assert ran is not None
    assert ran.values[0] is not None
    assert "s3cret" not in ran.values[0]
    assert "SECRET" not in ran.values[0]


async def test_programs_wait_for_a_place_no_longer_than_their_deadline(sandbox: Sandbox) -> None:
    hanging = [asyncio.create_task(sandbox.run(HOSTILE["endless sleep"], ["f()"], 20)) for _ in range(2)]
    await asyncio.sleep(0.1)
    assert await sandbox.run("def f():\n    return 1", ["f()"], 0.2) is None
    for each in hanging:
        each.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert _children() == set()
    assert await sandbox.run("def f():\n    return 1", ["f()"], 20) == runner.Ran(values=("1",))


async def test_a_door_that_is_open_refuses_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROBES", (*runner.PROBES, ("1 + 1", "PermissionError")))
    with pytest.raises(ConfigurationError, match="`1 \\+ 1` to fail with PermissionError, got no error") as caught:
        await Sandbox(LIMITS, at_once=1).prove()
    assert caught.value.code == "sandbox-unavailable"


def _children() -> set[str]:
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {each for each in found if "child.py" in Path(f"/proc/{each}/cmdline").read_text()}


# --- through the proxy ------------------------------------------------------------------------------------------------

PROMPT = "Write this function.\n\ndef twice(x):\n    '''Doubles.\n    >>> twice(2)\n    4\n    >>> twice('a')\n    'aa'\n    '''\n"
WRONG, RIGHT = "```python\ndef twice(x):\n    return x + 2\n```", "```python\ndef twice(x):\n    return x + x\n```"
PRICE = {"input_usd_per_million": "1", "output_usd_per_million": "1"}
SHARES = {"one": 0.9, "two": 0.8, "three": 0.7}


def written(body: Body) -> str:
    return {"one": WRONG, "two": RIGHT, "three": WRONG}[body["model"]]


async def served(tmp_path: Path, provider: Provider, *, enabled: bool = True) -> Server:
    deployments = {
        f"n/{m}": deployment(provider.base_url, model=m, price=PRICE, measured={"code": share})
        for m, share in SHARES.items()
    }
    return await started(tmp_path, deployments, config={"sandbox": {"enabled": enabled}})


async def asked(server: Server, **options: Any) -> tuple[int, Any]:
    body = {
        "model": "apostille/fusion",
        "messages": [{"role": "user", "content": PROMPT}],
        "apostille": {"receipt": "full", **options},
    }
    headers = {"authorization": f"Bearer {key_of('de')}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        return response.status, await response.json()


async def test_the_program_that_passes_is_the_answer_and_the_record_says_so(tmp_path: Path) -> None:
    async with Provider(reply=written) as provider:
        server = await served(tmp_path, provider)
        status, body = await asked(server)
        assert await asyncio.to_thread(server.stop) == 0
    assert status == 200, body
    assert body["choices"][0]["message"]["content"] == RIGHT
    receipt = body["apostille"]
    assert (receipt["aggregator"], receipt["gate"]) == ("examples", "examples-failed")
    assert [(each["model"], each["used"]) for each in receipt["contributions"]] == [("one", False), ("two", True)]
    (recorded,) = results(tmp_path / "data")
    assert recorded.aggregation.method == "examples"
    assert apostille("verify", "--data", str(tmp_path / "data")).returncode == 0


async def test_without_the_sandbox_no_program_is_run_and_the_option_is_refused(tmp_path: Path) -> None:
    async with Provider(reply=written) as provider:
        server = await served(tmp_path, provider, enabled=False)
        status, body = await asked(server)
        refused, error = await asked(server, aggregator="examples")
        assert await asyncio.to_thread(server.stop) == 0
    assert (status, body["apostille"]["aggregator"]) == (200, "single")
    assert (refused, error["error"]["code"]) == (400, "option-not-applicable")
