"""``python -m tests.benchmarks.bench_replay``: how long recorded decisions take to be decided again, from a real log.

Prepares a log of that many requests (two records each), then times ``apostille policy replay`` and ``drill`` as a user runs them.
"""

import argparse
import platform
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
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = history.prepare(Path(folder))
        current = history.loaded(config)
        log = Log.open(config.parent / "data")
        with tqdm(total=arguments.requests, unit="request", desc="recording") as bar:
            for seed in range(-(-arguments.requests // SHARE)):
                count = min(SHARE, arguments.requests - seed * SHARE)
                history.write(log, current, count, seed=seed)
                bar.update(count)
        log.close()
        print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
        _timed("replay", ["replay"], config)
        _timed("drill", ["drill", "--ban", "model:prime", "--in", "EU", "--from", "2027-01-01"], config)


def _timed(name: str, arguments: list[str], config: Path) -> None:
    begun = time.perf_counter()
    command = [sys.executable, "-m", "proxy.cli", "policy", *arguments, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    print(f"{name}: {took:.1f} s, exit {done.returncode}: {done.stdout.splitlines()[1]}")


if __name__ == "__main__":
    main()
