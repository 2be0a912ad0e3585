"""The console in a real browser, against a real server: what each view says, and that nothing a model or a rule says becomes HTML."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from audit import checkpoint, proofs
from tests.integration.console.conftest import EVIL
from tests.simulators import browser
from tests.simulators.console import Console, published
from tests.simulators.server import Server, key_of

VIEWS = ("Overview", "What may be used", "Try", "Requests")


def test_the_overview_tells_how_the_proxy_is_doing(console: Console) -> None:
    page = console.page
    rows = page.get_by_role("region", name="2 deployments")
    expect(rows).to_contain_text("x/best")
    expect(rows).to_contain_text("closed")
    expect(page.get_by_text("No witness is asked to cosign the log")).to_be_visible()


def test_the_overview_asks_again_while_it_is_seen_and_never_else(chromium: Browser, server: Server) -> None:
    with browser.Tab.opened(chromium) as tab:
        page, console, asked = tab.page, Console(tab.page, server.url, key_of("de"), tab.complaints), []
        page.clock.install()
        console.enter()
        expect(page.get_by_text("The proxy takes requests")).to_be_visible()
        with page.expect_request("**/healthz"):
            page.clock.run_for(5_000)
        expect(page.get_by_text("asked again every 5 seconds")).to_be_visible()
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })")
        page.clock.run_for(60_000)
        assert page.evaluate("document.visibilityState") == "hidden"
        assert asked == []
        page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'visible' })")
        with page.expect_request("**/healthz"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        console.view("Requests")
        asked.clear()
        page.clock.run_for(60_000)
        assert page.evaluate("document.title").startswith("Requests")
        assert asked == []


def test_views_are_reached_and_read_without_a_mouse(console: Console) -> None:
    page = console.page
    page.get_by_role("link", name="What may be used").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1, name="What may be used")).to_be_focused()
    expect(page.get_by_role("link", name="What may be used")).to_have_attribute("aria-current", "page")
    expect(page.get_by_role("status")).to_have_text("5 permitted and 1 excluded are shown.")
    expect(page).to_have_title("What may be used · Apostille console")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input, select, textarea')].filter((e) => !e.labels.length).length"
    )
    assert unnamed == 0


def test_an_excluded_model_is_shown_with_its_rule_and_legal_basis(console: Console) -> None:
    console.view("What may be used")
    page = console.page
    excluded = page.get_by_role("row", name="x/best")
    expect(excluded).to_contain_text("de.99")
    expect(excluded).to_contain_text("test order no. 1 of 1 November 2026")
    expect(excluded).to_contain_text(f"{EVIL} A test order forbids this vendor")
    page.get_by_label("Show only what has these words").fill("n/good north")
    expect(page.get_by_text("0 of 1 deployment")).to_be_visible()
    expect(page.get_by_role("cell", name="n/good")).to_be_visible()
    expect(excluded).to_have_count(0)


def test_a_plan_says_who_would_be_called_and_who_not_and_calls_nobody(console: Console) -> None:
    page = console.plan("best", "What is 6 times 7?")
    plan = page.get_by_role("region", name="Plan")
    expect(plan).to_contain_text("Another, permitted model in place of one")
    expect(plan.get_by_role("region", name="Legs")).to_contain_text("n/good")
    expect(plan.get_by_role("region", name="1 exclusion")).to_contain_text("test order no. 1 of 1 November 2026")
    expect(plan.get_by_role("region", name="1 stand-in")).to_contain_text("the alternate that the catalogue declares")
    expect(plan).to_contain_text("Costs at most")
    page.get_by_label("Prompt").fill("Something else")
    expect(page.get_by_role("button", name="Send it")).to_have_count(0)


def test_a_refusal_is_told_in_plain_words_with_its_code_and_record(console: Console, server: Server) -> None:
    page = console.plan("best", "What is 6 times 7?", on_restricted="refuse")
    expect(page.get_by_role("region", name="Plan")).to_contain_text("Refused: nothing was sent")
    page.get_by_role("button", name="Send it").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Law or policy forbids this")
    expect(alert).to_contain_text("HTTP 451, code restricted-by-policy")
    record = alert.get_by_role("link").inner_text()
    published(console.url, console.key, record)
    console.open(record)
    expect(page.get_by_text("No model was called")).to_be_visible()
    expect(console.verdict).to_contain_text("✓ Signed, in the log")
    assert [each for each in console.complaints if "451" not in each] == []
    console.complaints.clear()


def test_an_error_names_what_is_wrong(console: Console) -> None:
    console.view("Try")
    page = console.page
    page.get_by_label("Model", exact=True).fill("good")
    page.get_by_label("Prompt").fill("Hello")
    page.locator("#mode").select_option("high")
    page.get_by_role("button", name="Plan it").click()
    expect(page.get_by_role("alert")).to_contain_text("option-not-applicable")
    console.complaints.clear()


def test_html_in_a_prompt_and_in_a_models_answer_is_text(console: Console, server: Server) -> None:
    record = console.send(prompt=EVIL)
    expect(console.page.locator("pre.answer")).to_have_text(f"good says: {EVIL}")
    assert console.page.locator("main img, main script").count() == 0
    console.open(record)
    expect(console.page.get_by_text("As they were signed")).to_be_visible()
    assert console.page.locator("main img, main script").count() == 0


def test_a_sent_request_is_listed_and_its_record_holds(console: Console, server: Server) -> None:
    record = console.send()
    answer = console.page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("good says: What is 6 times 7?")
    expect(answer.get_by_role("region", name="Calls")).to_contain_text("in the answer")
    console.view("Requests")
    row = console.page.get_by_role("row").filter(has=console.page.locator(f"a[href='#/record/{record}']"))
    expect(row).to_contain_text("Another, permitted model in place of one")
    row.get_by_role("link").click()
    checks = console.page.get_by_role("region", name="Checks")
    expect(console.verdict).to_contain_text("✓ Signed, in the log, and as it was signed")
    expect(checks.get_by_label("holds", exact=True)).to_have_count(9)
    expect(checks.get_by_label("not checked")).to_have_count(2)
    expect(console.page.get_by_role("region", name="1 exclusion")).to_contain_text("de.99")
    vkey = (server.data / "keys" / "log.vkey").read_text()
    console.page.get_by_label("The log's key").fill(vkey.strip())
    console.page.get_by_role("button", name="Check with this key").click()
    expect(checks.get_by_label("holds", exact=True)).to_have_count(11)
    console.page.get_by_label("The log's key").fill(vkey.strip()[:-2] + "==")
    console.page.get_by_role("button", name="Check with this key").click()
    expect(console.page.get_by_role("alert")).to_contain_text("This is no key of a log")
    other = checkpoint.VerifierKey(name="log.example/test", kind=checkpoint.ED25519, public=bytes(32))
    console.page.get_by_label("The log's key").fill(checkpoint.format_vkey(other))
    console.page.get_by_role("button", name="Check with this key").click()
    expect(console.verdict).to_contain_text("✗ A check does not hold")
    expect(checks).to_contain_text("the checkpoint of log.example/test has no line of this key")


def test_files_of_a_record_are_those_of_the_api(console: Console, server: Server, tmp_path: Path) -> None:
    record = console.send()
    console.open(record)
    with console.page.expect_download() as waiting:
        console.page.get_by_role("button", name="Result: proof").click()
    waiting.value.save_as(tmp_path / "proof")
    assert waiting.value.suggested_filename == f"{record}.result.tlog-proof"
    assert proofs.parse((tmp_path / "proof").read_bytes()).note.text.startswith("log.example/test\n")


def test_a_wrong_key_is_told_and_not_kept(chromium: Browser, server: Server) -> None:
    with browser.Tab.opened(chromium) as tab:
        for key, told in {
            "ap-not-a-key": "The key was not accepted",
            "wörter mit spaces": "A key has visible ASCII characters only",
        }.items():
            Console(tab.page, server.url, key, tab.complaints).enter()
            expect(tab.page.get_by_role("alert")).to_contain_text(told)
            expect(tab.page.get_by_role("navigation")).to_be_hidden()
        assert tab.page.url == f"{server.url}/console/"
        assert tab.page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
        assert [each for each in tab.complaints if "401" not in each] == []


def test_a_key_is_kept_in_the_tab_where_its_user_says_so_and_forgotten_on_demand(
    chromium: Browser, server: Server
) -> None:
    with browser.Tab.opened(chromium) as tab:
        page, console = tab.page, Console(tab.page, server.url, key_of("de"), tab.complaints)
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
        console = Console(tab.page, server.url, key_of("de"), tab.complaints)
        console.enter()
        expect(tab.page.get_by_text("The proxy takes requests")).to_be_visible()
        for name in VIEWS:
            console.view(name)
            assert console.width <= width, name
        console.open(console.send())
        assert console.width <= width
        assert tab.complaints == []
