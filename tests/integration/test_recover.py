"""``apostille recover`` on the product: databases lost and restored, with logs of scopes, killed in the middle, on either store."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from audit import datadir, layout
from audit.storage.address import StoreAddress
from tests.integration.test_postgres import address, ask, assert_whole, client, prepared, started
from tests.simulators.postgres import Cluster
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, tenant

__all__ = ["address"]


def recover(config: Path) -> str:
    """Run it; gives what it printed."""
    done = apostille("recover", "--config", str(config))
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(config: Path, code: str) -> None:
    """A start is refused with a code."""
    done = subprocess.run(
        [sys.executable, "-m", "proxy.cli", "serve", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "APOSTILLE_INSTANCE": "one"},
    )
    assert (done.returncode, f"apostille: {code}: " in done.stderr) == (2, True), done.stderr


async def served(path: Path, count: int, instance: str = "one") -> None:
    """A server's life with some requests."""
    server = await started(path, instance)
    async with client() as session:
        answers = await asyncio.gather(*(ask(session, server) for _ in range(count)))
        assert {status for status, _ in answers} == {200}
    assert await asyncio.to_thread(server.stop) == 0, server.log_text


async def embedded(folder: Path, provider: Provider, count: int) -> Path:
    """A data directory with logs of scopes; gives the configuration."""
    config: dict[str, Any] = {
        "scopes": {"tenants": True, "groups": ["EU"]},
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
    }
    documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
    path = await asyncio.to_thread(Server.prepare, folder, config, documents)
    await served(path, count)
    return path


async def test_a_lost_database_and_damaged_tiles_of_scopes(tmp_path: Path) -> None:
    async with Provider() as provider:
        path = await embedded(tmp_path, provider, 40)
        data = tmp_path / "data"
        kept = (data / layout.LOG / "checkpoint").read_bytes()
        (tmp_path / "earlier").write_bytes(kept)
        (data / datadir.DATABASE).unlink()
        scope = sorted((data / layout.SCOPES).iterdir())[0]
        for tile in (scope / "tile" / "entries").rglob("*.p/*"):
            tile.write_bytes(b"\0\0")
        refused(path, "log-missing")
        told = recover(path)
        assert "rebuilt: " in told
        assert f"written again: scopes/{scope.name}/tile/entries" in told
        await served(path, 3)
    assert "nothing to recover" in recover(path), "expected logs of scopes to be sound"
    assert apostille("verify", str(data), "--earlier", str(tmp_path / "earlier")).returncode == 0
    assert assert_whole(data)["decisions"] == 43


async def test_an_older_copy_with_its_scopes_catches_up(tmp_path: Path) -> None:
    async with Provider() as provider:
        path = await embedded(tmp_path, provider, 5)
        data = tmp_path / "data"
        shutil.copy(data / datadir.DATABASE, tmp_path / "older.db")
        await served(path, 10)
        shutil.copy(tmp_path / "older.db", data / datadir.DATABASE)
        refused(path, "log-ahead")
        assert "what was there is in `aside-0001`" in recover(path)
        await served(path, 2)
    assert assert_whole(data)["decisions"] == 17


async def test_killed_in_the_middle_it_is_finished_by_running_it_again(tmp_path: Path) -> None:
    async with Provider() as provider:
        path = await embedded(tmp_path, provider, 60)
        data = tmp_path / "data"
        (data / datadir.DATABASE).unlink()
        killed = 0
        for attempt in range(4):
            process = subprocess.Popen(
                [sys.executable, "-m", "proxy.cli", "recover", "--config", str(path)], stdout=subprocess.DEVNULL
            )
            while process.poll() is None and not (data / f"{datadir.DATABASE}.rebuilding").exists():
                await asyncio.sleep(0.001)
            await asyncio.sleep(attempt * 0.004)
            process.kill()
            killed += process.wait() != 0
            assert killed == 0 or (data / datadir.DATABASE).exists() or apostille("verify", str(data)).returncode == 3
        assert killed > 0
        recover(path)
        await served(path, 2)
    assert assert_whole(data)["decisions"] == 62


async def test_an_older_dump_and_an_empty_database_of_postgresql(
    tmp_path: Path, cluster: Cluster, address: StoreAddress
) -> None:
    name = address.url.rpartition("/")[2]

    def replaced_by(template: str) -> None:
        with cluster.admin() as connection:
            connection.execute(f"DROP DATABASE {name}".encode())
        cluster.database(name, template)

    async with prepared(tmp_path, address, instance="one") as (_, path):
        data = tmp_path / "data"
        await served(path, 6)
        await asyncio.to_thread(cluster.database, f"{name}_dump", name)
        await served(path, 9)
        await asyncio.to_thread(replaced_by, f"{name}_dump")
        refused(path, "log-ahead")
        assert "apostille_aside_1" in recover(path)
        await asyncio.to_thread(replaced_by, "template0")
        refused(path, "schema-missing")
        assert "apostille_aside_" in recover(path)
        await served(path, 2)
        assert "nothing to recover" in recover(path)
    assert assert_whole(data)["decisions"] == 17


async def test_a_server_that_runs_on_the_shared_store_is_not_disturbed(tmp_path: Path, address: StoreAddress) -> None:
    async with prepared(tmp_path, address, instance="one") as (_, path), client() as session:
        server = await started(path, "one")
        done = await asyncio.to_thread(apostille, "recover", "--config", str(path))
        assert (done.returncode, "log-in-use" in done.stderr) == (2, True)
        assert (await ask(session, server))[0] == 200
        assert await asyncio.to_thread(server.stop) == 0
