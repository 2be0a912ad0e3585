"""A provider that reports another place than its deployment declares: flagged or withheld, on record either way."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from audit import datadir
from audit.pairing import Pairing, requests
from audit.statement import Contribution
from tests.integration.test_enforcement import ask
from tests.simulators.provider import Body, Provider
from tests.simulators.server import Server, catalogue, deployment, key_of, tenant


class Reporting(Provider):
    """Says in its usage where it computed."""

    def completion(self, body: Body) -> Body:
        """The answer, with a place."""
        found = super().completion(body)
        place = {"honest": "eu-central-1", "abroad": "us", "quiet": None}[body["model"]]
        if place is not None:
            found["usage"]["inference_geo"] = place
        return found


def contributions(data: Path) -> list[Contribution]:
    """Every attempt on record, in order."""
    source = datadir.open_directory(data)
    found = list(requests(source.between(0, source.size()), Pairing()))
    source.close()
    return [each for request in found if request.result for each in request.result.record.contributions]


async def streamed(server: Server, who: str, model: str) -> bytes:
    """A whole stream as it came."""
    request = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{server.url}/v1/chat/completions", json=request, headers={"authorization": f"Bearer {key_of(who)}"}
        ) as response,
    ):
        return await response.read()


async def test_an_answer_from_elsewhere_is_flagged_or_withheld(tmp_path: Path) -> None:
    async with Reporting() as far:
        names = ("honest", "abroad", "quiet")
        documents: Any = {f"n/{m}": deployment(far.base_url, model=m, regions=("EU",)) for m in names}
        tenants = {
            "flags": tenant("flags", jurisdictions=["DE"], packs=["corporate"]),
            "strict": tenant(
                "strict",
                jurisdictions=["DE"],
                packs=["corporate"],
                on_region_violated="withhold",
                on_outage="substitute",
            ),
            "alone": tenant("alone", jurisdictions=["DE"], packs=["corporate"], on_region_violated="withhold"),
        }
        path = await asyncio.to_thread(Server.prepare, tmp_path, {"tenants": tenants}, catalogue(documents))
        server = await asyncio.to_thread(Server.start, path)
        try:
            for model, told in (("honest", None), ("quiet", None), ("abroad", "violated")):
                status, headers, body = await ask(server, "flags", model)
                assert (status, headers.get("apostille-residency")) == (200, told), body
            status, headers, body = await ask(server, "strict", "abroad")
            assert (status, headers["apostille-models"]) != (200, "abroad")
            assert "apostille-residency" not in headers
            status, _, body = await ask(server, "alone", "abroad")
            assert (status, body["error"]["code"]) == (502, "residency-violated")
            told = await streamed(server, "alone", "abroad")
            assert b"residency-violated" in told
            assert b"[DONE]" not in told
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
    found = [(c.model, c.status.value, c.residency, c.error) for c in contributions(server.data)]
    assert found[:4] == [
        ("honest", "ok", "as-declared", ""),
        ("quiet", "ok", "not-evidenced", ""),
        ("abroad", "ok", "violated", ""),
        ("abroad", "failed", "violated", "residency-violated"),
    ]
