"""A server, a browser and a page of the console, for tests in this folder.

The browser is a module's, never the session's: Playwright keeps an event loop running in the thread that it was started in, and the
tests of other modules start their own there.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.test_enforcement import BAN
from tests.simulators import browser
from tests.simulators.console import Console
from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

EVIL = "<img src=x onerror=top.taken=1><script>top.taken=1</script>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A German tenant under a ban whose reason is HTML, an American one without it, models behind them that repeat a prompt."""
    with far_side() as url:
        deployments = {
            "x/best": deployment(url, model="best", operator="vendor-x", alternates=["n/good"]),
            "n/good": deployment(url, model="good"),
        }
        config = {
            "tenants": {
                "de": tenant("de", jurisdictions=["DE"], packs=["corporate", "ban"]),
                "us": tenant("us", jurisdictions=["US"], packs=["corporate", "ban"]),
            }
        }
        ban = BAN.replace("A test order forbids", f"{EVIL} A test order forbids")
        folder = tmp_path_factory.mktemp("console")
        running = Server.start(
            Server.prepare(folder, config, catalogue(deployments, {"best": "vendor-x"}), {"ban": ban})
        )
        try:
            yield running
        finally:
            assert running.stop() == 0, running.log_text


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if browser.MISSING:
        pytest.skip(browser.MISSING)
    with browser.running() as found:
        yield found


@pytest.fixture
def console(chromium: Browser, server: Server) -> Iterator[Console]:
    with browser.Tab.opened(chromium) as tab:
        found = Console(tab.page, server.url, key_of("de"), tab.complaints)
        found.enter()
        expect(tab.page.get_by_text("The proxy takes requests")).to_be_visible()
        yield found
        assert key_of("de") not in tab.page.url
        assert tab.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert tab.page.evaluate("window.taken === undefined")
        assert tab.complaints == []
