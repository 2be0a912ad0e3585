"""Content that is shown, and handed over: what was signed is what is shown, nothing is shown in silence, nothing else verifies."""

import base64
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import acts, canonical, disclosures, layout, openings, statement
from audit.storage import directory as storage
from audit.vocabulary import RecordKind
from tests.simulators.keeping import ANNA, SECRETS, Left, apostille, receipt, traffic
from tests.simulators.server import Server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Left]]:
    with traffic(tmp_path_factory.mktemp("privacy")) as found:
        yield found


@pytest.fixture(scope="module")
def left(served: tuple[Server, Left]) -> Left:
    """The same after a clean stop; each test copies it."""
    server, found = served
    assert server.stop() == 0, server.log_text
    return found


def test_who_keeps_nothing_has_it_all_in_the_receipt(served: tuple[Server, Left]) -> None:
    """The operator can open nothing; the caller's receipt opens everything."""
    server, found = served
    told = json.loads(receipt(server, "none", "hello", subject=ANNA, receipt="full").content)["apostille"]
    record, key = told["record"], bytes.fromhex(told["record_key"])
    (decision,) = (
        each for each in map(statement.decision_of, found.statements(RecordKind.DECISION)) if each.request_id == record
    )
    said = [disclosures.parse(each.encode()) for each in told["sd_disclosures"]]
    assert {each.name: each.value for each in said} == {"subject": ANNA, "principal": "none"}
    assert len(decision.sd) == 3
    assert {each.digest for each in said} < set(decision.sd)
    assert disclosures.disclose(canonical.Salts(key).of, "subject", ANNA).digest in decision.sd


def test_what_is_kept_is_shown_and_that_it_was_is_on_record(left: Left, tmp_path: Path) -> None:
    found = left.copy(tmp_path / "copy")
    for record in found.records[ANNA]:
        shown = found.run("open", "--record", record, "--reason", "a complaint")
        assert shown.returncode == 0, shown.stderr
        assert SECRETS[ANNA] in shown.stdout
        assert f"--- subject\n{ANNA}\n" in shown.stdout
        assert "--- answer\n" in shown.stdout
        assert "--- response:" in shown.stdout
    last = acts.access_of(found.statements(RecordKind.CONTENT_ACCESS)[-1])
    assert (last.record, last.act, last.to, last.reason) == (record, "opened", "", "a complaint")
    assert {"prompt", "answer", "parameters", "subject"} <= set(last.fields)
    assert apostille("verify", "--data", str(found.data)).returncode == 0


def test_chosen_fields_are_disclosed_and_stand_by_themselves(left: Left, tmp_path: Path) -> None:
    found, record, out = left.copy(tmp_path / "copy"), left.records[ANNA][0], tmp_path / "bundle"
    made = found.run("disclose", "--record", record, "--fields", "subject,prompt", "--to", "office", "--out", str(out))
    assert made.returncode == 0, made.stderr
    verified = apostille("verify", str(out), "--json")
    outcomes = {each["id"]: each["outcome"] for each in json.loads(verified.stdout)["obligations"]}
    assert (verified.returncode, outcomes["openings"], outcomes["disclosures"]) == (0, "ok", "ok")
    assert sorted(p.name for p in (out / "disclosures" / record).iterdir()) == ["subject"]
    assert SECRETS[ANNA].encode() in (out / "openings" / record / "prompt").read_bytes()
    access = acts.access_of(found.statements(RecordKind.CONTENT_ACCESS)[-1])
    assert (access.act, access.fields, access.to) == ("disclosed", ("subject", "prompt"), "office")


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "openssl", "basenc", "jq"))), reason="needs bash, openssl, basenc and jq"
)
def test_a_disclosure_and_an_opening_are_checked_by_openssl_and_coreutils(left: Left, tmp_path: Path) -> None:
    found, record, out = left.copy(tmp_path / "copy"), left.records[ANNA][0], tmp_path / "bundle"
    found.run("disclose", "--record", record, "--fields", "subject,prompt", "--to", "office", "--out", str(out))
    script = f"""
    jq -j .payload records/{record}.decision.dsse.json | base64 -d > statement
    digest=$(openssl dgst -sha256 -binary disclosures/{record}/subject | basenc --base64url | tr -d =)
    jq -e --arg d "$digest" '.predicate._sd | index($d) != null' statement
    test "$(sha256sum < openings/{record}/prompt | cut -d' ' -f1)" = "$(jq -r '.subject[0].digest.sha256' statement)"
    tr '_-' '/+' < disclosures/{record}/subject | base64 -d 2>/dev/null | jq -e '.[1:] == ["subject", "{ANNA}"]'
    """
    done = subprocess.run(["bash", "-euc", script], cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("changed", ["openings", "disclosures"])
def test_an_opening_or_disclosure_that_was_changed_is_found(left: Left, tmp_path: Path, changed: str) -> None:
    found, record, out = left.copy(tmp_path / "copy"), left.records[ANNA][0], tmp_path / "bundle"
    found.run("disclose", "--record", record, "--fields", "subject,prompt", "--to", "office", "--out", str(out))
    (place,) = (out / changed / record).iterdir()
    if changed == "disclosures":
        salt, name, _ = json.loads(base64.urlsafe_b64decode(place.read_text() + "=="))
        place.write_bytes(base64.urlsafe_b64encode(json.dumps([salt, name, "bert"]).encode()).rstrip(b"="))
    else:
        place.write_bytes(place.read_bytes().replace(b"red", b"bad"))
    manifest(out)
    verified = apostille("verify", str(out), "--json")
    failed = {e["id"] for e in json.loads(verified.stdout)["obligations"] if e["outcome"] == "failed"}
    assert (verified.returncode, failed) == (1, {changed})


def test_content_that_somebody_shows_is_confirmed_with_the_key_alone(left: Left, tmp_path: Path) -> None:
    """Its ciphertext is taken away: what is left is what `keys` keeps."""
    found, record, out = left.copy(tmp_path / "copy"), left.records[ANNA][0], tmp_path / "bundle"
    own = tmp_path / "own"
    assert (
        found.run("open", "--record", record, "--reason", "r", "--field", "prompt", "--out", str(own)).returncode == 0
    )
    database = sqlite3.connect(found.data / "content" / "items.db")
    with database:
        database.execute("DELETE FROM item WHERE label <> 'fields'")
    database.close()
    other = tmp_path / "other"
    other.write_bytes((own / "prompt").read_bytes() + b" ")
    handed = ("--record", record, "--to", "office", "--out", str(out))
    refused = found.run("disclose", *handed, "--content", f"prompt={other}")
    assert (refused.returncode, out.exists()) == (3, False)
    assert "is not what the record committed to" in refused.stderr
    given = found.run("disclose", *handed, "--fields", "subject", "--content", f"prompt={own / 'prompt'}")
    assert given.returncode == 0, given.stderr
    assert apostille("verify", str(out)).returncode == 0
    assert SECRETS[ANNA].encode() in (out / "openings" / record / "prompt").read_bytes()


def test_nothing_is_shown_before_it_is_on_record(left: Left, tmp_path: Path) -> None:
    """Somebody holds the log and carries nothing out: nothing is shown, and nothing says later that it was."""
    found, record = left.copy(tmp_path / "copy"), left.records[ANNA][0]
    lock = storage.lock(found.data / "lock")
    try:
        shown = found.run("open", "--record", record, "--reason", "r", "--wait", "0")
        out = tmp_path / "bundle"
        handed = found.run(
            "disclose", "--record", record, "--fields", "subject", "--to", "x", "--out", str(out), "--wait", "0"
        )
    finally:
        os.close(lock)
    assert (shown.returncode, shown.stdout, handed.returncode, out.exists()) == (3, "", 3, False)
    assert not found.statements(RecordKind.CONTENT_ACCESS)
    assert found.run("open", "--record", record, "--reason", "later").returncode == 0
    assert len(found.statements(RecordKind.CONTENT_ACCESS)) == 1


def test_an_opening_of_a_record_that_no_entry_has_does_not_verify(left: Left, tmp_path: Path) -> None:
    """A whole log with one record more in its list: its opening fits it, and nobody logged it."""
    found, out = left.copy(tmp_path / "copy"), tmp_path / "bundle"
    assert apostille("bundle", "--data", str(found.data), "--out", str(out)).returncode == 0
    record = found.records[ANNA][0]
    place = out / "records" / f"{record}.decision.dsse.json"
    envelope = json.loads(place.read_text())
    payload = json.loads(base64.b64decode(envelope["payload"]))
    invented = b"s" * 32 + b"she never said this"
    payload["subject"][0]["digest"]["sha256"] = canonical.digest(invented)
    envelope["payload"] = base64.b64encode(canonical.encode(payload)).decode()
    (out / "records" / "more.dsse.json").write_text(json.dumps(envelope))
    index = out / "records" / "index.txt"
    size = len(index.read_text().splitlines())
    for at, outcome in ((3, "failed"), (size + 7, "failed")):
        lines = index.read_text().splitlines()[:size]
        index.write_text("".join(f"{line}\n" for line in (*lines, f"{at} decision {record} records/more.dsse.json")))
        opening = out / openings.opening_path(record, "prompt")
        opening.parent.mkdir(parents=True, exist_ok=True)
        opening.write_bytes(invented)
        manifest(out)
        found_out = {
            e["id"]: e["outcome"] for e in json.loads(apostille("verify", str(out), "--json").stdout)["obligations"]
        }
        assert found_out["openings"] == outcome


def manifest(out: Path) -> None:
    """The manifest of what is there now."""
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name != layout.MANIFEST)
    lines = (f"{canonical.digest(p.read_bytes())}  {p.relative_to(out).as_posix()}\n" for p in files)
    (out / layout.MANIFEST).write_text("".join(lines))
