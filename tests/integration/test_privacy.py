"""Content that is kept and erased: a real server, real commands, and every byte that they leave on disk."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from openai import OpenAI

from audit import acts, canonical, datadir, dsse, statement
from audit.content import parcels, places
from audit.storage import directory as storage
from audit.vocabulary import RecordKind, ResultOutcome
from tests.simulators.keeping import ANNA, BERT, SECRETS, Left, apostille, asked, holding, keys_on_disk, traffic
from tests.simulators.server import ROOT, Server, key_of


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


# --- with a running server (these come first: the others stop it) -----------------------------------------------------


def test_what_a_tenant_or_a_rule_does_not_let_be_kept_is_not(served: tuple[Server, Left]) -> None:
    server, found = served
    kept = {who: asked(server, who, f"canary-of-{who}-01be", subject="s") for who in ("none", "keys", "bound")}
    assert "no key of this record" in found.run("open", "--record", kept["none"], "--reason", "r").stderr
    for who in ("keys", "bound"):
        opened = found.run("open", "--record", kept[who], "--reason", "test")
        assert opened.stdout == f"--- principal\n{who}\n--- subject\ns\n", opened.stderr
    results = {r.request_id: r for r in map(statement.result_of, found.statements(RecordKind.RESULT))}
    assert not any(results[each].kept for each in kept.values())
    assert holding(found.config.parent, [f"canary-of-{who}-01be".encode() for who in kept]) == []


def test_a_running_server_erases_what_is_ordered_beside_it(served: tuple[Server, Left]) -> None:
    server, found = served
    record = asked(server, "full", "canary-carl-8842", subject="carl")
    erased = found.run("erase", "--tenant", "full", "--subject", "carl", "--basis", "test")
    assert erased.returncode == 0, erased.stderr
    assert "no key of this record" in found.run("open", "--record", record, "--reason", "test").stderr
    assert asked(server, "full", "hello", subject="carl"), "expected a person to be able to come back"


def test_what_a_client_that_left_or_a_stream_that_broke_had_is_kept(served: tuple[Server, Left]) -> None:
    """What is kept is to the byte what is on record, however a request ended."""
    server, found = served
    records = [asked(server, "full", "hello", stream=True, model="act-cut")]
    with OpenAI(base_url=f"{server.url}/v1", api_key=key_of("full"), max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="act-stall-midway", messages=[{"role": "user", "content": "hello"}], stream=True
        )
        records.append(raw.headers["apostille-record"])
        next(raw.http_response.iter_bytes())
        raw.http_response.close()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        ended = [r for r in map(statement.result_of, found.statements(RecordKind.RESULT)) if r.request_id in records]
        if len(ended) == 2:
            break
        time.sleep(0.1)
    assert {each.outcome for each in ended} == {ResultOutcome.ERROR, ResultOutcome.ABORTED}
    for each in ended:
        assert {"prompt", "answer"} < set(each.kept)
        shown = found.run("open", "--record", each.request_id, "--reason", "r")
        assert shown.returncode == 0, shown.stderr
        assert "--- answer\n" in shown.stdout
    assert json.loads(urlopen(f"{server.url}/healthz", timeout=30).read())["content"] == "ok"


def test_what_a_result_says_is_kept_is_there_after_a_kill(served: tuple[Server, Left], tmp_path: Path) -> None:
    """The copy is what a crash at this moment would leave: the answer has only just arrived."""
    server, found = served
    record = asked(server, "full", SECRETS[ANNA], subject="somebody", model="one")
    left = found.copy(tmp_path / "copy")
    (said,) = (r for r in map(statement.result_of, left.statements(RecordKind.RESULT)) if r.request_id == record)
    assert {"prompt", "parameters", "answer"} < set(said.kept)
    stores = places.opened(left.places)
    held, items = stores.keys.held(record), stores.items.of(record)
    stores.close()
    assert held is not None
    assert set(items) == {*said.kept, parcels.FIELDS}


# --- after it has stopped ---------------------------------------------------------------------------------------------


def test_an_erased_data_subject_is_in_no_byte_and_everyone_else_is(left: Left, tmp_path: Path) -> None:
    found = left.copy(tmp_path / "copy")
    clear, sealed = keys_on_disk(found, ANNA)
    assert len(clear) == 2
    assert len(sealed) >= 12
    assert all(holding(found.config.parent, [each]) for each in sealed), "expected the search to find what is there"
    dry = found.run("erase", "--tenant", "full", "--subject", ANNA, "--basis", "Art. 17 GDPR", "--dry-run")
    assert "records: 2" in dry.stdout
    assert all(holding(found.config.parent, [each]) for each in sealed)
    erased = found.run("erase", "--tenant", "full", "--subject", ANNA, "--basis", "Art. 17 GDPR")
    assert erased.returncode == 0, erased.stderr

    assert holding(found.config.parent, [*clear, *sealed, SECRETS[ANNA].encode(), ANNA.encode()]) == []
    for name in (("content-keys", "keys.db"), ("content", "items.db")):  # what a backup made from now on has
        copied = sqlite3.connect(tmp_path / "-".join(name))
        sqlite3.connect(found.data.joinpath(*name)).backup(copied)
        copied.close()
    assert holding(tmp_path, [*clear, *sealed]) == []

    for record in found.records[ANNA]:
        assert found.run("open", "--record", record, "--reason", "r").returncode == 1
    for subject in (BERT, None):
        for record in found.records[subject]:
            assert str(SECRETS[subject]) in found.run("open", "--record", record, "--reason", "r").stdout

    for target in ("log", *found.records[ANNA], erased.stdout.split("on record as ")[1].split(";")[0]):
        assert apostille("verify", target, "--data", str(found.data)).returncode == 0
    (said,) = (e for e in map(acts.erasure_of, found.statements(RecordKind.ERASURE)) if e.basis == "Art. 17 GDPR")
    assert set(said.records) == set(found.records[ANNA])
    assert (said.tenant, said.cause, len(said.keys), said.part) == ("full", "subject", 1, 1)
    assert said.items == len(sealed) - 4
    salt = bytes.fromhex(erased.stdout.split()[-1])
    assert acts.subject_commitment(salt, "full", ANNA) == said.data_subject
    again = found.run("erase", "--tenant", "full", "--subject", ANNA, "--basis", "Art. 17 GDPR")
    assert (again.returncode, "nothing is kept of it" in again.stdout, again.stderr) == (0, True, "")
    slip = found.run("erase", "--tenant", "fulll", "--subject", ANNA, "--basis", "Art. 17 GDPR")
    assert "no tenant `fulll`" in slip.stderr, "a slip must not read like an erasure of nothing"
    assert len(found.statements(RecordKind.ERASURE)) == len(left.statements(RecordKind.ERASURE)) + 1


def test_an_erasure_that_is_ordered_while_the_log_is_held_is_done_by_the_next(left: Left, tmp_path: Path) -> None:
    found = left.copy(tmp_path / "copy")
    lock = storage.lock(found.data / "lock")
    try:
        ordered = found.run("erase", "--tenant", "full", "--subject", BERT, "--basis", "late", "--wait", "0")
    finally:
        os.close(lock)
    assert ordered.returncode == 3
    assert "whoever holds the log next carries it out" in ordered.stderr
    assert found.run("open", "--record", found.records[ANNA][0], "--reason", "r").returncode == 0
    assert [e.basis for e in map(acts.erasure_of, found.statements(RecordKind.ERASURE))][-1] == "late"
    assert found.run("open", "--record", found.records[BERT][0], "--reason", "r").returncode == 1


def test_an_erasure_without_a_server_uses_the_keys_that_the_configuration_names(left: Left, tmp_path: Path) -> None:
    mine = left.copy(tmp_path / "copy")
    (mine.data / "keys/log.key.pem").rename(tmp_path / "elsewhere.pem")
    with mine.config.open("a") as file:
        file.write(f'keys: {{log: "file:{tmp_path}/elsewhere.pem"}}\n')
    erased = mine.run("erase", "--tenant", "full", "--subject", ANNA, "--basis", "test")
    assert (erased.returncode, erased.stderr) == (0, "")
    assert mine.statements(RecordKind.ERASURE)


def test_a_guess_can_be_confirmed_with_the_key_and_not_after_it(left: Left, tmp_path: Path) -> None:
    """The key opens the commitment to a guessed prompt; nothing on disk derives that salt once it is destroyed."""
    found, record = left.copy(tmp_path / "copy"), left.records[BERT][0]
    (key, _), _ = keys_on_disk(found, BERT)
    opened = datadir.open_directory(found.data)
    decision = next(statement.parse(dsse.parse(r.envelope).payload) for r in opened.of_request(record))
    opened.close()
    salts = canonical.Salts(key)
    stores = places.opened(found.places)
    held = stores.keys.held(record)
    assert held is not None
    kept = parcels.unsealed(record, held, {}, [decision])
    stores.close()
    assert kept.tenant == "full"
    guess = found.run("open", "--record", record, "--reason", "r", "--field", "prompt").stdout.removeprefix(
        "--- prompt\n"
    )
    assert canonical.commit(salts.of("prompt"), guess.rstrip("\n").encode()) == decision.subjects["prompt"]
    assert found.run("erase", "--record", record, "--basis", "test").returncode == 0
    assert holding(found.config.parent, [key, salts.of("prompt"), salts.of("sd:subject")]) == []
    assert found.run("open", "--record", left.records[BERT][1], "--reason", "r").returncode == 0


def test_what_expired_is_erased_at_a_start_with_one_statement(left: Left, tmp_path: Path) -> None:
    found = left.copy(tmp_path / "copy")
    database = sqlite3.connect(found.data / "content-keys" / "keys.db")
    with database:
        database.execute("UPDATE record SET expires = 1 WHERE id IN (?, ?)", found.records[None])
    database.close()
    for record in found.records[None]:
        assert found.run("open", "--record", record, "--reason", "r").returncode == 1, (
            "expected what expired to be closed"
        )
    server = Server.start(found.config)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        expired = [e for e in map(acts.erasure_of, found.statements(RecordKind.ERASURE)) if e.cause == "retention"]
        if expired:
            break
        time.sleep(0.1)
    assert server.stop() == 0, server.log_text
    (said,) = expired
    assert set(said.records) == set(found.records[None])
    assert holding(found.config.parent, [str(SECRETS[None]).encode()]) == []
    assert found.run("open", "--record", found.records[ANNA][0], "--reason", "r").returncode == 0


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_the_commands_on_the_page_do_what_it_says(left: Left, tmp_path: Path) -> None:
    found = left.copy(tmp_path / "copy")
    page = (ROOT / "docs" / "how-to" / "erase.md").read_text(encoding="utf-8")
    script = "".join(re.findall(r"^```sh\n# run\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)).replace("acme", "full")
    places = {
        "CONFIG": str(found.config),
        "DATA": str(found.data),
        "RECORD": found.records[ANNA][0],
        "OTHER": found.records[None][0],
        "SUBJECT": ANNA,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=os.environ | places,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SECRETS[ANNA].encode() in (tmp_path / "opened" / "prompt").read_bytes()
    assert len(found.statements(RecordKind.ERASURE)) == len(left.statements(RecordKind.ERASURE)) + 2
    assert done.stdout.count("verified: everything above holds") == 3
    for record in (found.records[ANNA][1], found.records[None][0]):
        assert found.run("open", "--record", record, "--reason", "r").returncode == 1
