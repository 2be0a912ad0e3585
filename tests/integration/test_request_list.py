"""``GET /v1/records`` over real HTTP: one's own latest requests, newest first, a bounded look at a time, on both record stores."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.datastructures import QueryParams

from audit.storage.address import StoreAddress
from proxy.api import listing
from proxy.errors import ClientError
from tests.integration.test_enforcement import BAN
from tests.simulators.postgres import Cluster
from tests.simulators.provider import Provider
from tests.simulators.server import ROOT, Server, catalogue, deployment, key_of, tenant

Page = dict[str, Any]


@asynccontextmanager
async def running(folder: Path, address: StoreAddress | None = None) -> AsyncIterator[Server]:
    """A server with two tenants, one of them under a ban that another model stands in for."""
    async with Provider() as provider:
        deployments = {
            "x/best": deployment(provider.base_url, model="best", operator="vendor-x", alternates=["n/good"]),
            "n/good": deployment(provider.base_url, model="good"),
            "n/broken": deployment(provider.base_url, model="act-500"),
        }
        config: dict[str, Any] = {
            "tenants": {
                "de": tenant("de", jurisdictions=["DE"], packs=["corporate", "ban"]),
                "us": tenant("us", jurisdictions=["US"], packs=["corporate", "ban"]),
            }
        }
        if address is not None:
            config["storage"] = {"url": address.url, "password_file": str(address.password_file)}
        documents = catalogue(deployments, {"best": "vendor-x"})
        path = await asyncio.to_thread(Server.prepare, folder, config, documents, {"ban": BAN}, address)
        server = await asyncio.to_thread(Server.start, path, {"APOSTILLE_INSTANCE": "one"} if address else None)
        try:
            yield server
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text


def client(of: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"authorization": f"Bearer {key_of(of)}"})


async def asked(session: aiohttp.ClientSession, server: Server, model: str, **options: Any) -> str:
    """The record of one request."""
    body = {"model": model, "messages": [{"role": "user", "content": "a secret word"}], "apostille": options}
    async with session.post(f"{server.url}/v1/chat/completions", json=body) as response:
        await response.read()
        return response.headers["apostille-record"]


async def listed(session: aiohttp.ClientSession, server: Server, query: str = "") -> tuple[int, Page]:
    async with session.get(f"{server.url}/v1/records{query}") as response:
        return response.status, await response.json()


async def with_place(session: aiohttp.ClientSession, server: Server, wanted: list[str]) -> Page:
    """The list once these requests and their ends have a place in the log."""
    for _ in range(600):
        status, page = await listed(session, server)
        assert status == 200, page
        if [each["id"] for each in page["data"] if each["end"]] == wanted:
            return page
        await asyncio.sleep(0.05)
    raise AssertionError(page)


async def placed(session: aiohttp.ClientSession, server: Server, wanted: set[str]) -> None:
    """Returns once these requests are among the latest in the log."""
    for _ in range(600):
        if wanted <= {each["id"] for each in (await listed(session, server))[1]["data"]}:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(wanted)


async def shown(server: Server) -> None:
    """Three requests of one tenant are in its list, none in another's."""
    async with client("de") as de, client("us") as us:
        stood_in = await asked(de, server, "best")
        refused = await asked(de, server, "best", on_restricted="refuse")
        broken = await asked(de, server, "act-500")
        page = await with_place(de, server, [broken, refused, stood_in])
        assert await listed(us, server) == (200, {"object": "list", "data": [], "next_before": None})
        last, middle, first = page["data"]
        assert (first["model"], first["outcome"], first["jurisdictions"]) == ("best", "substituted", ["DE"])
        assert (first["excluded"], first["substituted"]) == (1, 1)
        end = first["end"]
        assert (end["outcome"], end["http_status"], end["models"], end["calls"]) == ("ok", 200, ["good"], 1)
        assert end["cost_micro_usd"] > 0
        assert end["duration_us"] > 0
        assert (middle["outcome"], middle["end"]["http_status"], middle["end"]["models"]) == ("refused", 451, [])
        assert (last["end"]["outcome"], last["end"]["error"]) == ("error", "upstream-server-error")
        assert "secret" not in str(page)

        _, newest = await listed(de, server, "?limit=1")
        assert [each["id"] for each in newest["data"]] == [broken]
        _, older = await listed(de, server, f"?limit=1&before={newest['next_before']}")
        assert [each["id"] for each in older["data"]] == [refused]
        _, beyond = await listed(de, server, f"?before={10**17}")
        assert beyond == page


async def test_a_tenant_sees_its_own_requests_newest_first_and_no_other(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        await shown(server)
        async with aiohttp.ClientSession() as nobody:
            assert (await listed(nobody, server))[0] == 401


def test_the_page_has_the_figures_of_the_code() -> None:
    page = (ROOT / "docs" / "reference" / "http-api.md").read_text(encoding="utf-8")
    assert f"`limit` is 1 to {listing.MOST}, {listing.USUAL} by default" in page
    assert f"One call looks at {listing.LOOKED_AT}" in page


async def test_the_same_on_postgresql(tmp_path: Path, cluster: Cluster) -> None:
    async with running(tmp_path, StoreAddress(url=cluster.database(), password_file=cluster.secret)) as server:
        await shown(server)


async def test_one_call_looks_at_so_many_entries_and_says_where_the_next_goes_on(tmp_path: Path) -> None:
    async with running(tmp_path) as server, client("us") as us, client("de") as de:
        own = await asked(us, server, "good")
        await with_place(us, server, [own])
        for _ in range(listing.LOOKED_AT // 16 + 2):
            newest = await asyncio.gather(*(asked(de, server, "good") for _ in range(8)))
        await placed(de, server, set(newest))
        found, query, calls = [], "", 0
        while query is not None:
            _, page = await listed(us, server, query)
            found += [each["id"] for each in page["data"]]
            query = None if page["next_before"] is None else f"?before={page['next_before']}"
            calls += 1
        assert (found, calls > 1) == ([own], True)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=1&limit=2", "limit"),
        ("before=-1", "before"),
        ("before=1e3", "before"),
        ("before=" + "9" * 40, "before"),
        ("tenant=us", "tenant"),
    ],
)
def test_what_is_not_known_or_not_of_its_form_is_named(query: str, param: str) -> None:
    with pytest.raises(ClientError) as caught:
        listing.parse(QueryParams(query))
    assert (caught.value.code, caught.value.status, caught.value.param) == ("invalid-parameter", 400, param)
    assert f"`{param}`" in caught.value.message
