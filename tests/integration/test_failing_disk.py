"""A disk that fails under the running server: 503 in time and nothing sent; once it works again everything goes on by itself.

And on one that works: the decision is on disk before the provider is connected, as the kernel saw it.
"""

import asyncio
import re
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit import datadir
from tests.integration.test_postgres import ask, client, recovered
from tests.simulators.provider import Body, Provider
from tests.simulators.server import ROOT, Server, apostille, catalogue, deployment, tenant
from tests.soak.spool import numbers

DEADLINE_S = 10.0
"""The log's own is two seconds; a busy machine is late."""


async def prepared(folder: Path, provider: Provider) -> Path:
    config: dict[str, Any] = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}}
    documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
    return await asyncio.to_thread(Server.prepare, folder, config, documents)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes a disk fail."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler (Debian: `apt-get install gcc libc6-dev`)")
    made = tmp_path_factory.mktemp("shim") / "failing_disk.so"
    source = ROOT / "tests" / "simulators" / "failing_disk.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True, capture_output=True)
    return made


@pytest.mark.parametrize("how", ["sync", "full", "read-only"])
async def test_while_the_disk_fails_nothing_is_sent_and_afterwards_it_goes_on(
    tmp_path: Path, shim: Path, how: str
) -> None:
    fault = tmp_path / "fault"
    environ = {"LD_PRELOAD": str(shim), "FAILING_DISK": str(fault)}
    async with Provider() as provider, client() as session:
        path = await prepared(tmp_path / "server", provider)
        server = await asyncio.to_thread(Server.start, path, environ)
        for round_ in range(2):
            assert (await ask(session, server))[0] == 200, server.log_text
            sent = len(provider.bodies), provider.connections
            fault.write_text(how)
            began = time.monotonic()
            answers = [await ask(session, server) for _ in range(3)]
            assert time.monotonic() - began < 3 * DEADLINE_S
            assert {status for status, _ in answers} == {503}, round_
            assert (len(provider.bodies), provider.connections) == sent
            fault.unlink()
            await recovered(session, server)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    found = numbers(server.data)
    assert (found["missing"], found["twice"]) == (0, 0)
    assert found["decisions"] >= len(provider.bodies)
    assert apostille("verify", str(server.data)).returncode == 0


async def test_the_decision_is_synced_before_the_provider_is_connected(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("needs `strace` (Debian: `apt-get install strace`)")
    trace = tmp_path / "trace"
    under = ["strace", "-D", "-f", "-y", "-ttt", "-e", "trace=connect,fsync,fdatasync", "-o", str(trace)]
    rows: list[int] = []

    def arrived(_: Body) -> None:
        with closing(
            sqlite3.connect(f"file:{tmp_path / 'server' / 'data' / datadir.DATABASE}?mode=ro", uri=True)
        ) as store:
            rows.append(store.execute("SELECT count(*) FROM rec WHERE kind = 'decision'").fetchone()[0])

    async with Provider(on_request=arrived) as provider, client() as session:
        path = await prepared(tmp_path / "server", provider)
        server = await asyncio.to_thread(Server.start, path, None, None, under)
        asked = time.time()
        assert (await ask(session, server))[0] == 200
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
        port = provider.port
    assert rows == [1]  # committed when it arrived, for everyone who reads
    calls = [
        (float(at), call)
        for at, call in re.findall(r"^\d+\s+([\d.]+) (.*)$", trace.read_text(), re.MULTILINE)
        if float(at) > asked
    ]
    connected = next(at for at, call in calls if "connect(" in call and f"htons({port})" in call)
    wal = f"{datadir.DATABASE}-wal>"
    assert any(at < connected and call.startswith(("fsync(", "fdatasync(")) and wal in call for at, call in calls), (
        calls
    )
