"""``apostille keys`` on a running server and without one; every command of its page is run as the page has it."""

import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from openai import OpenAI

from audit import checkpoint, control, datadir, dsse, layout, proofs
from audit.log import Log
from proxy.cli import main
from tests.architecture.laws import ROOT
from tests.simulators import appending
from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant
from tests.simulators.witness import WitnessProcess

TENANTS = {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}
PAGE = ROOT / "docs" / "how-to" / "keys.md"


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with far_side() as url:
        yield url


@pytest.fixture
def config(tmp_path: Path, upstream: str) -> Path:
    settings = {"tenants": TENANTS, "scopes": {"groups": ["EU"]}}
    return Server.prepare(tmp_path, settings, catalogue({"n/one": deployment(upstream, model="one")}))


def apostille(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command in this process: a server of its own is what takes time here."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def keys(config: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    action, *more = arguments
    return apostille("keys", action, "--config", str(config), *more)


def asked(server: Server) -> str:
    """The record id of one answered request."""
    with OpenAI(base_url=f"{server.url}/v1", api_key=key_of("de"), max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="one", messages=[{"role": "user", "content": "What is 6 times 7?"}]
        )
        return str(raw.headers["apostille-record"])


def signers(config: Path, request: str) -> set[str]:
    data = config.parent / "data"
    with datadir.opened(datadir.place_of(data, request)) as source:
        return {dsse.parse(each.envelope).keyid for each in source.of_request(request)}


def test_a_running_server_replaces_and_revokes_its_record_key(config: Path) -> None:
    server = Server.start(config)
    try:
        first = asked(server)
        done = keys(config, "rotate-record")
        assert done.returncode == 0, done.stderr
        second = asked(server)
        (old,), (new,) = signers(config, first), signers(config, second)
        assert done.stdout == f"retired {old}\nadded   {new}\n"
        assert (
            keys(
                config, "revoke", "--certificate", "ab" * 32, "--from-index", "0", "--reason", "compromised"
            ).returncode
            == 2
        )
        done = keys(config, "revoke", "--certificate", new[:20], "--from-index", "0", "--reason", "compromised")
        assert done.returncode == 0, done.stderr
        third = asked(server)
        refused = keys(config, "rotate-log", "--origin", "log.example/new")
        assert refused.returncode == 2
        assert "log-in-use" in refused.stderr
    finally:
        assert server.stop() == 0, server.log_text
    data = str(config.parent / "data")
    assert [apostille("verify", each, "--data", data).returncode for each in (first, second, third)] == [0, 1, 0]
    listed = keys(config, "list").stdout
    assert re.search(rf"record   {old}.*added \(entry \d+\), retired \(entry \d+\)", listed)
    assert listed.count("followed by another") == 1, "expected the key that made the log to be told from the one in use"
    assert re.search(rf"record   {new}.*revoked \(entry \d+: compromised, from entry 0 on\)", listed)


def test_without_a_server_there_is_no_record_key_to_replace_and_one_can_be_revoked(config: Path) -> None:
    done = keys(config, "rotate-record")
    assert (done.returncode, "no-server" in done.stderr) == (2, True)
    log = Log.open(config.parent / "data", publish_interval_s=0.02)
    appending.request(log, "r-1")
    log.close()
    (keyid,) = signers(config, "r-1")
    done = keys(config, "revoke", "--certificate", keyid, "--from-index", "0", "--reason", "superseded")
    assert done.returncode == 0, done.stderr
    assert apostille("verify", "r-1", "--data", str(config.parent / "data")).returncode == 1


def test_a_server_that_was_asked_and_did_not_answer_is_not_worked_around(config: Path) -> None:
    """It may be doing it: whoever did it again here would put it on record twice, or take the log from under the server."""
    data = config.parent / "data"
    log = Log.open(data, publish_interval_s=0.02)
    appending.request(log, "r-1")
    log.close()
    (keyid,) = signers(config, "r-1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(data / control.SOCKET))
        listener.listen(1)
        dying = threading.Thread(target=lambda: listener.accept()[0].close())
        dying.start()
        done = keys(config, "revoke", "--certificate", keyid, "--from-index", "0", "--reason", "superseded")
        dying.join()
    assert (done.returncode, "unanswered" in done.stderr) == (3, True)
    assert apostille("verify", "r-1", "--data", str(data)).returncode == 0


def test_a_server_goes_on_under_a_new_log_and_still_has_the_old_records(config: Path) -> None:
    server = Server.start(config)
    first = asked(server)
    assert server.stop() == 0, server.log_text
    done = keys(config, "rotate-log", "--origin", "log.example/new")
    assert done.returncode == 0, done.stderr
    vkey = checkpoint.parse_vkey(re.search(r"^vkey +(.+)$", done.stdout, re.MULTILINE)[1])  # type: ignore[index]
    assert vkey.name == "log.example/new"
    server = Server.start(config)
    try:
        second = asked(server)
        for record, origin in ((first, "log.example/test"), (second, "log.example/new")):
            proof = fetched(server, f"/v1/records/{record}/proof")
            assert checkpoint.parse_text(proofs.parse(proof).note.text).origin == origin
        old = checkpoint.parse_bytes(fetched(server, "/ended/0/log/checkpoint"))
        assert checkpoint.parse_text(old.text).origin == "log.example/test"
        size = checkpoint.parse_text(old.text).size
        assert len(fetched(server, f"/ended/0/log/tile/0/000.p/{size}")) == 32 * size
        check_scopes(server, first, second)
    finally:
        assert server.stop() == 0, server.log_text
    check_listed(config, first, second)
    assert apostille("verify", "--data", str(config.parent / "data")).returncode == 0


def check_listed(config: Path, first: str, second: str) -> None:
    """Keys of a log that ended are shown with what happened to them there."""
    listed = keys(config, "list").stdout
    (old,), (new,) = signers(config, first), signers(config, second)
    assert re.search(rf"record   {old} .*added \(ended/0, entry \d+\), followed by another$", listed, re.MULTILINE)
    assert re.search(rf"record   {new} .*added \(entry \d+\)$", listed, re.MULTILINE)
    assert "unrecorded" not in listed
    assert listed.index(old) < listed.index(new)


def check_scopes(server: Server, first: str, second: str) -> None:
    """The logs of the scope that a request before the rotation and one after it are in."""
    name = f"de-eu-{datetime.now(UTC).year}"
    for record, origin in ((first, "log.example/test"), (second, "log.example/new")):
        proof = proofs.parse(fetched(server, f"/v1/records/{record}/proof?scope={name}"))
        assert (proof.index, checkpoint.parse_text(proof.note.text).origin) == (0, f"{origin}/{name}")
    listed = json.loads(fetched(server, "/v1/scopes"))["data"]
    assert listed == [{"id": name, "log": f"{path}/log/{name}/"} for path in ("", "/ended/0")]
    for path, origin in (("", "log.example/new"), ("/ended/0", "log.example/test")):
        assert fetched(server, f"{path}/log/{name}/checkpoint").startswith(f"{origin}/{name}\n".encode())


def fetched(server: Server, path: str) -> bytes:
    """A published file or a proof; a proof is asked for until it is there."""
    request = urllib.request.Request(server.url + path, headers={"authorization": f"Bearer {key_of('de')}"})
    for _ in range(100):
        try:
            with urllib.request.urlopen(request) as answer:
                found: bytes = answer.read()
                return found
        except urllib.error.HTTPError as error:
            with error:
                if json.loads(error.read())["error"]["code"] not in ("not-published-yet", "scope-not-found"):
                    raise
            time.sleep(0.05)
    raise AssertionError(path)


def test_a_start_finishes_a_rotation_that_was_cut_short(config: Path) -> None:
    data = config.parent / "data"
    plan = {"origin": "log.example/new", "number": 0, "reason": "rotated", "trusted": "", "log_key": "file:log.key.pem"}
    (data / datadir.ROTATION).write_text(json.dumps(plan))
    server = Server.start(config)
    try:
        record = asked(server)
    finally:
        assert server.stop() == 0, server.log_text
    assert (data / "ended/0/apostille.db").is_file()
    assert apostille("verify", "--data", str(data)).returncode == 0
    assert apostille("verify", record, "--data", str(data)).returncode == 0


def test_a_log_with_a_quorum_begins_when_its_witness_knows_it(config: Path, tmp_path: Path) -> None:
    folder = WitnessProcess.prepare(
        tmp_path / "w", "witness.example/w1", *layout.vkeys_of((tmp_path / "data/keys/log.vkey").read_bytes())
    )
    witness = WitnessProcess.start(folder)
    try:
        asked_for = [{"url": witness.url, "vkey_file": str(witness.vkey_file)}]
        log = {"publish_interval_ms": 100, "witnesses": asked_for, "witness_quorum": 1}
        config.write_text(config.read_text().replace("log:\n  publish_interval_ms: 100\n", f"log: {json.dumps(log)}\n"))
        done = keys(config, "rotate-log", "--origin", "log.example/new")
        assert done.returncode == 0, done.stderr
        assert "waits   log.example/new: witness-quorum" in done.stdout
        vkey = re.search(r"^vkey +(.+)$", done.stdout, re.MULTILINE)[1]  # type: ignore[index]
        with (folder / "logs.vkey").open("a") as known:
            known.write(vkey + "\n")
    finally:
        witness.kill()
    witness = WitnessProcess.start(folder)
    try:
        config.write_text(re.sub(r'"url": "[^"]+"', f'"url": "{witness.url}"', config.read_text()))
        server = Server.start(config)
        record = asked(server)
        assert server.stop() == 0, server.log_text
    finally:
        witness.kill()
    data = str(tmp_path / "data")
    with_it = ("--witness", str(witness.vkey_file), "--quorum", "1")
    assert apostille("verify", "--data", data, *with_it).returncode == 0
    assert apostille("verify", record, "--data", data, *with_it).returncode == 0


# --- the page ---------------------------------------------------------------------------------------------------------


def blocks() -> dict[str, str]:
    """The page's commands by their name."""
    return dict(
        re.findall(r"^```sh\n# ([a-z-]+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    )


def run(name: str, folder: Path, **variables: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", blocks()[name]],
        cwd=folder,
        env={**os.environ, "PATH": path, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_every_command_on_the_page_does_what_it_says(tmp_path: Path, upstream: str) -> None:
    ran = {"request", "found", "renew", "list", "rotate-record", "revoke", "rotate-log", "compromise-log"}
    assert blocks().keys() == ran, "expected every command of the page to be run here"
    config = Server.prepare(tmp_path, {"tenants": TENANTS}, catalogue({"n/one": deployment(upstream, model="one")}))
    shutil.rmtree(tmp_path / "data")
    openssl = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "ca.key",
    ]
    openssl += ["-out", "root.pem", "-days", "30", "-subj", "/CN=Root", "-addext", "keyUsage=critical,keyCertSign"]
    subprocess.run(openssl, cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "ca.ext").write_text("basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n")
    run("request", tmp_path)
    for out in ("issuing.pem", "renewed.pem"):
        signing = [
            "openssl",
            "x509",
            "-req",
            "-in",
            "issuing.csr",
            "-CA",
            "root.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
        ]
        signing += ["-days", "20", "-extfile", "ca.ext", "-out", out]
        subprocess.run(signing, cwd=tmp_path, check=True, capture_output=True)
    run("found", tmp_path)
    run("renew", tmp_path)
    server = Server.start(config)
    try:
        record = asked(server)
        run("rotate-record", tmp_path)
        (keyid,) = signers(config, record)
        run("revoke", tmp_path, KEY=keyid, FIRST="0")
        assert "revoked" in run("list", tmp_path)
    finally:
        assert server.stop() == 0, server.log_text
    assert "began   log.example/2027" in run("rotate-log", tmp_path)
    shutil.copy(tmp_path / "data/log/checkpoint", tmp_path / "kept.checkpoint")
    told = run("compromise-log", tmp_path)
    assert "take `log.example/2027` off" in told
    assert apostille("verify", "--data", str(tmp_path / "data")).returncode == 3
