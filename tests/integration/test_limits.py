"""Time, money and disk run out: what is sent, what is said, and what is on record then."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import aiohttp

from audit import datadir, dsse, statement
from audit.vocabulary import LegStatus, RecordKind
from tests.simulators.provider import Act, Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

TENANTS = {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])}
TRIO = {"trio": {"aggregator": "weighted-vote", "first": ["one", "two", "three"]}}
FILE_LIMIT = 600_000
"""Bytes that no file of the server may pass: a full disk, as far as its record store can tell."""


async def ask(server: Server, model: str, **options: Any) -> tuple[int, Any]:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "What is 6 times 7?"}],
        "apostille": {"receipt": "full", **options},
    }
    headers = {"authorization": f"Bearer {key_of('de')}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        return response.status, await response.json()


async def started(tmp_path: Path, deployments: dict[str, Any], **more: Any) -> Server:
    config = {"tenants": TENANTS, **more.pop("config", {})}
    path = await asyncio.to_thread(Server.prepare, tmp_path, config, catalogue(deployments))
    return await asyncio.to_thread(lambda: Server.start(path, **more))


def attempts(data: Path) -> list[tuple[LegStatus, str]]:
    opened = datadir.open_directory(data)
    found = [statement.parse(dsse.parse(envelope).payload) for _, envelope in opened.between(0, 1 << 40)]
    opened.close()
    results = [statement.result_of(each) for each in found if each.kind is RecordKind.RESULT]
    return [(each.status, each.error) for result in results for each in result.contributions]


async def test_a_deadline_ends_the_request_and_the_leg_is_on_record_as_cut(tmp_path: Path) -> None:
    async with Provider(behave=lambda body, number: Act.STALL) as provider:
        server = await started(tmp_path, {"n/a": deployment(provider.base_url, model="one")})
        status, body = await ask(server, "one", deadline_ms=400)
        assert (status, body["error"]["code"]) == (504, "deadline")
        assert await asyncio.to_thread(server.stop) == 0
    assert attempts(tmp_path / "data") == [(LegStatus.CUT, "deadline")]
    assert apostille("verify", str(tmp_path / "data")).returncode == 0


async def test_a_stream_ends_at_the_deadline_with_an_error_and_without_its_end_mark(tmp_path: Path) -> None:
    async with Provider(behave=lambda body, number: Act.SLOW, reply=lambda body: "word " * 400) as provider:
        server = await started(tmp_path, {"n/a": deployment(provider.base_url, model="one")})
        body = {
            "model": "one",
            "stream": True,
            "messages": [{"role": "user", "content": "go on"}],
            "apostille": {"deadline_ms": 500},
        }
        headers = {"authorization": f"Bearer {key_of('de')}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{server.url}/v1/chat/completions", json=body) as response,
        ):
            content = await response.text()
        assert '"code":"deadline"' in content
        assert "[DONE]" not in content
        assert await asyncio.to_thread(server.stop) == 0
    assert attempts(tmp_path / "data") == [(LegStatus.CUT, "deadline")]


async def test_a_straggler_is_cut_once_a_quorum_has_answered(tmp_path: Path) -> None:
    async with Provider(reply=lambda body: '"answer": "42"') as quick, Provider(behave=lambda b, n: Act.STALL) as slow:
        deployments = {
            "n/one": deployment(quick.base_url, model="one"),
            "n/two": deployment(quick.base_url, model="two"),
            "n/three": deployment(slow.base_url, model="three"),
        }
        server = await started(tmp_path, deployments, config={"pipelines": TRIO})
        began = asyncio.get_running_loop().time()
        status, body = await ask(server, "trio", straggler_ms=100)
        assert status == 200
        assert asyncio.get_running_loop().time() - began < 4
        assert sorted(body["apostille"]["models"]) == ["one", "two"]
        assert await asyncio.to_thread(server.stop) == 0
    assert (LegStatus.CUT, "straggler") in attempts(tmp_path / "data")


async def test_legs_run_in_parallel(tmp_path: Path) -> None:
    async with Provider(delay_s=0.5) as provider:
        deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in ("one", "two", "three")}
        server = await started(tmp_path, deployments, config={"pipelines": TRIO})
        assert (await ask(server, "trio"))[0] == 200
        assert max(provider.arrivals) - min(provider.arrivals) < 0.3
        assert await asyncio.to_thread(server.stop) == 0


async def test_a_full_disk_is_a_503_and_nothing_is_sent(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))

    async with Provider() as provider:
        server = await started(tmp_path, {"n/a": deployment(provider.base_url, model="one")}, before=limit)
        in_a_row = 0
        for _ in range(2000):
            sent = len(provider.bodies)
            status, body = await ask(server, "one")
            in_a_row = in_a_row + 1 if status == 503 else 0
            if status == 503:
                assert body["error"]["code"] in ("store-unwritable", "evidence-unavailable")
                # The decision may have fitted and its result not: then one call was made, and its answer withheld.
                assert len(provider.bodies) <= sent + 1
            if in_a_row == 3:  # for a while it makes room by itself; now there is none left
                break
        assert in_a_row == 3
        sent = len(provider.bodies)
        assert (await ask(server, "one"))[0] == 503
        assert len(provider.bodies) == sent
        async with aiohttp.ClientSession() as session, session.get(f"{server.url}/healthz") as health:
            assert health.status == 503
        await asyncio.to_thread(server.kill)
        # Room again: it goes on by itself at the next start, and everything acknowledged is there.
        server = await asyncio.to_thread(Server.start, tmp_path / "apostille.yaml")
        assert (await ask(server, "one"))[0] == 200
        assert await asyncio.to_thread(server.stop) == 0
    found = apostille("verify", str(tmp_path / "data"))
    assert found.returncode == 0, found.stdout


async def test_a_credential_comes_from_a_file_and_is_seen_by_its_provider_alone(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("sk-from-a-file\n")
    async with Provider() as provider:
        deployments = {
            "n/a": deployment(provider.base_url, model="one", call={"api_key_env": "TEST_PROVIDER_KEY"}),
            "n/b": deployment(provider.base_url, model="two"),
        }
        server = await started(tmp_path, deployments, environ={"TEST_PROVIDER_KEY_FILE": str(tmp_path / "secret")})
        assert (await ask(server, "one"))[0] == 200
        assert (await ask(server, "two"))[0] == 200
        assert provider.authorizations == ["Bearer sk-from-a-file", ""]
        assert await asyncio.to_thread(server.stop) == 0
        assert "sk-from-a-file" not in server.log_text
    for place in (tmp_path / "data").rglob("*"):
        assert not place.is_file() or b"sk-from-a-file" not in place.read_bytes()
