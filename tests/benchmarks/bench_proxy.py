"""``make bench``: CPU per request of a direct leg with everything on, against a bare ASGI pass-through, in turns in one run.

Everything on: authentication, policy, two signed and durable records, traces to a file. Only the ratios mean something: absolute
times move several-fold on a shared machine. Server on one core, upstream and load on the other, where there are two.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from tqdm import tqdm

from tests.simulators.server import READY, Server, catalogue, deployment, key_of, tenant

SETTLE_S = 1.0
QUIET_RPS, QUIET_CONNECTIONS = 50.0, 4
"""Light load, at which the added latency is measured: nothing waits for the processor."""


def _pinned(arguments: list[str], core: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(process.pid, {cores[core % len(cores)]})
    return process


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    while True:
        line = process.stdout.readline()
        if not line:
            raise SystemExit("a process of the benchmark ended before it was ready")
        if line.startswith(READY) or line.strip().isdigit():
            return line.strip().removeprefix(READY)


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _round(pid: int, url: str, connections: int, seconds: float, rate: float = 0.0) -> dict[str, float]:
    """One turn of load on one server; ``rate``: requests a second, 0 for as many as it answers."""
    place = urlsplit(url)
    before = _cpu(pid)
    load = _pinned(
        [
            "-m",
            "tests.benchmarks.load",
            str(place.hostname),
            str(place.port),
            key_of("de"),
            str(connections),
            str(seconds),
            str(rate),
        ],
        1,
    )
    out, _ = load.communicate()
    time.sleep(SETTLE_S)  # traces and publication finish in here, and are counted
    found: dict[str, float] = json.loads(out)
    if found["bad"]:
        raise SystemExit(f"{found['bad']} answers were not 200")
    found["cpu_ms"] = (_cpu(pid) - before) / found["requests"] * 1000
    found["rps"] = found["requests"] / found["seconds"]
    return found


def main() -> None:
    """Run the benchmark and print the figures; ``--json`` writes them too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    upstream = _pinned(["-m", "tests.benchmarks.upstream"], 1)
    port = int(_line(upstream))
    with tempfile.TemporaryDirectory() as folder:
        documents = catalogue({"n/bench": deployment(f"http://127.0.0.1:{port}/v1", model="bench")})
        config = {
            "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate", "eu"], data_classes=["personal"])},
            "log": {"publish_interval_ms": 500},
        }
        path = Server.prepare(Path(folder), config, documents)
        servers = {
            "bare": _pinned(["-m", "tests.benchmarks.bare", f"http://127.0.0.1:{port}/v1/chat/completions"], 0),
            "apostille": _pinned(["-m", "proxy.cli", "serve", "--config", str(path)], 0),
        }
        try:
            urls = {name: _line(process) for name, process in servers.items()}
            figures = _measured(arguments, servers, urls)
            figures["rss_mb"] = round(psutil.Process(servers["apostille"].pid).memory_info().rss / 1e6, 1)
        finally:
            for process in (*servers.values(), upstream):
                process.terminate()
                process.wait(20)
    _print(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


def _measured(
    arguments: argparse.Namespace, servers: dict[str, "subprocess.Popen[str]"], urls: dict[str, str]
) -> dict[str, object]:
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    quiet: dict[str, list[float]] = {name: [] for name in servers}
    for name, process in servers.items():  # warm up, not counted
        _round(process.pid, urls[name], arguments.connections, 1.0)
    for _ in tqdm(range(arguments.rounds), desc="rounds", file=sys.stderr):
        for name, process in random.sample(list(servers.items()), len(servers)):  # neither is always the first
            turns[name].append(_round(process.pid, urls[name], arguments.connections, arguments.seconds))
            light = _round(process.pid, urls[name], QUIET_CONNECTIONS, arguments.seconds / 2, QUIET_RPS)
            quiet[name].append(light["p50_ms"])
    middle = {
        name: {key: statistics.median(t[key] for t in found) for key in ("cpu_ms", "rps", "p50_ms")}
        for name, found in turns.items()
    }
    ratios = [a["cpu_ms"] / b["cpu_ms"] for a, b in zip(turns["apostille"], turns["bare"], strict=True)]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "connections": arguments.connections,
        "rounds": arguments.rounds,
        "median": middle,
        "cpu_ratio": round(statistics.median(ratios), 2),
        "cpu_ratio_range": [round(min(ratios), 2), round(max(ratios), 2)],
        "rps_ratio": round(middle["apostille"]["rps"] / middle["bare"]["rps"], 2),
        "added_p50_ms": round(statistics.median(quiet["apostille"]) - statistics.median(quiet["bare"]), 2),
    }


def _print(figures: dict[str, object]) -> None:
    print(f"{figures['date']}, {figures['machine']}, {figures['connections']} connections, {figures['rounds']} rounds")
    median = figures["median"]
    assert isinstance(median, dict)
    for name, found in median.items():
        print(
            f"  {name:<10} {found['cpu_ms']:7.3f} ms CPU/request {found['rps']:8.0f} requests/s   p50 {found['p50_ms']:6.2f} ms"
        )
    low, high = figures["cpu_ratio_range"]  # type: ignore[misc]
    print(f"  CPU per request against bare: {figures['cpu_ratio']} (rounds: {low} to {high})")
    print(f"  requests/s against bare: {figures['rps_ratio']};  memory of the server: {figures['rss_mb']} MB")
    print(f"  added p50 at {QUIET_RPS:.0f} requests/s, both walls durable: {figures['added_p50_ms']} ms")


if __name__ == "__main__":
    main()
