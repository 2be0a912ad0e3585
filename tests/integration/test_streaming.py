"""Streams of composites over real HTTP: the head at once, news and comments while legs run, the author's tokens as they come, and an
end that waits for the record; reasoning content and sources on their way through.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from audit import openings
from audit.vocabulary import LegStatus, ResultOutcome
from proxy.core.provenance import Commitments
from tests.integration.test_aggregators import results
from tests.integration.test_limits import started
from tests.simulators.provider import Act, Body, Provider
from tests.simulators.server import Server, apostille, deployment, key_of

PROMPT = "Describe a rose."
BOARD = {
    "board": {"aggregator": "judge-author", "first": ["one", "two"], "judge": "judge", "author": "author"},
    "mix": {"aggregator": "mixture-of-agents", "first": ["one", "two"], "author": "author", "layers": 1},
    "pair": {"aggregator": "agreement-gate", "first": ["one", "two"], "rest": ["judge"]},
    "best": {"aggregator": "best-of-n", "first": ["one", "two"], "judge": "judge"},
}
SECRET = "chain-of-thought"
WRITTEN = "A rose is a rose is a rose, and it is red."


def says(body: Body) -> str:
    if body["model"] == "author":
        return WRITTEN
    if body["model"] == "judge":
        return '{"best": "A", "contradictions": []}'
    return f"{body['model']} calls it red."


class Gate:
    """Holds a provider's answers until a test lets them go."""

    def __init__(self, *held: tuple[str, str]) -> None:
        self.held = set(held)
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, body: Body, where: str) -> None:
        if (body["model"], where) in self.held:
            self.reached.set()
            await self.open.wait()


async def board(tmp_path: Path, provider: Provider, **fusion: Any) -> Server:
    names = ("one", "two", "judge", "author")
    deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in names}
    config = {"pipelines": BOARD, "fusion": {"keep_alive_ms": 30, **fusion}}
    return await started(tmp_path, deployments, config=config)


@asynccontextmanager
async def asking(server: Server, model: str, **options: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": PROMPT}], **options}
    headers = {"authorization": f"Bearer {key_of('de')}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        yield response


async def until(response: aiohttp.ClientResponse, mark: bytes) -> bytes:
    """What comes up to a mark."""
    found = b""
    while mark not in found:
        chunk = await asyncio.wait_for(response.content.readany(), 30)
        assert chunk, found
        found += chunk
    return found


def chunks(content: bytes) -> list[Any]:
    lines = [line.removeprefix(b"data: ") for line in content.splitlines() if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def text_of(content: bytes) -> str:
    return "".join(c["delta"].get("content") or "" for each in chunks(content) for c in each.get("choices", ()))


async def stopped(server: Server, tmp_path: Path) -> None:
    assert await asyncio.to_thread(server.stop) == 0
    assert (await asyncio.to_thread(apostille, "verify", str(tmp_path / "data"))).returncode == 0


@pytest.mark.parametrize("model", ["board", "mix"])
async def test_the_head_comes_at_once_and_the_authors_tokens_as_they_come(tmp_path: Path, model: str) -> None:
    panel, author = Gate(("one", "head")), Gate(("author", "midway"))

    async def pause(body: Body, where: str) -> None:
        await panel(body, where)
        await author(body, where)

    async with Provider(reply=says, pause=pause) as provider:
        server = await board(tmp_path, provider)
        options = {"apostille": {"progress": True, "receipt": "full"}, "stream_options": {"include_usage": True}}
        async with asking(server, model, **options) as response:
            assert response.status == 200
            began = await until(response, b": keep-alive\n\n")
            assert began.startswith(b": apostille " + response.headers["apostille-record"].encode())
            panel.open.set()
            found = await until(response, b"A rose i")
            assert author.reached.is_set()
            assert not author.open.is_set()
            author.open.set()
            found += await response.content.read()
        told = [each.get("apostille", {}).get("progress") for each in chunks(began + found)]
        news = [each for each in told if each is not None]
        assert [each["leg"] for each in news if each["role"] == "panel"] == ["panel-2", "panel-1"]
        assert news[-1] == {"leg": "author", "role": "author", "deployment": "n/author", "status": "ok"}
        assert found.count(b"event: apostille.progress\n") == len(news) - began.count(b"event:")
        assert text_of(found) == WRITTEN
        assert found.endswith(b"data: [DONE]\n\n")
        told = [each for each in chunks(found) if "progress" not in each.get("apostille", {})]
        assert {each["id"] for each in told} == {f"chatcmpl-{response.headers['apostille-record']}"}
        assert {each["model"] for each in told} == {model}
        assert [each["usage"]["total_tokens"] > 0 for each in told if "usage" in each] == [True]
        assert told[-1]["apostille"]["method"] in ("synthesis", "mixture")
        await stopped(server, tmp_path)
    (result,) = results(tmp_path / "data")
    assert result.outcome is ResultOutcome.OK
    assert all(each.status is LegStatus.OK and each.tokens_out > 0 for each in result.contributions)
    assert result.answer_bytes == len(began + found)


@pytest.mark.parametrize("model", ["pair", "best"])
async def test_a_chosen_text_is_sent_as_soon_as_it_is_chosen(tmp_path: Path, model: str) -> None:
    async with Provider(reply=says) as provider:
        server = await board(tmp_path, provider)
        async with asking(server, model) as response:
            found = await response.content.read()
        await stopped(server, tmp_path)
    assert text_of(found) in ("one calls it red.", "two calls it red.", '{"best": "A", "contradictions": []}')
    last = chunks(found)[-1]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["apostille"]["record"] == response.headers["apostille-record"]
    assert set(last["apostille"]["models"]) <= {"one", "two", "judge"}


HELD = (("one", "head"), ("author", "head"), ("author", "midway"))


async def test_a_client_that_leaves_cuts_the_legs_and_they_are_billed_and_on_record(tmp_path: Path) -> None:
    async with Provider(reply=says) as provider:
        server = await board(tmp_path, provider)
        told: list[int] = []
        for number, held in enumerate(HELD):
            provider.pause = gate = Gate(held)
            async with asking(server, "board") as response:
                read = await until(response, b": apostille")
                await asyncio.wait_for(gate.reached.wait(), 30)
                if held[1] == "midway":
                    read += await until(response, b"A rose i")
            told.append(len(read))
            async with asyncio.timeout(30):
                while len(await asyncio.to_thread(results, tmp_path / "data")) == number:
                    await asyncio.sleep(0.05)
        await stopped(server, tmp_path)
    for held, read, result in zip(HELD, told, results(tmp_path / "data"), strict=True):
        assert result.answer_bytes >= read > 0, held
        found = (result.outcome, result.http_status, result.error)
        assert found == (ResultOutcome.ABORTED, 499, "client-left"), held
        cuts = [each for each in result.contributions if each.status is LegStatus.CUT]
        assert f"n/{held[0]}" in {each.deployment for each in cuts}  # and on a busy machine others with it
        for cut in cuts:
            assert cut.error == "client-left"
            assert cut.cost_micro_usd > 0
            assert cut.request_commitment


async def test_an_error_after_the_head_is_an_event_and_the_stream_has_no_end_mark(tmp_path: Path) -> None:
    async with Provider(behave=lambda body, number: Act.BAD_REQUEST) as provider:
        server = await board(tmp_path, provider)
        async with asking(server, "board") as response:
            found = await response.content.read()
        await stopped(server, tmp_path)
    assert response.status == 200
    error = chunks(found)[-1]["error"]
    assert (error["code"], error["apostille"]["record"]) == ("upstream-rejected", response.headers["apostille-record"])
    assert b"[DONE]" not in found
    (result,) = results(tmp_path / "data")
    assert (result.outcome, result.error) == (ResultOutcome.ERROR, "upstream-rejected")


@pytest.mark.parametrize(("act", "told"), [(Act.FAIL, True), (Act.CUT, False)])
async def test_an_author_that_fails_before_its_first_word_leaves_the_best_candidate(
    tmp_path: Path, act: Act, told: bool
) -> None:
    def behave(body: Body, _: int) -> Act:
        return act if body["model"] == "author" else Act.ANSWER

    async with Provider(reply=says, behave=behave) as provider:
        server = await board(tmp_path, provider)
        async with asking(server, "board") as response:
            found = await response.content.read()
        await stopped(server, tmp_path)
    (result,) = results(tmp_path / "data")
    failed = result.aggregation is not None and "author-failed" in result.aggregation.flags
    if told or failed:  # on a busy machine nothing of what was cut may have come
        assert text_of(found) in ("one calls it red.", "two calls it red.")
        assert found.endswith(b"data: [DONE]\n\n")
        assert "author-failed" in result.aggregation.flags
    else:
        assert WRITTEN.startswith(text_of(found))
        assert chunks(found)[-1]["error"]["code"] == "upstream-broken-stream"
        assert b"[DONE]" not in found
        assert result.outcome is ResultOutcome.ERROR


def thinks(body: Body) -> Body:
    cited = [{"type": "url_citation", "url_citation": {"url": f"https://{body['model']}.example"}}]
    beside = {"citations": [f"https://{body['model']}.example"], "search_results": [{"title": body["model"]}]}
    return {"reasoning_content": SECRET, "annotations": cited, "beside": beside}


async def test_reasoning_is_sent_to_who_asks_for_it_and_sources_to_everybody(tmp_path: Path) -> None:
    async with Provider(reply=lambda b: f"<think>{SECRET}</think>{says(b)}", members=thinks) as provider:
        server = await board(tmp_path, provider)
        for model, stream, asked in product(("one", "board", "best"), (False, True), (False, True)):
            options = {"apostille": {"reasoning": asked, "receipt": "full"}, "stream": stream}
            async with asking(server, model, **options) as response:
                found = await response.content.read()
            assert (SECRET.encode() in found) is asked, (model, stream)
            said = text_of(found) if stream else json.loads(found)["choices"][0]["message"]["content"]
            by = {"one": "one", "board": "author"}.get(model) or said.split("</think>")[-1].split()[0]
            assert said == f"<think>{SECRET}</think>" * asked + says({"model": by})
            for member in ("url_citation", "citations", "search_results", f"https://{by}.example"):
                assert member.encode() in found, (model, stream, member)
        await stopped(server, tmp_path)
    assert not any(SECRET in json.dumps(each) for each in provider.bodies)
    assert all(
        each.tokens_out > len(SECRET) // 4 for result in results(tmp_path / "data") for each in result.contributions
    )


async def test_the_commitment_covers_reasoning_that_the_client_did_not_get(tmp_path: Path) -> None:
    async with Provider(reply=says, members=thinks) as provider:
        server = await board(tmp_path, provider)
        async with asking(server, "one", stream=False, apostille={"receipt": "full"}) as response:
            found = await response.json()
        received = json.dumps(provider.completion(provider.bodies[0])).encode()
        await stopped(server, tmp_path)
    assert SECRET.encode() in received
    assert SECRET not in json.dumps(found)
    (contribution,) = results(tmp_path / "data")[0].contributions
    key = bytes.fromhex(found["apostille"]["record_key"])
    label = openings.response_label(contribution.leg, 0)
    assert contribution.response_commitment == Commitments(key).of(label, received)
