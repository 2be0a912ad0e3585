"""The system's Chromium, driven by Playwright. What a page writes to its console, and what its policy stopped, is kept."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = None if PROGRAM else "needs Chromium (Debian: `apt-get install chromium`)"
"""Why a test that needs a browser is skipped; None where there is one."""
PATIENCE_MS = 30_000
"""Longest wait for anything on a page: the machine may be busy."""
ELSEWHERE = "proxy.example"
"""A name of this machine that browsers do not know to be it, so that a page over HTTP has no WebCrypto."""
VIOLATIONS = "addEventListener('securitypolicyviolation', (e) => console.error(`stopped: ${e.violatedDirective}`))"


@contextmanager
def running() -> Iterator[Browser]:
    """A browser without a window. Its own sandbox is off for root, who cannot have it, and for nobody else."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=PROGRAM,
            chromium_sandbox=os.geteuid() != 0,
            args=["--disable-dev-shm-usage", f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"],
            timeout=4 * PATIENCE_MS,
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page in a context of its own. ``complaints``: errors of scripts, and of the page's policy."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    @classmethod
    @contextmanager
    def opened(cls, browser: Browser, width: int = 1280, scheme: str = "light", height: int = 900) -> "Iterator[Tab]":
        """A new one."""
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
        )
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(VIOLATIONS)
        tab = cls(context.new_page())
        tab.page.on("console", tab._told)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        try:
            yield tab
        finally:
            context.close()
