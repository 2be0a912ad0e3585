"""The console in a real browser, against a real server: what each view says, and that nothing a model or a rule says becomes HTML."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.test_enforcement import BAN
from tests.simulators import browser
from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

if browser.MISSING:
    pytest.skip(browser.MISSING, allow_module_level=True)

from playwright.sync_api import Browser, Page, expect

EVIL = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
VIEWS = ("Overview", "What may be used")


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
        ban = BAN.replace("A test order forbids", f"{EVIL.replace(chr(34), '')} A test order forbids")
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
    with browser.running() as found:
        yield found


@dataclass
class Console:
    """A page of the console. At its end nothing was complained about, and its key is in no address and in no lasting store."""

    page: Page
    url: str

    def enter(self, key: str) -> None:
        """Give it a key."""
        self.page.goto(f"{self.url}/console")
        self.page.get_by_label("API key or token").fill(key)
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


@pytest.fixture
def console(chromium: Browser, server: Server) -> Iterator[Console]:
    with browser.Tab.opened(chromium) as tab:
        found = Console(tab.page, server.url)
        found.enter(key_of("de"))
        expect(tab.page.get_by_text("The proxy takes requests")).to_be_visible()
        yield found
        assert key_of("de") not in tab.page.url
        assert tab.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert tab.page.title() != "taken"
        assert tab.complaints == []


def test_the_overview_tells_how_the_proxy_is_doing(console: Console) -> None:
    page = console.page
    rows = page.get_by_role("region", name="2 deployments")
    expect(rows).to_contain_text("x/best")
    expect(rows).to_contain_text("closed")
    expect(page.get_by_text("No witness is asked to cosign the log")).to_be_visible()


def test_an_excluded_model_is_shown_with_its_rule_and_legal_basis(console: Console) -> None:
    console.view("What may be used")
    page = console.page
    excluded = page.get_by_role("row", name="x/best")
    expect(excluded).to_contain_text("de.99")
    expect(excluded).to_contain_text("test order no. 1 of 1 November 2026")
    expect(excluded).to_contain_text("<script>document.title='taken'</script> A test order forbids this vendor")
    page.get_by_label("Show only what has these words").fill("n/good north")
    expect(page.get_by_text("0 of 1 deployment")).to_be_visible()
    expect(page.get_by_role("cell", name="n/good")).to_be_visible()
    expect(excluded).to_have_count(0)


def test_a_wrong_key_is_told_and_not_kept(chromium: Browser, server: Server) -> None:
    with browser.Tab.opened(chromium) as tab:
        console = Console(tab.page, server.url)
        for key in ("ap-not-a-key", "wörter mit spaces"):
            console.enter(key)
            expect(tab.page.get_by_role("alert")).to_contain_text("key")
            expect(tab.page.get_by_role("navigation")).to_be_hidden()
        assert not [each for each in tab.complaints if "401" not in each]


def test_a_key_is_kept_in_the_tab_where_its_user_says_so_and_forgotten_on_demand(
    chromium: Browser, server: Server
) -> None:
    with browser.Tab.opened(chromium) as tab:
        page, console = tab.page, Console(tab.page, server.url)
        page.goto(f"{server.url}/console/#/models")
        page.get_by_label("Keep it in this tab").check()
        page.get_by_label("API key or token").fill(key_of("us"))
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("heading", name="Permitted")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Permitted")).to_be_visible()
        page.get_by_role("button", name="Forget the key").click()
        page.reload()
        expect(page.get_by_label("API key or token")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0
        assert console.width <= 1280


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1400, "dark")])
def test_every_view_fits_its_window(chromium: Browser, server: Server, width: int, scheme: str) -> None:
    with browser.Tab.opened(chromium, width, scheme) as tab:
        console = Console(tab.page, server.url)
        console.enter(key_of("de"))
        expect(tab.page.get_by_text("The proxy takes requests")).to_be_visible()
        for name in VIEWS:
            console.view(name)
            assert console.width <= width, name
        assert tab.complaints == []
