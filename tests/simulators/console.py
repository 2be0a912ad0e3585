"""A user of the console in a browser: gives a key, goes to views, plans and sends requests, opens records."""

import contextlib
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

TRIES = 600
"""Looks at a log until a record is published, 50 ms apart."""


@dataclass
class Console:
    """A page of the console. ``complaints``: of the browser."""

    page: Page
    url: str
    key: str
    complaints: list[str]

    def enter(self) -> None:
        """Give it the key."""
        self.page.goto(f"{self.url}/console")
        self.page.get_by_label("API key or token").fill(self.key)
        self.page.keyboard.press("Enter")

    def view(self, name: str) -> None:
        """Go to a view by its link, and wait until it has answered."""
        self.page.get_by_role("link", name=name, exact=True).click()
        expect(self.page.get_by_role("heading", level=1, name=name)).to_be_visible()
        expect(self.page.get_by_text("Asking the proxy …")).to_have_count(0)

    @property
    def width(self) -> int:
        """Of what is on the page, in pixels."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    @property
    def verdict(self) -> Locator:
        """What the checks of a record say together."""
        return self.page.get_by_role("region", name="Verdict")

    def plan(self, model: str, prompt: str, **chosen: str) -> Page:
        """Fill in a request and plan it."""
        self.view("Try")
        self.page.get_by_label("Model", exact=True).fill(model)
        self.page.get_by_label("Prompt").fill(prompt)
        for name, value in chosen.items():
            self.page.locator(f"#{name}").select_option(value)
        self.page.get_by_role("button", name="Plan it").click()
        expect(self.page.get_by_role("heading", name="What would happen")).to_be_visible()
        return self.page

    def send(self, model: str = "best", prompt: str = "What is 6 times 7?") -> str:
        """Plan a request and send it; gives its record once that is published."""
        record = self.plan_and_send(model, prompt)
        published(self.url, self.key, record)
        return record

    def plan_and_send(self, model: str, prompt: str) -> str:
        """Plan a request and send it; gives its record."""
        page = self.plan(model, prompt)
        page.get_by_role("button", name="Send it").click()
        link = page.get_by_role("region", name="Answer").locator("a[href^='#/record/']").first
        expect(link).to_be_visible()
        return link.inner_text()

    def open(self, record: str) -> Locator:
        """Go to a record; gives its checks once they are made."""
        self.page.goto(f"{self.url}/console/#/record/{record}")
        checks = self.page.get_by_role("region", name="Checks")
        expect(checks).to_be_visible()
        return checks


def published(url: str, key: str, record: str) -> None:
    """Returns once both records of a request are in the published log."""
    for kind in ("decision", "result"):
        address = f"{url}/v1/records/{record}/proof?kind={kind}"
        request = urllib.request.Request(address, headers={"authorization": f"Bearer {key}"})
        for _ in range(TRIES):
            with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request):
                break
            time.sleep(0.05)
        else:
            raise TimeoutError(record)
