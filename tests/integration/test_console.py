"""The console in a real browser, against a real server: what each view says, and that nothing a model or a rule says becomes HTML."""

import base64
import contextlib
import hashlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit import checkpoint, merkle, proofs
from tests.integration.test_enforcement import BAN
from tests.simulators import browser
from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

if browser.MISSING:
    pytest.skip(browser.MISSING, allow_module_level=True)

from playwright.sync_api import Browser, Locator, Page, Route, expect

EVIL = "<img src=x onerror=top.taken=1><script>top.taken=1</script>"
VIEWS = ("Overview", "What may be used", "Try", "Requests")


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
    with browser.running() as found:
        yield found


@dataclass
class Console:
    """A page of the console. At its end nothing was complained about, and its key is in no address and in no lasting store."""

    page: Page
    url: str
    complaints: list[str]

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
        found = Console(tab.page, server.url, tab.complaints)
        found.enter(key_of("de"))
        expect(tab.page.get_by_text("The proxy takes requests")).to_be_visible()
        yield found
        assert key_of("de") not in tab.page.url
        assert tab.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert tab.page.evaluate("window.taken === undefined")
        assert tab.complaints == []


def test_the_overview_tells_how_the_proxy_is_doing(console: Console) -> None:
    page = console.page
    rows = page.get_by_role("region", name="2 deployments")
    expect(rows).to_contain_text("x/best")
    expect(rows).to_contain_text("closed")
    expect(page.get_by_text("No witness is asked to cosign the log")).to_be_visible()


def test_the_overview_asks_again_while_it_is_seen_and_never_else(chromium: Browser, server: Server) -> None:
    with browser.Tab.opened(chromium) as tab:
        page, console, asked = tab.page, Console(tab.page, server.url, tab.complaints), []
        page.clock.install()
        console.enter(key_of("de"))
        expect(page.get_by_text("The proxy takes requests")).to_be_visible()
        with page.expect_request("**/healthz"):
            page.clock.run_for(5_000)
        expect(page.get_by_text("asked again every 5 seconds")).to_be_visible()
        page.on("request", lambda request: asked.append(request.url))
        page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true })")
        page.clock.run_for(60_000)
        assert asked == []
        page.evaluate("Object.defineProperty(document, 'visibilityState', { value: 'visible' })")
        with page.expect_request("**/healthz"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        console.view("Requests")
        asked.clear()
        page.clock.run_for(60_000)
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


def planned(console: Console, model: str, prompt: str, **chosen: str) -> Page:
    """A request that was filled in and planned."""
    console.view("Try")
    page = console.page
    page.get_by_label("Model", exact=True).fill(model)
    page.get_by_label("Prompt").fill(prompt)
    for label, value in chosen.items():
        page.locator(f"#{label}").select_option(value)
    page.get_by_role("button", name="Plan it").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    return page


def published(server: Server, record: str) -> None:
    """Returns once both records of a request are in the published log."""
    for kind in ("decision", "result"):
        for _ in range(600):
            request = urllib.request.Request(
                f"{server.url}/v1/records/{record}/proof?kind={kind}",
                headers={"authorization": f"Bearer {key_of('de')}"},
            )
            with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request):
                break
            time.sleep(0.05)


def sent(console: Console, server: Server, model: str = "best", prompt: str = "What is 6 times 7?") -> str:
    """The published record of a request that was planned and sent."""
    page = planned(console, model, prompt)
    page.get_by_role("button", name="Send it").click()
    link = page.get_by_role("region", name="Answer").locator("a[href^='#/record/']").first
    expect(link).to_be_visible()
    record = link.inner_text()
    published(server, record)
    return record


def opened(console: Console, record: str) -> Locator:
    """The checks of a record, in its view."""
    console.page.goto(f"{console.url}/console/#/record/{record}")
    checks = console.page.get_by_role("region", name="Checks")
    expect(checks).to_be_visible()
    return checks


def test_a_plan_says_who_would_be_called_and_who_not_and_calls_nobody(console: Console) -> None:
    page = planned(console, "best", "What is 6 times 7?")
    plan = page.get_by_role("region", name="Plan")
    expect(plan).to_contain_text("Another, permitted model in place of one")
    expect(plan.get_by_role("region", name="Legs")).to_contain_text("n/good")
    expect(plan.get_by_role("region", name="1 exclusion")).to_contain_text("test order no. 1 of 1 November 2026")
    expect(plan.get_by_role("region", name="1 stand-in")).to_contain_text("the alternate that the catalogue declares")
    expect(plan).to_contain_text("Costs at most")
    page.get_by_label("Prompt").fill("Something else")
    expect(page.get_by_role("button", name="Send it")).to_have_count(0)


def test_a_refusal_is_told_in_plain_words_with_its_code_and_record(console: Console, server: Server) -> None:
    page = planned(console, "best", "What is 6 times 7?", on_restricted="refuse")
    expect(page.get_by_role("region", name="Plan")).to_contain_text("Refused: nothing was sent")
    page.get_by_role("button", name="Send it").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Law or policy forbids this")
    expect(alert).to_contain_text("HTTP 451, code restricted-by-policy")
    record = alert.get_by_role("link").inner_text()
    published(server, record)
    opened(console, record)
    expect(page.get_by_text("No model was called")).to_be_visible()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("✓ Signed, in the log")
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
    record = sent(console, server, prompt=EVIL)
    expect(console.page.locator("pre.answer")).to_have_text(f"good says: {EVIL}")
    assert console.page.locator("main img, main script").count() == 0
    opened(console, record)
    expect(console.page.get_by_text("As they were signed")).to_be_visible()
    assert console.page.locator("main img, main script").count() == 0


def test_a_sent_request_is_listed_and_its_record_holds(console: Console, server: Server) -> None:
    record = sent(console, server)
    answer = console.page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("good says: What is 6 times 7?")
    expect(answer.get_by_role("region", name="Calls")).to_contain_text("in the answer")
    console.view("Requests")
    row = console.page.get_by_role("row").filter(has=console.page.locator(f"a[href='#/record/{record}']"))
    expect(row).to_contain_text("Another, permitted model in place of one")
    row.get_by_role("link").click()
    checks = console.page.get_by_role("region", name="Checks")
    verdict = console.page.get_by_role("region", name="Verdict")
    expect(verdict).to_contain_text("✓ Signed, in the log, and as it was signed")
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
    expect(verdict).to_contain_text("✗ A check does not hold")
    expect(checks).to_contain_text("the checkpoint of log.example/test has no line of this key")


def test_files_of_a_record_are_those_of_the_api(console: Console, server: Server, tmp_path: Path) -> None:
    record = sent(console, server)
    opened(console, record)
    with console.page.expect_download() as waiting:
        console.page.get_by_role("button", name="Result: proof").click()
    waiting.value.save_as(tmp_path / "proof")
    assert waiting.value.suggested_filename == f"{record}.result.tlog-proof"
    assert proofs.parse((tmp_path / "proof").read_bytes()).note.text.startswith("log.example/test\n")


@pytest.mark.parametrize(
    ("part", "change", "step"),
    [
        ("", lambda text: text.replace('"payload":"eyJ', '"payload":"eyK', 1), "it has not the form"),
        ("", lambda text: with_payload(text, b'"tenant":"de"', b'"tenant":"us"'), "not of this record by this key"),
        ("", lambda text: text.replace('"index":', '"index":1', 1), "the proof is of another entry"),
        ("/proof?kind=decision", lambda text: with_line(text, 2), "it leads to"),
        ("/proof?kind=result", lambda text: with_line(text, 2), "it leads to"),
        (
            "/sigstore?kind=decision",
            lambda text: text.replace(body_of(text), other_key(text)),
            "not the one that the envelope",
        ),
    ],
    ids=["payload", "signed word", "index", "proof", "proof of the result", "key"],
)
def test_an_answer_that_was_tampered_with_does_not_hold(
    console: Console, server: Server, part: str, change: Callable[[str], str], step: str
) -> None:
    record = sent(console, server)

    def tampered(route: Route) -> None:
        response = route.fetch()
        before = response.text()
        after = change(before)
        assert after != before
        route.fulfill(response=response, body=after)

    console.page.route(f"**/v1/records/{record}{part}", tampered)
    console.page.goto(f"{console.url}/console/#/record/{record}")
    expect(console.page.get_by_role("region", name="Verdict")).to_contain_text("✗ A check does not hold")
    expect(console.page.get_by_role("region", name="Checks")).to_contain_text(step)


def with_payload(text: str, old: bytes, new: bytes) -> str:
    """A record whose decision says something else."""
    body = json.loads(text)
    envelope = body["records"][0]["envelope"]
    payload = base64.b64decode(envelope["payload"])
    assert old in payload
    envelope["payload"] = base64.b64encode(payload.replace(old, new)).decode()
    return json.dumps(body)


def with_line(text: str, number: int) -> str:
    """A proof with another hash."""
    lines = text.split("\n")
    lines[number] = base64.b64encode(hashlib.sha256(lines[number].encode()).digest()).decode()
    return "\n".join(lines)


def body_of(bundle: str) -> str:
    """The log entry in a Sigstore bundle, as it stands there."""
    return str(json.loads(bundle)["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"])


def other_key(bundle: str) -> str:
    """The same entry with another public key."""
    entry = json.loads(base64.b64decode(body_of(bundle)))
    key = entry["spec"]["hashedRekordV002"]["signature"]["verifier"]["publicKey"]
    spki = bytearray(base64.b64decode(key["rawBytes"]))
    spki[-1] ^= 1
    key["rawBytes"] = base64.b64encode(spki).decode()
    return base64.b64encode(json.dumps(entry).encode()).decode()


def test_proofs_of_trees_of_every_shape_are_folded_as_the_verifier_folds_them(console: Console) -> None:
    cases = []
    for size in (1, 2, 3, 4, 5, 6, 7, 8, 11, 64, 65, 70):
        leaves = [merkle.leaf_hash(b"%d" % n) for n in range(size)]
        for index in range(size):
            path = merkle.inclusion_proof(
                index, size, lambda level, n, of=leaves: merkle.perfect_root(of[n << level : (n + 1) << level])
            )
            cases.append([index, size, leaves[index].hex(), [each.hex() for each in path], merkle.root(leaves).hex()])
    wrong = console.page.evaluate(FOLDED, cases)
    assert wrong == []


FOLDED = """async (cases) => {
  const { fold } = await import("/console/merkle.js");
  const { toHex } = await import("/console/bytes.js");
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (each) => parseInt(each, 16));
  const led = async (index, size, leaf, path) => {
    try {
      const levels = await fold(BigInt(index), BigInt(size), bytes(leaf), path.map(bytes));
      return toHex(levels.at(-1)?.hash ?? bytes(leaf));
    } catch { return "none"; }
  };
  const wrong = [];
  for (const [index, size, leaf, path, root] of cases) {
    if (await led(index, size, leaf, path) !== root) wrong.push(["does not lead", index, size]);
    if (size > 1 && await led((index + 1) % size, size, leaf, path) === root) wrong.push(["another index", index, size]);
    if (await led(index, size, leaf, [...path, leaf]) === root) wrong.push(["one hash more", index, size]);
    if (path.length && await led(index, size, leaf, path.slice(1)) === root) wrong.push(["one hash less", index, size]);
  }
  return wrong;
}"""


def test_a_wrong_key_is_told_and_not_kept(chromium: Browser, server: Server) -> None:
    with browser.Tab.opened(chromium) as tab:
        console = Console(tab.page, server.url, tab.complaints)
        for key in ("ap-not-a-key", "wörter mit spaces"):
            console.enter(key)
            expect(tab.page.get_by_role("alert")).to_contain_text("key")
            expect(tab.page.get_by_role("navigation")).to_be_hidden()
        assert not [each for each in tab.complaints if "401" not in each]


def test_a_key_is_kept_in_the_tab_where_its_user_says_so_and_forgotten_on_demand(
    chromium: Browser, server: Server
) -> None:
    with browser.Tab.opened(chromium) as tab:
        page, console = tab.page, Console(tab.page, server.url, tab.complaints)
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
        console = Console(tab.page, server.url, tab.complaints)
        console.enter(key_of("de"))
        expect(tab.page.get_by_text("The proxy takes requests")).to_be_visible()
        for name in VIEWS:
            console.view(name)
            assert console.width <= width, name
        assert tab.complaints == []
