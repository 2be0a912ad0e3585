"""Logs by scope over real HTTP: in every log that applies, verified from outside, and never made by what a client sends."""

import asyncio
import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from audit import datadir, layout, proofs, scope
from audit.log import Log
from audit.verify import Outcome, verify_log
from audit.vocabulary import RecordKind
from proxy.cli import main
from tests.simulators import history
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

BODY = {"model": "good", "messages": [{"role": "user", "content": "hello"}]}
CODES = ("DE", "US", "us", "FR", "US-CA", "XX", "ZZ", "MOON", "../log", "EU", "CN", "a" * 80, "DE-2026", "Ü")


def _config() -> dict[str, Any]:
    return {
        "tenants": {
            "acme": tenant("acme", jurisdictions=["DE"], packs=["corporate"]),
            "acme-us": tenant("acme-us", jurisdictions=["US"], packs=["corporate"]),
        },
        "server": {"port": 0, "trusted_hops": ["127.0.0.0/8"]},
        "scopes": {"tenants": True, "groups": ["EU", "US"]},
    }


async def _ask(session: aiohttp.ClientSession, url: str, *, of: str = "acme", place: str | None = None) -> str:
    headers = {"authorization": f"Bearer {key_of(of)}", **({"apostille-jurisdiction": place} if place else {})}
    async with session.post(f"{url}/v1/chat/completions", json=BODY, headers=headers) as response:
        await response.read()
        return response.headers.get("apostille-record", "")


async def _get(session: aiohttp.ClientSession, url: str, *, of: str | None = None) -> tuple[int, bytes, str]:
    headers = {} if of is None else {"authorization": f"Bearer {key_of(of)}"}
    async with session.get(URL(url, encoded=True), headers=headers) as response:
        return response.status, await response.read(), response.headers.get("cache-control", "")


async def _proof(session: aiohttp.ClientSession, url: str) -> bytes:
    for _ in range(200):
        status, content, _ = await _get(session, url, of="acme")
        if status == 200:
            return content
        assert json.loads(content)["error"]["code"] in ("not-published-yet", "scope-not-found")
        await asyncio.sleep(0.05)
    raise AssertionError("expected a proof")


async def test_a_request_is_in_every_scope_that_applies_and_each_is_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    years = {datetime.now(UTC).year}
    async with Provider() as provider, aiohttp.ClientSession() as session:
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, _config(), documents)
        server = await asyncio.to_thread(Server.start, path)
        both = await _ask(session, server.url, place="US")
        one = await _ask(session, server.url)
        await _ask(session, server.url, of="acme-us")
        years.add(datetime.now(UTC).year)
        year = scope.year_of(_said(tmp_path / "data", both)[0])
        eu, us = f"acme-eu-{year}", f"acme-us-{year}"
        record = f"{server.url}/v1/records/{both}/proof"
        found = {name: proofs.parse(await _proof(session, f"{record}?scope={name}")) for name in (eu, us)}
        assert [found[name].note.text.split("\n")[0] for name in (eu, us)] == [
            f"log.example/test/{n}" for n in (eu, us)
        ]
        status, content, _ = await _get(session, f"{server.url}/v1/records/{one}/proof?scope={us}", of="acme")
        assert (status, json.loads(content)["error"]["code"]) == (404, "scope-not-found")
        await _check_files(session, server.url, eu)
        listed = json.loads((await _get(session, f"{server.url}/v1/scopes", of="acme"))[1])
        assert {each["id"] for each in listed["data"]} == {eu, us, f"acme-{year}"}
        assert (await _get(session, f"{server.url}/v1/scopes"))[0] == 401
        assert await asyncio.to_thread(server.stop) == 0
    assert year in years
    assert _said(tmp_path / "data", both)[1] == [f"acme-{year}", eu, us]
    _check_commands(tmp_path, {"log": None, eu: 4, us: 2, f"acme-{year}": 4, f"acme--us-{year}": 2}, both, capsys)


def _said(data: Path, request_id: str) -> tuple[str, list[str]]:
    """Time and scopes of a decision, as ``jq`` would read them."""
    opened = datadir.open_directory(data)
    envelope = json.loads(opened.of_request(request_id)[0].envelope)
    opened.close()
    predicate = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    return predicate["at"], [each["log"] for each in predicate["scopes"]]


async def _check_files(session: aiohttp.ClientSession, url: str, name: str) -> None:
    """A scope's files are static, without a credential, and cacheable; what is no file of a log is not found."""
    status, content, cached = await _get(session, f"{url}/log/{name}/checkpoint")
    assert (status, cached) == (200, "public, max-age=1")
    size = content.decode().split("\n")[1]
    status, _, cached = await _get(session, f"{url}/log/{name}/tile/0/000.p/{size}")
    assert (status, cached) == (200, "public, max-age=31536000, immutable")
    for wrong in (
        f"{name}/keys/root.key.pem",
        f"{name}/tile/../checkpoint",
        "acme-eu-1999/checkpoint",
        "%2e%2e/checkpoint",
        "tile/checkpoint",
        "ACME-EU-2026/checkpoint",
        "",
    ):
        assert (await _get(session, f"{url}/log/{wrong}"))[0] == 404, wrong


def _check_commands(
    folder: Path, sizes: dict[str, int | None], request_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """``verify`` of every log, and a bundle of each scope held against the main log's key alone."""
    data, trust = folder / "data", folder / "trust"
    trust.mkdir()
    for name in (layout.ROOT_CERTIFICATE, layout.LOG_VKEY):
        (trust / name).write_bytes((data / "keys" / name).read_bytes())
    capsys.readouterr()
    for name, size in sizes.items():
        options = [] if name == "log" else ["--scope", name]
        assert main(["verify", "--json", "--data", str(data), *options]) == 0
        report = json.loads(capsys.readouterr().out)
        assert report["outcome"] == "ok", report
        if size is not None:
            assert report["counts"]["entries"] == size
            out = str(folder / f"bundle-{name}")
            assert main(["bundle", "--data", str(data), "--out", out, *options]) == 0
            assert main(["verify", out, "--trust", str(trust), *options]) == 0
            assert main(["verify", out, "--trust", str(trust)]) == 0
            assert main(["verify", out, "--trust", str(trust), "--scope", "acme-eu-1999"]) == 3
            assert main(["verify", str(data / "scopes" / name)]) == 0
            capsys.readouterr()
    eu = next(name for name in sizes if "-eu-" in name)
    assert main(["verify", request_id, "--data", str(data), "--scope", eu]) == 0
    assert main(["verify", request_id, "--data", str(data), "--scope", "acme-eu-1999"]) == 3


def test_a_new_year_is_a_new_log_and_results_stay_with_their_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = datetime(2026, 12, 31, 23, 40, tzinfo=UTC)
    monkeypatch.setattr(history, "BEGIN", begin)
    path = history.prepare(tmp_path, scopes={"tenants": True, "groups": ["EU", "US"]})
    log = Log.open(tmp_path / "data", publish_interval_s=0.01, clock=lambda: begin)
    history.write(log, history.loaded(path), 60)  # one every 40 seconds
    log.close()
    opened = datadir.open_directory(tmp_path / "data")
    names, sizes = opened.scopes(), []
    for name in names:
        records = list(opened.of_scope(name).sequenced(1 << 40))
        decided = {r.request_id for r in records if r.kind is RecordKind.DECISION}
        assert decided == {r.request_id for r in records if r.kind is RecordKind.RESULT}
        sizes.append(len(decided))
    tenants = [
        size for name, size in zip(names, sizes, strict=True) if not name.rpartition("-")[0].endswith(("-eu", "-us"))
    ]
    assert sum(tenants) == 60
    assert {name[-4:] for name in names} == {"2026", "2027"}
    keys = opened.files.below(layout.KEYS)
    report = verify_log(
        opened.files.below(layout.LOG),
        layout.trust_of(keys),
        certificates=layout.certificates_of(keys),
        records=opened.record,
        scopes={name: opened.of_scope(name).files.below(layout.LOG) for name in names},
    )
    opened.close()
    assert report.outcome is Outcome.OK, report


async def test_no_client_makes_a_log_come_into_being_that_was_not_named(tmp_path: Path) -> None:
    async with Provider() as provider, aiohttp.ClientSession() as session:
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, _config(), documents)
        server = await asyncio.to_thread(Server.start, path)
        for place in CODES:
            await _ask(session, server.url, place=place.encode("latin-1", "replace").decode("latin-1"))
        years = {datetime.now(UTC).year, datetime.now(UTC).year - 1}
        assert await asyncio.to_thread(server.stop) == 0
    made = {each.name for each in (tmp_path / "data" / layout.SCOPES).iterdir()}
    assert made <= {f"acme-{group}{year}" for group in ("", "eu-", "us-") for year in years}
    assert main(["verify", "--data", str(tmp_path / "data")]) == 0


@pytest.mark.parametrize(
    ("scopes", "tenants", "named"),
    [({"groups": ["MOON"]}, ("acme",), "MOON"), ({"tenants": True}, ("Acme", "acme"), "acme")],
)
def test_scopes_that_cannot_be_are_refused_at_start(
    tmp_path: Path, scopes: dict[str, Any], tenants: tuple[str, ...], named: str
) -> None:
    config = {"tenants": {t: tenant(t, jurisdictions=["DE"], packs=["corporate"]) for t in tenants}, "scopes": scopes}
    path = Server.prepare(tmp_path, config, catalogue({"n/a": deployment("http://127.0.0.1:9/v1", model="good")}))
    found = apostille("serve", "--config", str(path))
    assert (found.returncode, f"`{named}`" in found.stderr) == (2, True), found.stderr
