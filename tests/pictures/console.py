"""Makes ``docs/pictures/console.png``: the record of a request to a model that is excluded, in the embedded default's console.

    python -m tests.pictures.console

Needs the extra ``local`` and Chromium. A picture of what runs, and so another one each time: ids, times, what the small model says.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import expect

from tests.simulators import browser
from tests.simulators.console import Console
from tests.simulators.server import READY, ROOT

PLACE = ROOT / "docs" / "pictures" / "console.png"
WIDTH, HEIGHT = 1280, 950
KEY = "APOSTILLE_API_KEY="
PATIENCE_S = 60


@contextmanager
def up(folder: Path) -> Iterator[tuple[str, str]]:
    """The embedded default, running: its address, and the key of its German tenant."""
    command = [sys.executable, "-m", "proxy.cli", "up", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PORT": "0"})
    assert process.stdout is not None
    try:
        said = dict(line.strip().split("=", 1) for line in _until(process.stdout, KEY))
        yield said[READY.rstrip("=")], said[KEY.rstrip("=")]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def _until(lines: Iterator[str], beginning: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line.startswith(beginning):
            return


def main() -> None:
    """Make it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        up(Path(folder)) as (url, key),
        browser.running() as chromium,
        browser.Tab.opened(chromium, WIDTH, height=HEIGHT) as tab,
    ):
        console = Console(tab.page, url, key, tab.complaints)
        console.enter()
        console.open(console.send("smollm2-prime", "Name a colour."))
        expect(console.verdict).to_contain_text("✓")
        tab.page.screenshot(path=PLACE)
    print(f"{PLACE.relative_to(ROOT)}: {PLACE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
