"""A proxy whose log is timestamped: tokens go into bundles, and whoever trusts the authority sees what was done to them."""

import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from audit import canonical, checkpoint, keys, layout
from audit.checkpoint import Checkpoint
from audit.cli import verify_main
from audit.vocabulary import RecordKind
from tests.integration.test_witnessing import ask
from tests.simulators import tsa
from tests.simulators.server import Server, apostille, catalogue, deployment, far_side, tenant

TENANTS = {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with far_side() as url:
        yield url


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tsa.Authority:
    tsa.needs_openssl()
    return tsa.Authority.create(tmp_path_factory.mktemp("tsa") / "authority")


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "expected this to hold by now"
        time.sleep(0.05)


def prepared(folder: Path, upstream: str, url: str, authority: tsa.Authority, **more: object) -> Path:
    stamped = {"url": url, "root": str(authority.root), "every_checkpoints": 1, **more}
    log = {"publish_interval_ms": 100, "timestamps": [stamped], "witness_grace_ms": 300}
    return Server.prepare(
        folder, {"tenants": TENANTS, "log": log}, catalogue({"n/one": deployment(upstream, model="one")})
    )


def stamped_size(server: Server) -> int:
    _, _, body = ask(server, "GET", "/healthz")
    return int(json.loads(body)["timestamps"][0]["stamped_size"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, upstream: str, authority: tsa.Authority) -> Path:
    """A data directory with two requests, the second under a later timestamp than the first."""
    authority.mode = "honest"
    with tsa.serving(authority) as url:
        server = Server.start(prepared(tmp_path_factory.mktemp("proxy"), upstream, url, authority))
        try:
            for entries in (6, 8):
                assert ask(server)[0] == 200
                eventually(lambda: stamped_size(server) >= entries)  # noqa: B023
            assert server.stop() == 0
        finally:
            server.kill()
    return server.data


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory, data: Path, authority: tsa.Authority) -> Path:
    """Keys that an auditor got another way."""
    folder = tmp_path_factory.mktemp("trust")
    for name in ("root.pem", "log.vkey"):
        shutil.copy(data / "keys" / name, folder)
    shutil.copy(authority.root, folder / "tsa.pem")
    return folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, data: Path) -> dict[str, Path]:
    """A bundle of the whole log, and one of the first request."""
    found = {name: tmp_path_factory.mktemp("bundles") / name for name in ("whole", "request")}
    assert apostille("bundle", "--data", str(data), "--out", str(found["whole"])).returncode == 0
    listed = layout.parse_index((found["whole"] / layout.RECORD_INDEX).read_bytes())
    record = next(each.request_id for each in listed if each.kind is RecordKind.RESULT)
    options = ("--data", str(data), "--out", str(found["request"]), "--record", record)
    assert apostille("bundle", *options).returncode == 0
    return found


Found = tuple[int, dict[str, str], dict[str, int]]
"""Exit code, the finding on timestamps, and the counts."""


def finding(target: Path, *options: str) -> Found:
    """What ``apostille verify`` says, in this process."""
    with redirect_stdout(io.StringIO()) as told:
        code = verify_main(["--json", str(target), *options])
    return read(code, told.getvalue())


def read(code: int, told: str) -> Found:
    whole = json.loads(told)
    (found,) = [each for each in whole["obligations"] if each["id"] == "timestamps"]
    return code, found, whole["counts"]


@pytest.mark.parametrize("kind", ["whole", "request"])
def test_a_bundle_carries_tokens_that_we_and_openssl_accept(
    bundles: dict[str, Path], trust: Path, authority: tsa.Authority, kind: str
) -> None:
    code, found, counts = finding(bundles[kind], "--trust", str(trust))
    assert (code, found["outcome"]) == (0, "ok"), found
    assert counts["timestamps"] >= 1
    assert counts["entries under a timestamp"] >= (8 if kind == "whole" else 6)
    folder = bundles[kind] / "timestamps"
    tokens = sorted(folder.glob("*.tsr"))
    assert len(tokens) == counts["timestamps"]
    for token in tokens:
        assert authority.verifies(token, folder / f"{token.name.split('-')[0]}.checkpoint")
    sizes = {token.name.split("-")[0] for token in tokens}
    assert {each.stem for each in folder.glob("*.consistency")} == (set() if kind == "whole" else sizes)


def test_the_data_directory_and_a_log_alone_are_checked_too(data: Path, trust: Path) -> None:
    for target in (data, data / "log"):
        code, found, counts = finding(target, "--trust", str(trust))
        assert (code, found["outcome"]) == (0, "ok"), found
        assert counts["entries under a timestamp"] >= 8
    assert finding(data)[1]["outcome"] == "ok"  # by the root that the proxy kept


def test_without_a_trusted_authority_it_is_said_that_nothing_was_checked(
    bundles: dict[str, Path], trust: Path, tmp_path: Path
) -> None:
    without = shutil.copytree(trust, tmp_path / "trust")
    (without / "tsa.pem").unlink()
    code, found, _ = finding(bundles["whole"], "--trust", str(without))
    assert (code, found["outcome"]) == (0, "not-checked")


def test_without_the_library_it_could_not_tell(
    bundles: dict[str, Path], trust: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rfc3161_client").mkdir()
    (tmp_path / "rfc3161_client" / "__init__.py").write_text("raise ImportError('not installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = apostille("verify", "--json", str(bundles["whole"]), "--trust", str(trust))
    code, found, _ = read(told.returncode, told.stdout)
    assert (code, found["outcome"]) == (3, "undecided")
    assert "rfc3161-client" in found["reason"]
    told = apostille("verify", "--json", str(bundles["whole"]))
    code, found, _ = read(told.returncode, told.stdout)
    assert (code, found["outcome"]) == (0, "not-checked")


def _first(bundle: Path) -> Path:
    """The token over the fewest entries."""
    return min((bundle / "timestamps").glob("*.tsr"), key=lambda token: int(token.name.split("-")[0]))


def _strip(bundle: Path) -> None:
    for each in (bundle / "timestamps").glob("*.tsr"):
        each.unlink()


def _flip_token(bundle: Path) -> None:
    token = _first(bundle)
    content = bytearray(token.read_bytes())
    content[len(content) // 3] ^= 0x01
    token.write_bytes(bytes(content))


def _drop_checkpoint(bundle: Path) -> None:
    min((bundle / "timestamps").glob("*.checkpoint")).unlink()


def _other_checkpoint(bundle: Path) -> None:
    """What was stamped is replaced by what the log says now."""
    token = _first(bundle)
    size = token.name.split("-")[0]
    proof = min((bundle / "proofs").iterdir()).read_text()
    (bundle / "timestamps" / f"{size}.checkpoint").write_text(proof[proof.index("\n\n") + 2 :])


def _rename(bundle: Path) -> None:
    """An old token passes for one over more entries."""
    token = _first(bundle)
    size, rest = token.name.split("-")
    for old, new in ((token, f"999-{rest}"), (token.with_name(f"{size}.checkpoint"), "999.checkpoint")):
        old.rename(old.with_name(new))


@pytest.mark.parametrize("change", [_strip, _flip_token, _drop_checkpoint, _other_checkpoint, _rename])
@pytest.mark.parametrize("kind", ["whole", "request"])
def test_what_was_done_to_timestamps_is_seen(
    bundles: dict[str, Path], trust: Path, tmp_path: Path, kind: str, change: Callable[[Path], None]
) -> None:
    copy = shutil.copytree(bundles[kind], tmp_path / "copy")
    change(copy)
    _manifest(copy)
    code, found, _ = finding(copy, "--trust", str(trust))
    assert (code, found["outcome"]) == (1, "failed"), found


def test_a_timestamp_of_a_history_that_was_replaced_is_seen(
    bundles: dict[str, Path], trust: Path, data: Path, authority: tsa.Authority, tmp_path: Path
) -> None:
    """The log's own key signed another tree once, and that was stamped: the tree of now does not begin with it."""
    copy = shutil.copytree(bundles["whole"], tmp_path / "copy")
    vkey = layout.vkeys_of((data / "keys/log.vkey").read_bytes())[0]
    signer = keys.load_log_signer(vkey.name, (data / "keys/log.key.pem").read_bytes())
    fork = checkpoint.sign(Checkpoint(origin=vkey.name, size=2, root=bytes(32)), signer).encode()
    name = canonical.digest(keys.certificate_der(authority.root.read_bytes()))[:16]
    (copy / "timestamps/2.checkpoint").write_bytes(fork)
    (copy / f"timestamps/2-{name}.tsr").write_bytes(authority.reply(authority.query(fork)))
    _manifest(copy)
    code, found, _ = finding(copy, "--trust", str(trust))
    assert (code, found["outcome"]) == (1, "failed")
    assert f"2-{name}.tsr" in found["reason"]


def _manifest(bundle: Path) -> None:
    """Whoever changes a bundle writes its manifest anew."""
    files = [path for path in bundle.rglob("*") if path.is_file() and path.name != layout.MANIFEST]
    digests = {path.relative_to(bundle).as_posix(): canonical.digest(path.read_bytes()) for path in files}
    (bundle / layout.MANIFEST).write_bytes(layout.format_manifest(digests))


def test_an_authority_that_fails_stops_nothing(tmp_path: Path, upstream: str, authority: tsa.Authority) -> None:
    authority.mode = "error"
    with tsa.serving(authority) as url:
        server = Server.start(prepared(tmp_path, upstream, url, authority))
        try:
            assert ask(server)[0] == 200
            eventually(lambda: json.loads(ask(server, "GET", "/healthz")[2])["timestamps"][0]["failures"] > 0)
            status, _, body = ask(server, "GET", "/healthz")
            told = json.loads(body)
            assert (status, told["timestamps"][0]["failing"]) == (200, "timestamp-refused")
            assert told["log"]["published_size"] >= 2
            assert ask(server)[0] == 200
            assert server.stop() == 0
        finally:
            server.kill()


def test_a_required_authority_that_fails_closes_the_proxy_until_it_is_back(
    tmp_path: Path, upstream: str, authority: tsa.Authority
) -> None:
    authority.mode = "error"
    with tsa.serving(authority) as url:
        server = Server.start(prepared(tmp_path, upstream, url, authority, require=True))
        try:
            eventually(lambda: ask(server, "GET", "/healthz")[0] == 503)
            assert json.loads(ask(server, "GET", "/healthz")[2])["status"] == "timestamp-unavailable"
            status, _, body = ask(server)
            assert (status, json.loads(body)["error"]["code"]) == (503, "timestamp-unavailable")
            authority.mode = "honest"
            eventually(lambda: ask(server)[0] == 200)
            assert server.stop() == 0
        finally:
            server.kill()


def test_a_root_that_is_none_is_a_wrong_configuration(tmp_path: Path, upstream: str, authority: tsa.Authority) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    config = prepared(tmp_path / "proxy", upstream, "http://127.0.0.1:9/", authority, root=str(tmp_path / "text.pem"))
    done = apostille("serve", "--config", str(config))
    assert done.returncode == 2
    assert "log.timestamps" in done.stderr
