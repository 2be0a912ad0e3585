"""Where a request belongs: key, token, header and default over real HTTP, every signal on record; 403 where nothing is known."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from audit import datadir, dsse, statement
from audit.statement import DecisionRecord
from audit.vocabulary import DecisionOutcome, RecordKind
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

ISSUER = "https://id.example"


def decisions(data: Path) -> list[DecisionRecord]:
    opened = datadir.open_directory(data)
    found = [statement.parse(dsse.parse(envelope).payload) for _, envelope in opened.between(0, 1 << 40)]
    opened.close()
    return [statement.decision_of(each) for each in found if each.kind is RecordKind.DECISION]


async def test_an_address_is_a_signal_and_no_permission(tmp_path: Path) -> None:
    """A token says FR, the tenant adds DE, the address says US, and the client sends a header of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "issuer.pem").write_bytes(public)
    (tmp_path / "geoip").write_text("2130706432,2147483647,US\n")
    config = {
        "tenants": {
            "de": tenant("de", jurisdictions=["DE"], packs=["corporate"]),
            "nowhere": tenant("nowhere", jurisdictions=[], packs=["corporate"]),
        },
        "server": {"port": 0, "addresses": {"files": ["geoip"]}},
        "jwt": [{"issuer": ISSUER, "audience": "apostille", "algorithms": ["ES256"], "public_key_file": "issuer.pem"}],
    }
    claims = {"iss": ISSUER, "aud": "apostille", "exp": int(time.time()) + 60, "tenant": "de", "jurisdiction": "FR"}
    body = {"model": "good", "messages": [{"role": "user", "content": "hello"}]}
    async with Provider() as provider:
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, config, documents)
        server = await asyncio.to_thread(Server.start, path)
        found = []
        for credential in (jwt.encode(claims, key, algorithm="ES256"), key_of("nowhere")):
            headers = {
                "authorization": f"Bearer {credential}",
                "apostille-jurisdiction": "CN",
                "x-forwarded-for": "1.2.3.4",
            }
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.post(f"{server.url}/v1/chat/completions", json=body) as response,
            ):
                found.append((response.status, response.headers["apostille-jurisdictions"]))
        assert await asyncio.to_thread(server.stop) == 0
    assert found == [(200, "DE,FR"), (403, "none")]
    known, unknown = decisions(tmp_path / "data")
    assert {(s.source, s.code, s.used, s.why) for s in known.signals} == {
        ("tenant", "DE", True, ""),
        ("jwt", "FR", True, ""),
        ("header", "CN", False, "source-not-trusted"),
        ("ip", "", False, "signal-only"),  # where a person is: behind `_sd`
    }
    assert known.conflict
    assert not any(s.used for s in unknown.signals)


async def test_every_signal_is_on_record_and_only_trusted_ones_count(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "issuer.pem").write_bytes(public)
    config = {
        "tenants": {
            "de": tenant("de", jurisdictions=["DE"], packs=["corporate"]),
            "nowhere": tenant("nowhere", jurisdictions=[], packs=["corporate"]),
            "strict": tenant("strict", jurisdictions=[], packs=["corporate"], default_jurisdictions=["EU"]),
        },
        "jwt": [
            {"issuer": ISSUER, "audience": "apostille", "algorithms": ["ES256"], "public_key_file": "issuer.pem"},
        ],
    }
    claims = {"iss": ISSUER, "aud": "apostille", "exp": int(time.time()) + 60, "tenant": "de", "jurisdiction": "FR"}
    token = jwt.encode(claims, key, algorithm="ES256")
    async with Provider() as provider:
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, config, documents)
        server = await asyncio.to_thread(Server.start, path)

        async def ask(credential: str, header: str | None = None) -> tuple[int, str | None, Any]:
            headers = {
                "authorization": f"Bearer {credential}",
                **({"apostille-jurisdiction": header} if header else {}),
            }
            body = {"model": "good", "messages": [{"role": "user", "content": "hello"}]}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.post(f"{server.url}/v1/chat/completions", json=body) as response,
            ):
                return response.status, response.headers.get("apostille-jurisdictions"), await response.json()

        assert (await ask(token, "US"))[:2] == (200, "DE,FR")
        assert (await ask(key_of("strict")))[:2] == (200, "EU")
        status, _, body = await ask(key_of("nowhere"), "US")
        assert (status, body["error"]["code"]) == (403, "jurisdiction-unknown")
        assert len(provider.bodies) == 2
        assert await asyncio.to_thread(server.stop) == 0
    union, default, refused = decisions(tmp_path / "data")
    assert {(s.source, s.code, s.used) for s in union.signals} == {
        ("tenant", "DE", True),
        ("jwt", "FR", True),
        ("header", "US", False),
    }
    assert union.conflict
    assert default.signals[-1].source == "default"
    assert (refused.outcome, refused.refusal.code) == (DecisionOutcome.REFUSED, "jurisdiction-unknown")  # type: ignore[union-attr]
    assert apostille("verify", str(tmp_path / "data")).returncode == 0
