"""``python -m tests.benchmarks.bench_replay``: how long recorded decisions take to be decided again, from a real log.

Prepares a log of that many requests (two records each), then times ``apostille policy replay`` and ``drill`` as a user runs them.
"""

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from audit.log import Log
from tests.simulators import history

SHARE = 2_000


def main() -> None:
    """Prepare, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="folder of the log; taken as it is if it is there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = arguments.keep or Path(folder)
        config = place / "apostille.yaml"
        if not config.exists():
            _record(place, arguments.requests)
        print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
        _timed("replay", ["replay"], config)
        _timed("drill", ["drill", "--ban", "model:prime", "--in", "EU", "--from", "2027-01-01"], config)


def _record(place: Path, requests: int) -> None:
    """A log of that many requests."""
    config = history.prepare(place)
    current = history.loaded(config)
    log = Log.open(config.parent / "data")
    with tqdm(total=requests, unit="request", desc="recording") as bar:
        for seed in range(-(-requests // SHARE)):
            count = min(SHARE, requests - seed * SHARE)
            history.write(log, current, count, seed=seed)
            bar.update(count)
    log.close()


def _timed(name: str, arguments: list[str], config: Path) -> None:
    begun, before = time.perf_counter(), _cpu()
    command = [sys.executable, "-m", "proxy.cli", "policy", *arguments, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took, used = time.perf_counter() - begun, _cpu() - before
    print(f"{name}: {took:.1f} s ({used:.1f} s of processor), exit {done.returncode}: {done.stdout.splitlines()[1]}")


def _cpu() -> float:
    """Processor seconds of the commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
