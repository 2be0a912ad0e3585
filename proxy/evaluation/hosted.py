"""A proxy of its own over a recording: upstream, catalogue, ban, key and log in a folder that is thrown away.

The proxy is the product itself, ``apostille serve`` in another process with the default configuration; nothing of it is replaced.
"""

import asyncio
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

from audit import founding
from policies import ban, shipped
from policies.ban import Ban
from proxy.errors import ConfigurationError
from proxy.evaluation import pool, upstream
from proxy.evaluation.recorded import Recording
from proxy.evaluation.shelf import Shelf
from proxy.listening import READY
from proxy.training.shares import Shares

STARTING_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """A running proxy. ``vendors`` count who connected to them."""

    url: str
    key: str
    vendors: Mapping[str, upstream.Vendor]
    data: Path


@asynccontextmanager
async def hosted(
    recording: Recording,
    shares: Shares,
    ban_: Ban,
    *,
    beside: str,
    today: date,
    sandbox: bool,
    router: bytes | None = None,
) -> AsyncIterator[Hosted]:
    """Start it, and stop it at the end. ``router``: another document than the shipped one.

    Raises ``ConfigurationError`` with what the proxy said where it does not start.
    """
    key = f"ap-{secrets.token_urlsafe(32)}"
    async with upstream.serving(Shelf(recording)) as vendors:
        with tempfile.TemporaryDirectory(prefix="apostille-eval-") as made:
            folder = Path(made)
            ports = {name: vendor.port for name, vendor in vendors.items()}
            homes = shipped.homes()
            _write(folder / "catalogue.yaml", pool.catalogue(recording, shares, ports, homes, today, beside))
            configuration = pool.configuration(sha256(key.encode()).hexdigest(), sandbox=sandbox)
            if router is not None:
                (folder / "router.json").write_bytes(router)
                configuration["routing"] = {"model_file": "router.json"}
            _write(folder / "apostille.yaml", configuration)
            (folder / "packs" / ban.PACK).mkdir(parents=True)
            (folder / "packs" / ban.PACK / "rules.cedar").write_text(ban.text(ban_), encoding="utf-8")
            founding.init(folder / "data", origin="localhost/evaluation")
            process, url = await _started(folder / "apostille.yaml")
            drained = asyncio.create_task(_drain(process))
            try:
                yield Hosted(url=url, key=key, vendors=vendors, data=folder / "data")
            finally:
                if process.returncode is None:
                    process.terminate()
                await drained
                await process.wait()


async def _drain(process: asyncio.subprocess.Process) -> None:
    """What it says while it runs is read, or it would wait for a reader."""
    assert process.stdout is not None
    while await process.stdout.read(65_536):
        pass


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")


async def _started(config: Path) -> tuple[asyncio.subprocess.Process, str]:
    """The proxy's process and its address, once it answers."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy.cli", "serve", "--config", str(config)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = b""
    try:
        async with asyncio.timeout(STARTING_S):
            async for line in process.stdout:
                said += line
                if line.startswith(READY.encode()):
                    return process, line.decode().strip().removeprefix(READY)
    except TimeoutError:
        process.kill()
    await process.wait()
    raise ConfigurationError(f"expected the proxy to start, it said: {said.decode(errors='replace')[-2000:]}")
