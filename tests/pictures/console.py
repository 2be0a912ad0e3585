"""Makes ``docs/pictures/console.png``: the record of a request to a model that is excluded, in the embedded default's console.

    python -m tests.pictures.console

Needs the extra ``local`` and Chromium. A picture of what runs, and so another one each time: ids, times, what the small model says.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.simulators import browser
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


def published(url: str, key: str, record: str) -> None:
    """Returns once the result of a request is in the published log."""
    address = f"{url}/v1/records/{record}/proof?kind=result"
    request = urllib.request.Request(address, headers={"authorization": f"Bearer {key}"})
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(request):
            return
        time.sleep(0.1)
    raise TimeoutError(record)


def sent(page: Page, model: str) -> str:
    """The record of a request that was planned and sent."""
    page.get_by_role("link", name="Try", exact=True).click()
    page.get_by_label("Model", exact=True).fill(model)
    page.get_by_label("Prompt").fill("Name a colour.")
    page.get_by_role("button", name="Plan it").click()
    page.get_by_role("button", name="Send it").click()
    return page.get_by_role("region", name="Answer").locator("a[href^='#/record/']").inner_text()


def main() -> None:
    """Make it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        up(Path(folder)) as (url, key),
        browser.running() as chromium,
        browser.Tab.opened(chromium, WIDTH, height=HEIGHT) as tab,
    ):
        page = tab.page
        page.goto(f"{url}/console/")
        page.get_by_label("API key or token").fill(key)
        page.keyboard.press("Enter")
        record = sent(page, "smollm2-prime")
        published(url, key, record)
        page.goto(f"{url}/console/#/record/{record}")
        expect(page.get_by_role("region", name="Verdict")).to_contain_text("✓")
        page.screenshot(path=PLACE)
    print(f"{PLACE.relative_to(ROOT)}: {PLACE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
