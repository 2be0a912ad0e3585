"""PostgreSQL goes away for minutes under load, and comes back: no request fails, and no number of a record is missing.

``python -m tests.soak.spool --minutes 10 --rate 100`` needs a PostgreSQL server and about 1 GB of disk for ten minutes. Prints
figures as JSON; exit 1 if anything failed. The suite runs it for ten seconds.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from audit import datadir, dsse, predicate_reading, statement
from audit.storage.address import StoreAddress
from audit.vocabulary import RecordKind
from tests.simulators import postgres
from tests.simulators.postgres import Cluster
from tests.simulators.server import Server, apostille, catalogue, deployment, far_side, key_of, tenant

AROUND_S = 2.0
"""Load before the database goes away and after it is back."""


@dataclass
class Load:
    """Requests at a fixed rate, whatever becomes of them. ``statuses``: answers by status or name of the error."""

    url: str
    rate: float
    statuses: dict[str, int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    locally: int = 0
    stopping: bool = False

    async def run(self) -> None:
        """Send until ``stopping``; returns when every request has ended."""
        headers = {"authorization": f"Bearer {key_of('de')}"}
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            tasks: set[asyncio.Task[None]] = set()
            due = time.monotonic()
            while not self.stopping:
                task = asyncio.create_task(self._one(session))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                due += 1 / self.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession) -> None:
        body = {"model": "good", "messages": [{"role": "user", "content": "What is 17 times 23?"}]}
        began = time.monotonic()
        try:
            async with session.post(f"{self.url}/v1/chat/completions", json=body) as response:
                await response.read()
                status = str(response.status)
                self.locally += "apostille-durable" in response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            status = type(error).__name__
        self.times.append(time.monotonic() - began)
        self.statuses[status] = self.statuses.get(status, 0) + 1


async def health(url: str) -> dict[str, Any]:
    """What the server says of itself; asked again where it is too busy to answer."""
    for last in (False, False, True):
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{url}/healthz") as response:
                found: dict[str, Any] = await response.json()
                return found
        except (aiohttp.ClientConnectionError, TimeoutError):
            if last:
                raise
    raise AssertionError


async def run(cluster: Cluster, folder: Path, *, away_s: float, rate: float) -> dict[str, Any]:
    """One outage; gives the figures, with what is wrong under ``wrong``."""
    address = StoreAddress(url=cluster.database(), password_file=cluster.secret)
    with far_side() as base_url:
        config = {
            "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
            "storage": {
                "url": address.url,
                "password_file": str(cluster.secret),
                "instance": "soak",
                "spool": "spool",
                "spool_max_mb": 8192,
            },
        }
        documents = catalogue({"n/a": deployment(base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, folder, config, documents, address=address)
        server = await asyncio.to_thread(Server.start, path)
        try:
            figures = await _outage(cluster, address.url.rpartition("/")[2], server, away_s=away_s, rate=rate)
        finally:
            code = await asyncio.to_thread(server.stop)
    figures["spool_bytes_left"] = sum(place.stat().st_size for place in (folder / "spool").iterdir())
    found = await asyncio.to_thread(numbers, folder / "data")
    figures |= found
    verified = await asyncio.to_thread(apostille, "verify", str(folder / "data"))
    figures["wrong"] = [
        *([] if set(figures["statuses"]) == {"200"} else ["requests failed"]),
        *([] if found["missing"] == found["twice"] == 0 else ["numbers are missing, or there twice"]),
        *([] if found["decisions"] == found["results"] == figures["requests"] else ["records are missing"]),
        *([] if figures["locally"] and not figures["spool_bytes_left"] else ["the spool was not used, or not emptied"]),
        *([] if verified.returncode == 0 else [verified.stdout]),
        *([] if code == 0 and "Traceback" not in server.log_text else [server.log_text[-4000:]]),
    ]
    return figures


async def _published(cluster: Cluster, database: str, back: float) -> float | None:
    """Seconds from the return of the database until every record had its place; None if that was not to be."""
    with cluster.admin(database) as admin:
        while time.monotonic() - back < 1200:
            if admin.execute("SELECT count(*) FROM rec WHERE idx IS NULL").fetchone() == (0,):
                return time.monotonic() - back
            await asyncio.sleep(0.2)
    return None


async def _outage(cluster: Cluster, database: str, server: Server, *, away_s: float, rate: float) -> dict[str, Any]:
    load = Load(server.url, rate)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(AROUND_S)
    await asyncio.to_thread(cluster.stop)
    await asyncio.sleep(away_s)
    spooled = (await health(server.url))["log"]["spooled"]
    await asyncio.to_thread(cluster.start)
    back, drained_s = time.monotonic(), None
    while drained_s is None and time.monotonic() - back < 120 + away_s:
        if (await health(server.url))["log"]["spooled"] == 0:
            drained_s = time.monotonic() - back
        await asyncio.sleep(0.1)
    await asyncio.sleep(AROUND_S)
    load.stopping = True
    await running
    published_s = await _published(cluster, database, back)
    times = sorted(load.times)
    return {
        "away_s": away_s,
        "rate": rate,
        "requests": len(times),
        "statuses": load.statuses,
        "locally": load.locally,
        "spooled_at_the_end": spooled,
        "drained_s": drained_s,
        "published_s": published_s,
        "p50_ms": round(statistics.median(times) * 1000, 1),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 1),
        "longest_ms": round(times[-1] * 1000, 1),
    }


def numbers(data: Path) -> dict[str, int]:
    """What the signed records say: decisions, results, numbers that are missing or there twice, for each instance's starts."""
    seen: dict[tuple[str, str], list[int]] = {}
    kinds: dict[RecordKind, int] = {}
    with closing(datadir.open_directory(data)) as source:
        for _, envelope in source.between(0, 1 << 40):
            found = statement.parse(dsse.parse(envelope).payload)
            kinds[found.kind] = kinds.get(found.kind, 0) + 1
            place = predicate_reading.position_from(found.predicate)
            seen.setdefault((place.instance, place.epoch), []).append(place.seq)
    return {
        "decisions": kinds.get(RecordKind.DECISION, 0),
        "results": kinds.get(RecordKind.RESULT, 0),
        "missing": sum(max(each) + 1 - len(set(each)) for each in seen.values()),
        "twice": sum(len(each) - len(set(each)) for each in seen.values()),
    }


def main() -> int:
    """Run one outage and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.spool", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long PostgreSQL is away")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    arguments = parser.parse_args()
    if postgres.MISSING:
        print(postgres.MISSING, file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder, postgres.cluster() as cluster:
        figures = asyncio.run(run(cluster, Path(folder), away_s=arguments.minutes * 60, rate=arguments.rate))
    print(json.dumps(figures, indent=1))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
