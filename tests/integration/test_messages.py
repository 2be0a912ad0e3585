"""The Messages API over real HTTP: what reaches a provider, what comes back of it, and what is on record."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic

from audit import statement
from audit.vocabulary import LegStatus, ResultOutcome
from proxy.core.provenance import Commitments
from tests.integration.test_aggregators import results
from tests.integration.test_jurisdictions import decisions
from tests.integration.test_limits import started
from tests.integration.test_streaming import Gate, says, thinks
from tests.simulators.provider import Act, Body, Provider
from tests.simulators.server import Server, apostille, deployment, key_of

PIPELINES = {
    "board": {"aggregator": "judge-author", "first": ["one", "two"], "judge": "judge", "author": "author"},
    "trio": {"aggregator": "weighted-vote", "first": ["one", "two", "judge"]},
}
ASKED: Body = {"model": "one", "max_tokens": 64, "messages": [{"role": "user", "content": "Describe a rose."}]}
WEATHER = {
    "name": "look_up",
    "description": "weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SECRET = "chain-of-thought"


def call(arguments: str = '{"city": "Bern"}') -> Body:
    return {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": arguments}}


@asynccontextmanager
async def serving(folder: Path, provider: Provider) -> AsyncIterator[Server]:
    """A server, whose records are verified when it has stopped."""
    deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in ("one", "two", "judge", "author")}
    server = await started(folder, deployments, config={"pipelines": PIPELINES, "fusion": {"keep_alive_ms": 30}})
    yield server
    assert await asyncio.to_thread(server.stop) == 0
    assert (await asyncio.to_thread(apostille, "verify", str(folder / "data"))).returncode == 0


@asynccontextmanager
async def talking(folder: Path, provider: Provider) -> AsyncIterator[AsyncAnthropic]:
    """The SDK against a server of its own."""
    async with (
        serving(folder, provider) as server,
        AsyncAnthropic(base_url=server.url, api_key=key_of("de"), max_retries=0) as client,
    ):
        yield client


@asynccontextmanager
async def asking(server: Server, **changes: Any) -> AsyncIterator[httpx2.Response]:
    """A request whose answer is read byte by byte."""
    headers = {"x-api-key": key_of("de")}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as client,
        client.stream("POST", f"{server.url}/v1/messages", json={**ASKED, **changes}) as response,
    ):
        yield response


def events(content: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in content.splitlines() if line.startswith(b"data: ")]


async def test_a_request_reaches_the_provider_as_a_chat_completion(tmp_path: Path) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    async with Provider() as provider, talking(tmp_path, provider) as client:
        answer = await client.messages.create(
            model="one",
            max_tokens=64,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            messages=[
                {"role": "user", "content": "Hello."},
                {"role": "assistant", "content": [{"type": "text", "text": "Hello?"}]},
                {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},  # type: ignore[list-item]
            ],
            stop_sequences=["END"],
            metadata={"user_id": "u-1"},
            output_config={"effort": "low"},
            extra_body={"temperature": 0.5, "top_k": 40},
            extra_headers={"anthropic-beta": "anything"},
        )
    (body,) = provider.bodies
    assert body == {
        "model": "one",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello?"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                ],
            },
        ],
        "max_tokens": 64,
        "stop": ["END"],
        "temperature": 0.5,
        "top_k": 40,
        "user": "u-1",
        "reasoning_effort": "low",
        "stream": False,
    }
    assert answer.content[0].text == "one says: parts"  # type: ignore[union-attr]
    assert provider.authorizations == [""]
    (decision,) = decisions(tmp_path / "data")
    (result,) = results(tmp_path / "data")
    assert (decision.api, decision.model_requested, decision.stream) == ("anthropic.messages", "one", False)
    (made,) = result.contributions
    assert (made.tokens_in, made.tokens_out) == (answer.usage.input_tokens, answer.usage.output_tokens)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["one", "trio"])
async def test_a_tool_goes_round(tmp_path: Path, model: str, stream: bool) -> None:
    async def ask(client: AsyncAnthropic, messages: list[Any], **more: Any) -> Any:
        options = {"model": model, "max_tokens": 64, "tools": [WEATHER], "messages": messages, **more}
        if not stream:
            return await client.messages.create(**options)
        async with client.messages.stream(**options) as found:
            return await found.get_final_message()

    async with Provider(tool_call=call()) as provider, talking(tmp_path, provider) as client:
        question = {"role": "user", "content": "What is the weather in Bern?"}
        choice = {"type": "tool", "name": "look_up", "disable_parallel_tool_use": True}
        first = await ask(client, [question], tool_choice=choice)
        (used,) = first.content
        assert (first.stop_reason, used.type, used.id) == ("tool_use", "tool_use", "call_1")
        assert (used.name, used.input) == ("look_up", {"city": "Bern"})
        sent = len(provider.bodies)
        provider.tool_call = None
        result = {"type": "tool_result", "tool_use_id": used.id, "content": "sunny", "is_error": False}
        turn = {"role": "assistant", "content": first.content}
        second = await ask(client, [question, turn, {"role": "user", "content": [result]}])
    assert second.content[0].text.endswith("says: sunny")
    for body in provider.bodies[:sent]:
        assert body["tools"] == [
            {
                "type": "function",
                "function": {
                    "name": "look_up",
                    "description": "weather of a city",
                    "parameters": WEATHER["input_schema"],
                },
            }
        ]
        assert body["tool_choice"] == {"type": "function", "function": {"name": "look_up"}}
        assert body["parallel_tool_calls"] is False
    for body in provider.bodies[sent:]:
        _, assistant, tool = body["messages"]
        (made,) = assistant["tool_calls"]
        assert (made["id"], json.loads(made["function"]["arguments"])) == ("call_1", {"city": "Bern"})
        assert tool == {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


@pytest.mark.parametrize("arguments", ["not json", "[1]", '{"city": '])
async def test_a_call_whose_arguments_are_no_object_is_an_upstreams_failure(tmp_path: Path, arguments: str) -> None:
    async with Provider(tool_call=call(arguments)) as provider, serving(tmp_path, provider) as server:
        async with asking(server, tools=[WEATHER]) as response:
            error = json.loads(await response.aread())["error"]
        assert (response.status_code, error["code"]) == (502, "upstream-server-error")
        async with asking(server, tools=[WEATHER], stream=True) as response:
            told = events(await response.aread())
        assert (told[-1]["type"], told[-1]["error"]["code"]) == ("error", "upstream-server-error")
        assert "message_delta" not in {each["type"] for each in told}
    assert [(each.outcome, each.error) for each in results(tmp_path / "data")] == [
        (ResultOutcome.ERROR, "upstream-server-error")
    ] * 2


@pytest.mark.parametrize("model", ["one", "board"])
async def test_the_record_commits_to_the_bytes_that_the_client_got(tmp_path: Path, model: str) -> None:
    whole = {"receipt": "full"}
    async with Provider(reply=says) as provider, serving(tmp_path, provider) as server:
        async with asking(server, model=model, apostille=whole) as response:
            plain = await response.aread()
        async with asking(server, model=model, stream=True, apostille=whole) as response:
            streamed = await response.aread()
    receipts = (json.loads(plain)["apostille"], events(streamed)[-2]["apostille"])
    for content, receipt, result in zip((plain, streamed), receipts, results(tmp_path / "data"), strict=True):
        key = Commitments(bytes.fromhex(receipt["record_key"]))
        assert result.answer_commitment == key.of(statement.ANSWER, content)
        assert result.answer_bytes == len(content)


async def test_a_composites_head_comes_at_once_and_pings_while_its_legs_run(tmp_path: Path) -> None:
    gate = Gate(("author", "midway"))
    async with (
        Provider(reply=says, pause=gate) as provider,
        serving(tmp_path, provider) as server,
        asking(server, model="board", stream=True, apostille={"progress": True}) as response,
    ):
        found, reading = b"", response.aiter_bytes()
        while b"A rose i" not in found or not found.endswith(b'event: ping\ndata: {"type":"ping"}\n\n'):
            found += await asyncio.wait_for(anext(reading), 30)
        gate.open.set()
        async for each in reading:
            found += each
    told = events(found)
    assert told[0]["message"]["id"] == f"msg_{response.headers['apostille-record']}"
    assert told[0]["message"]["model"] == "board"
    news = [each["progress"]["leg"] for each in told if each["type"] == "apostille.progress"]
    assert {"panel-1", "panel-2"} <= set(news)
    text = "".join(each["delta"]["text"] for each in told if each["type"] == "content_block_delta")
    assert text == says({"model": "author"})
    assert told[-2]["apostille"]["record"] == response.headers["apostille-record"]


async def test_reasoning_is_thinking_for_who_asks_for_it(tmp_path: Path) -> None:
    async with Provider(reply=says, members=thinks) as provider, serving(tmp_path, provider) as server:
        for asked in (False, True):
            async with asking(server, apostille={"reasoning": asked}) as response:
                plain = json.loads(await response.aread())
            async with asking(server, stream=True, apostille={"reasoning": asked}) as response:
                streamed = events(await response.aread())
            kinds = ["thinking", "text"] if asked else ["text"]
            assert [each["type"] for each in plain["content"]] == kinds
            starts = [each["content_block"]["type"] for each in streamed if each["type"] == "content_block_start"]
            assert starts == kinds
            assert (SECRET in json.dumps(plain), SECRET in json.dumps(streamed)) == (asked, asked)
            assert plain["citations"] == streamed[-2]["citations"] == ["https://one.example"]


async def test_a_client_that_leaves_cuts_the_call_and_it_is_on_record(tmp_path: Path) -> None:
    gate = Gate(("one", "midway"))
    async with Provider(pause=gate) as provider, serving(tmp_path, provider) as server:
        async with asking(server, stream=True) as response:
            assert b"message_start" in await anext(response.aiter_bytes())
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(results, tmp_path / "data"):
                await asyncio.sleep(0.05)
    (result,) = results(tmp_path / "data")
    assert (result.outcome, result.http_status, result.error) == (ResultOutcome.ABORTED, 499, "client-left")
    assert [each.status for each in result.contributions] == [LegStatus.CUT]


async def test_a_deadline_in_the_middle_of_a_stream_is_a_timeout_error_and_no_stop(tmp_path: Path) -> None:
    async with (
        Provider(behave=lambda *_: Act.STALL_MIDWAY) as provider,
        serving(tmp_path, provider) as server,
        asking(server, stream=True, apostille={"deadline_ms": 500}) as response,
    ):
        told = events(await response.aread())
    assert (told[-1]["error"]["type"], told[-1]["error"]["code"]) == ("timeout_error", "deadline")
    assert told[-1]["request_id"] == response.headers["apostille-record"]
    assert "message_stop" not in {each["type"] for each in told}


def nothing(_: Body) -> str:
    return ""


def long(_: Body) -> str:
    return "x" * 4_000


@pytest.mark.parametrize("reply", [nothing, long])
async def test_an_answer_of_any_length_is_a_whole_message(tmp_path: Path, reply: Callable[[Body], str]) -> None:
    async with Provider(reply=reply) as provider, talking(tmp_path, provider) as client:
        plain = await client.messages.create(**ASKED)
        async with client.messages.stream(**ASKED) as stream:
            streamed = await stream.get_final_message()
    for message in (plain, streamed):
        text = "".join(each.text for each in message.content)  # type: ignore[union-attr]
        assert (message.stop_reason, text) == ("end_turn", reply({}))


async def test_a_wrong_request_is_sent_to_nobody_and_not_on_record(tmp_path: Path) -> None:
    async with Provider() as provider, talking(tmp_path, provider) as client:
        for changes, place in (
            ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "thinking"),
            ({"messages": [*ASKED["messages"], {"role": "assistant", "content": "The"}]}, "messages[1].role"),
            ({"extra_body": {"inference_geo": "us"}}, "inference_geo"),
            ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ):
            with pytest.raises(anthropic.BadRequestError) as caught:
                await client.messages.create(**{**ASKED, **changes})  # type: ignore[arg-type]
            assert caught.value.body["error"]["param"] == place  # type: ignore[index]
    assert provider.bodies == []
    assert decisions(tmp_path / "data") == []
