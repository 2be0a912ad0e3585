"""SIGKILL at random moments under load, many times over one log: nothing that a client was told of is lost or there twice.

``python -m tests.soak.crashes --rounds 100 --store sqlite|postgres`` runs the real server over HTTP before a simulated provider.
After every kill the published log is computed again from its entries, by RFC 6962 and nothing of the writer's, and must extend the
one before. Prints figures as JSON; exit 1 if anything is wrong. The suite runs a few rounds.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from audit import checkpoint, datadir, dsse, layout, statement
from audit.storage import envelopes
from audit.storage.address import StoreAddress
from audit.vocabulary import RecordKind, ResultOutcome
from tests.simulators import postgres
from tests.simulators.postgres import Cluster
from tests.simulators.server import Server, apostille, catalogue, deployment, far_side, key_of, tenant

CLIENTS = 24
LONGEST_S = 0.8
"""Load before a kill; the moment is drawn from this and the first answer."""


@dataclass
class Heard:
    """What clients were told. ``begun``: records whose headers came; ``ended``: those whose whole answer did."""

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    async def client(self, session: aiohttp.ClientSession, url: str, chance: random.Random) -> None:
        """Ask again and again until the server is gone."""
        while True:
            body = {
                "model": "good",
                "stream": chance.random() < 0.5,
                "messages": [{"role": "user", "content": "What is 17 times 23?"}],
            }
            try:
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    record = response.headers["apostille-record"]
                    self.statuses[str(response.status)] += 1
                    self.begun.append(record)
                    content = await response.read()
            except aiohttp.ClientError:
                return
            if not body["stream"] or content.rstrip().endswith(b"data: [DONE]"):
                self.ended.append(record)


@dataclass
class Published:
    """Published logs, each held against the one before."""

    data: Path
    trees: dict[int, bytes] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def look(self) -> int:
        """Compute the published log again; gives its size."""
        place = self.data / layout.LOG / "checkpoint"
        vkey = checkpoint.parse_vkey((self.data / layout.KEYS / layout.LOG_VKEY).read_text().splitlines()[0])
        checkpoint.verify(checkpoint.parse_bytes(place.read_bytes()), (vkey,))
        _, size_line, root_line, *_ = place.read_text().split("\n")
        size = int(size_line)
        if size < max(self.trees, default=0):
            self.wrong.append(f"the published log went back to {size} entries")
        self.trees.setdefault(size, base64.b64decode(root_line))
        found = roots(entries(self.data / layout.LOG, size), set(self.trees))
        self.wrong += [f"another tree of {at} entries" for at, root in self.trees.items() if found.get(at) != root]
        if envelopes.covered(self.data / layout.ENVELOPES) < size:
            self.wrong.append(f"records of the {size} published entries are not all files")
        return size


def entries(log: Path, size: int) -> Iterator[bytes]:
    """Entries of a log from its files, by the specification alone."""
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        digits = f"{index:03d}" if index < 1000 else f"x{index // 1000:03d}/{index % 1000:03d}"
        full = log / "tile" / "entries" / digits
        content = full.read_bytes() if full.is_file() else Path(f"{full}.p/{width}").read_bytes()
        offset = 0
        for _ in range(width):
            end = offset + 2 + int.from_bytes(content[offset : offset + 2], "big")
            yield content[offset + 2 : end]
            offset = end


def roots(leaves: Iterator[bytes], sizes: set[int]) -> dict[int, bytes]:
    """Roots that a tree has at some sizes (RFC 6962, 2.1)."""
    found: dict[int, bytes] = {}
    stack: list[tuple[int, bytes]] = []
    for count, leaf in enumerate(leaves, 1):
        level, node = 0, hashlib.sha256(b"\0" + leaf).digest()
        while stack and stack[-1][0] == level:
            node = hashlib.sha256(b"\1" + stack.pop()[1] + node).digest()
            level += 1
        stack.append((level, node))
        if count in sizes:
            root = stack[-1][1]
            for _, left in reversed(stack[:-1]):
                root = hashlib.sha256(b"\1" + left + root).digest()
            found[count] = root
    return found


async def run(folder: Path, *, rounds: int, cluster: Cluster | None = None, seed: int = 1) -> dict[str, Any]:
    """The campaign; gives the figures, with what is wrong under ``wrong``."""
    chance, heard, began = random.Random(seed), Heard(), time.monotonic()
    address = StoreAddress(url=cluster.database(), password_file=cluster.secret) if cluster else None
    config: dict[str, Any] = {
        "scopes": {"tenants": True, "groups": ["EU"]},
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
    }
    if address:
        config["storage"] = {"url": address.url, "password_file": str(address.password_file), "instance": "crashes"}
    with far_side() as base_url:
        documents = catalogue({"n/a": deployment(base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, folder, config, documents, address=address)
        published = Published(folder / "data")
        killed = []
        for _ in range(rounds):
            await _one_round(path, heard, chance)
            killed.append(await asyncio.to_thread(published.look))
        server = await asyncio.to_thread(Server.start, path)
        if await asyncio.to_thread(server.stop) != 0:
            published.wrong.append("the last start did not end well")
        size = await asyncio.to_thread(published.look)
    figures = await asyncio.to_thread(_records, folder / "data", heard, published.wrong)
    verified = await asyncio.to_thread(apostille, "verify", str(folder / "data"))
    if verified.returncode != 0:
        published.wrong.append(verified.stdout[-2000:])
    return {
        "store": "postgres" if cluster else "sqlite",
        "rounds": rounds,
        "kills_with_new_entries": sum(b > a for a, b in zip([0, *killed], killed, strict=False)),
        "statuses": dict(heard.statuses),
        "begun": len(heard.begun),
        "ended": len(heard.ended),
        "entries": size,
        **figures,
        "took_s": round(time.monotonic() - began, 1),
        "wrong": published.wrong,
    }


async def _one_round(path: Path, heard: Heard, chance: random.Random) -> None:
    """Load, and a kill at some moment after the first answer."""
    server = await asyncio.to_thread(Server.start, path)
    headers = {"authorization": f"Bearer {key_of('de')}"}
    before = len(heard.begun)
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        clients = [asyncio.create_task(heard.client(session, server.url, chance)) for _ in range(CLIENTS)]
        while len(heard.begun) == before and not all(each.done() for each in clients):
            await asyncio.sleep(0.002)
        await asyncio.sleep(chance.random() * LONGEST_S)
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*clients)


def _records(data: Path, heard: Heard, wrong: list[str]) -> dict[str, int]:
    """Hold the log's records against what clients were told."""
    decisions: Counter[str] = Counter()
    results: Counter[str] = Counter()
    orphaned: set[str] = set()
    with closing(datadir.open_directory(data)) as source:
        for _, envelope in source.between(0, 1 << 40):
            found = statement.parse(dsse.parse(envelope).payload)
            if found.kind is RecordKind.DECISION:
                decisions[statement.decision_of(found).request_id] += 1
            elif found.kind is RecordKind.RESULT:
                record = statement.result_of(found)
                results[record.request_id] += 1
                if record.outcome is ResultOutcome.ORPHANED:
                    orphaned.add(record.request_id)
    wrong += [f"`{each}` was told and has {decisions[each]} decisions" for each in heard.begun if decisions[each] != 1]
    wrong += [f"`{each}` was answered and has {results[each]} results" for each in heard.ended if results[each] != 1]
    wrong += [f"`{each}` was answered and is orphaned" for each in orphaned & set(heard.ended)]
    wrong += [f"`{each}` has {results[each]} results" for each in decisions if results[each] != 1]
    return {"decisions": len(decisions), "results": len(results), "orphaned": len(orphaned)}


def main() -> int:
    """Run a campaign and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.crashes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    shared = arguments.store == "postgres"
    if shared and postgres.MISSING:
        print(postgres.MISSING, file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory() as folder, postgres.cluster() if shared else nullcontext() as cluster:
        figures = asyncio.run(run(Path(folder), rounds=arguments.rounds, cluster=cluster, seed=arguments.seed))
    print(json.dumps(figures, indent=1))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
