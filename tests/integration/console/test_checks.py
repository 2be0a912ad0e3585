"""The checks that a browser makes of a record: whatever is changed is found, and what is not checked is not called good."""

import base64
import hashlib
import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Route, expect

from audit import checkpoint, keys, merkle
from tests.simulators import browser, traffic
from tests.simulators.console import Console, published
from tests.simulators.server import Server, key_of


def swapped(text: str) -> str:
    """Records that say of themselves that they are each other."""
    other = {"decision": "result", "result": "decision"}
    return re.sub('"kind":"([a-z]+)"', lambda found: f'"kind":"{other[found[1]]}"', text)


@pytest.mark.parametrize(
    ("part", "change", "step"),
    [
        ("", lambda text: text.replace('"payload":"eyJ', '"payload":"eyK', 1), "it has not the form"),
        ("", lambda text: with_payload(text, b'"tenant":"de"', b'"tenant":"us"'), "not of this record by this key"),
        ("", lambda text: text.replace('"index":', '"index":1', 1), "the proof is of another entry"),
        ("", lambda text: text.replace('"payload":"', '"payload":" ', 1), "base64 in its only spelling"),
        ("", swapped, "it is of another kind"),
        ("/proof?kind=decision", lambda text: with_line(text, 2), "it leads to"),
        ("/proof?kind=result", lambda text: with_line(text, 2), "it leads to"),
        (
            "/sigstore?kind=decision",
            lambda text: text.replace(body_of(text), other_key(text)),
            "not the one that the envelope",
        ),
    ],
    ids=["payload", "signed word", "index", "spelling", "kind", "proof", "proof of the result", "key"],
)
def test_an_answer_that_was_tampered_with_does_not_hold(
    console: Console, server: Server, part: str, change: Callable[[str], str], step: str
) -> None:
    record = console.send()

    def tampered(route: Route) -> None:
        response = route.fetch()
        before = response.text()
        after = change(before)
        assert after != before
        route.fulfill(response=response, body=after)

    console.page.route(f"**/v1/records/{record}{part}", tampered)
    console.page.goto(f"{console.url}/console/#/record/{record}")
    expect(console.verdict).to_contain_text("✗ A check does not hold")
    expect(console.page.get_by_role("region", name="Checks")).to_contain_text(step)


def test_a_page_on_which_a_browser_computes_no_digest_says_so(chromium: Browser, server: Server) -> None:
    with browser.Tab.opened(chromium) as tab:
        elsewhere = server.url.replace("127.0.0.1", browser.ELSEWHERE)
        console = Console(tab.page, elsewhere, key_of("de"), tab.complaints)
        console.enter()
        record = console.plan_and_send("best", "What is 6 times 7?")
        published(server.url, key_of("de"), record)
        tab.page.goto(f"{elsewhere}/console/#/record/{record}")
        expect(console.verdict).to_contain_text("Not checked")
        expect(console.verdict).not_to_contain_text("✓")


def test_what_is_not_published_yet_is_not_called_good(console: Console) -> None:
    record = console.send()

    def waiting(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        body["records"][1] |= {"published": False, "index": None}
        route.fulfill(response=response, json=body)

    console.page.route(f"**/v1/records/{record}", waiting)
    checks = console.open(record)
    expect(console.verdict).to_contain_text("Not all of it is in the published log yet")
    console.page.unroute(f"**/v1/records/{record}")
    checks.get_by_role("button", name="Look again").click()
    expect(console.verdict).to_contain_text("✓ Signed, in the log")


def test_another_requests_records_are_not_taken_for_this_ones(console: Console, server: Server) -> None:
    record, other = console.send(), console.send()
    for part in ("", "/proof?kind=decision", "/proof?kind=result", "/sigstore?kind=decision", "/sigstore?kind=result"):
        console.page.route(
            f"**/v1/records/{record}{part}",
            lambda route: route.continue_(url=route.request.url.replace(record, other)),
        )
    checks = console.open(record)
    expect(checks.get_by_text("it is about another request")).to_have_count(2)


def test_a_checkpoint_that_the_logs_key_did_not_sign_does_not_hold(console: Console, server: Server) -> None:
    record = console.send()

    def unsigned(route: Route) -> None:
        response = route.fetch()
        *lines, line, end = response.text().split("\n")
        dash, name, value = line.split(" ")
        changed = bytearray(base64.b64decode(value))
        changed[-1] ^= 1
        body = "\n".join((*lines, f"{dash} {name} {base64.b64encode(changed).decode()}", end))
        route.fulfill(response=response, body=body)

    console.page.route(f"**/v1/records/{record}/proof?kind=decision", unsigned)
    checks = console.open(record)
    expect(checks.get_by_label("not checked")).to_have_count(2)
    console.page.get_by_label("The log's key").fill((server.data / "keys" / "log.vkey").read_text())
    console.page.get_by_role("button", name="Check with this key").click()
    expect(checks.get_by_text("the signature is not of this checkpoint by this key")).to_have_count(1)
    expect(checks.get_by_label("does not hold")).to_have_count(1)


@pytest.mark.parametrize("other", ["name", "key"])
def test_a_line_of_another_name_or_key_does_not_sign_a_checkpoint(console: Console, other: str) -> None:
    tree = checkpoint.Checkpoint(origin="log.example/a", size=1, root=bytes(32))
    signer = keys.log_signer("log.example/b" if other == "name" else "log.example/a")
    own = checkpoint.vkey_of(signer)
    vkey = own if other == "name" else checkpoint.vkey_of(keys.log_signer("log.example/a"))
    value = signer.sign(checkpoint.text(tree).encode())
    line = checkpoint.signature_line(checkpoint.Signature(name=own.name, key_id=own.key_id, value=value))
    note, text = f"{checkpoint.text(tree)}\n{line}", checkpoint.format_vkey(vkey)
    assert console.page.evaluate(CHECKPOINT, [note, text]) == "the checkpoint of log.example/a has no line of this key"
    misnamed = text.replace(vkey.key_id.hex(), "00000000")
    assert console.page.evaluate(CHECKPOINT, [note, misnamed]) == "expected the hash that this name and key have"


CHECKPOINT = """async ([content, text]) => {
  const { parseNote } = await import("/console/merkle.js");
  const { checkpointHolds, parseVkey } = await import("/console/signatures.js");
  try {
    return await checkpointHolds(parseNote(content), await parseVkey(text));
  } catch (error) { return error.message; }
}"""


def test_a_result_is_linked_to_its_own_decision_only(console: Console) -> None:
    signed = traffic.Traffic()
    for name in ("r-1", "r-2"):
        signed.answer(traffic.decision(name))
    envelopes = [json.loads(envelope) for _, envelope in signed.entries]
    linked = """async ([decision, result]) => (await (await import("/console/inclusion.js")).linked(decision, result)).held"""
    assert console.page.evaluate(linked, envelopes[:2]) is True
    assert console.page.evaluate(linked, [envelopes[0], envelopes[3]]) is False


def test_signatures_of_every_length_are_read_and_none_that_is_not_der(console: Console) -> None:
    signer = keys.record_signer()
    cases = [[b"%d" % n, signer.sign(b"%d" % n)] for n in range(64)]
    assert len({len(signature) for _, signature in cases}) > 1
    hexadecimal = [[text.hex(), signature.hex()] for text, signature in cases]
    wrong = console.page.evaluate(SIGNED, [signer.public_der.hex(), hexadecimal])
    assert wrong == []


SIGNED = """async ([spki, cases]) => {
  const { coordinates, recordHolds } = await import("/console/signatures.js");
  const bytes = (hex) => Uint8Array.from(hex.match(/../g), (each) => parseInt(each, 16));
  const refused = (der) => { try { coordinates(der); return false; } catch { return true; } };
  const wrong = [];
  for (const [text, signature] of cases) {
    const der = bytes(signature);
    if (!await recordHolds(bytes(spki), der, bytes(text))) wrong.push(["does not hold", text]);
    if (await recordHolds(bytes(spki), der, bytes(text + "00"))) wrong.push(["another text", text]);
    const changed = [[0, 0x31], [2, 3], [3, 0x40], [4, 0x80]].map(([place, value]) => der.with(place, value));
    for (const damaged of [der.slice(0, -1), Uint8Array.of(...der, 0), ...changed]) {
      if (!refused(damaged)) wrong.push(["not DER", text, damaged.length]);
    }
  }
  return wrong;
}"""


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
    if (await led(size, size, leaf, path) !== "none") wrong.push(["an index beyond the tree", index, size]);
    if (await led(index, size, leaf, [...path, leaf]) !== "none") wrong.push(["one hash more", index, size]);
    if (path.length && await led(index, size, leaf, path.slice(1)) !== "none") wrong.push(["one hash less", index, size]);
  }
  return wrong;
}"""
