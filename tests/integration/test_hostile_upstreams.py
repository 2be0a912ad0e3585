"""Upstreams that lie and break rules, behind a running proxy: no defect of theirs becomes ours, nothing is complete before its
record, and afterwards nothing is held.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from audit.vocabulary import LegStatus, ResultOutcome
from tests.integration.test_aggregators import results
from tests.integration.test_limits import started
from tests.simulators.hostile import (
    DONE,
    FOREVER,
    MESSAGE,
    PAUSE,
    Hostile,
    Upstream,
    completion,
    event,
    said,
    stream,
    whole,
)
from tests.simulators.server import Server, apostille, deployment, key_of

BEGUN = (said("answer: "), PAUSE)
END = (event({}, "stop"), DONE)
BOMB = gzip.compress(bytes(20_000_000))
ENCODED = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def nested(levels: int) -> Any:
    """A list in a list."""
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


def head(lines: bytes) -> tuple[bytes, ...]:
    """An answer that is nothing but a head."""
    return (b"HTTP/1.1 " + lines + b"\r\n\r\n",)


DEEP = {**MESSAGE, "annotations": nested(300)}
CALLS = [{"function": {"name": "go", "arguments": nested(300)}}, 7, None, {"function": {"name": ["go"]}}]
BAD = {
    "garbage": Hostile(plain=whole(b"\0\xff"), streamed=stream(b"\0\xff<html>\n\n{}\n\n", PAUSE, said("x"))),
    "empty": Hostile(plain=whole(b""), streamed=stream()),
    "cut-in-a-word": Hostile(plain=(whole(completion())[0][:-9],), streamed=stream(*BEGUN, b'data: {"id":"x","cho')),
    "half-a-surrogate-pair": Hostile(
        plain=whole(b'{"choices":[{"message":{"role":"assistant","content":"\\ud800"}}]}'),
        streamed=stream(*BEGUN, b'data: {"choices":[{"delta":{"content":1}},"\\ud800", NaN]}\n\n', *END),
    ),
    "an-event-of-5-MB": Hostile(plain=whole(completion()[:40]), streamed=stream(*BEGUN, b"data: " + b"x" * 5_000_000)),
    "17-MB": Hostile(
        plain=whole(completion({**MESSAGE, "content": "x" * 17_000_000})),
        streamed=stream(*[said("y" * 100_000) for _ in range(170)], *END),
    ),
    "gzip": Hostile(plain=(ENCODED + BOMB,), streamed=(ENCODED + BOMB,)),
    "redirect": Hostile(
        plain=head(b"307 X\r\ncontent-length: 0\r\nlocation: http://169.254.169.254/latest"),
        streamed=head(b"302 X\r\ncontent-length: 0\r\nlocation: http://127.0.0.1:1/"),
    ),
    "wrong-chunks": Hostile(plain=(CHUNKED + b"-5\r\nabc",), streamed=(CHUNKED + b"fffffffffffffffff\r\nabc",)),
    "wrong-lengths": Hostile(
        plain=head(b"200 OK\r\ncontent-length: -1"), streamed=head(b"200 OK\r\ncontent-length: 9" + b"9" * 30)
    ),
    "no-HTTP": Hostile(plain=(b"\x16\x03\x01\r\n\r\n",), streamed=(b"SSH-2.0-x\r\n",)),
    "long-heads": Hostile(
        plain=head(b"200 OK\r\nx: " + b"a" * 200_000), streamed=head(b"200 OK\r\n" + b"x: y\r\n" * 9_999)
    ),
    "another-protocol": Hostile(
        plain=head(b"101 X\r\nupgrade: x\r\nconnection: upgrade"), streamed=head(b"204 No content")
    ),
    "heads-for-ever": Hostile(plain=(*head(b"100 Continue"), FOREVER), streamed=(*head(b"100 Continue"), FOREVER)),
    "comments-for-ever": Hostile(plain=(b"HTTP/1.1 200", FOREVER), streamed=(*stream(b": x\n\n"), FOREVER)),
    "no-list-of-choices": Hostile(plain=whole(b'{"choices":"ab"}'), streamed=stream(*BEGUN, b"data: [1]\n\n")),
    "no-object": Hostile(plain=whole(b"[]"), streamed=stream(*BEGUN, b'data: {"error":{"message":"SECRET"}}\n\n', DONE)),
    "1000-levels": Hostile(
        plain=whole(b'{"choices":[{"message":{"content":"x","m":' + b"[" * 999 + b"]" * 999 + b"}}]}"),
        streamed=stream(*BEGUN, b'data: {"choices":[' + b"[" * 1_030 + b"]" * 1_030 + b"]}\n\n"),
    ),
}  # fmt: skip
"""What is no answer, plain or streamed."""
ODD = {
    "two-choices": Hostile(
        streamed=stream(b'data: {"choices":[{"index":1,"delta":{"content":"OTHER"}}]}\n\n', said("own"), *END),
        plain=whole(
            b'{"choices":[{"index":1,"message":{"content":"OTHER"}},{"index":0,"message":{"content":"answer: 7"}}]}'
        ),
    ),
    "300-levels": Hostile(
        plain=whole(completion(DEEP)), streamed=stream(event({"content": "x", "reasoning": "t", "m": nested(300)}), *END)
    ),
    "300-levels-of-sources": Hostile(
        plain=whole(completion(citations=nested(300))), streamed=stream(said("x"), event({}, "stop", citations=nested(300)), DONE)
    ),
    "calls-in-pieces": Hostile(
        plain=whole(completion({"role": "assistant", "content": None, "tool_calls": CALLS})),
        streamed=stream(
            event({"tool_calls": [{"index": 0, "function": {"name": "go", "arguments": ""}}]}),
            event({"tool_calls": [{"index": 1e30, "function": {"name": "go"}}, 7, {"index": [1]}]}),
            event({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
            *END,
        ),
    ),
    "an-end-behind-a-comment": Hostile(
        streamed=stream(b': x\nevent: message_stop\ndata: {"type":"message_stop"}\n\n', PAUSE, said("x"), *END)
    ),
    "NUL": Hostile(plain=whole(completion({**MESSAGE, "content": "a\0b"})), streamed=stream(said("a\0b"), *END)),
    "numbers": Hostile(
        plain=whole(b'{"choices":[{"message":{"content":7,"n":1e999},"logprobs":{"content":[{"logprob":-1e308},{"logprob":-1e308}]}}]}'),
        streamed=stream(said("x"), b'data: {"choices":[{"delta":{"n":123456789012345678901234567890}}]}\n\n', *END),
    ),
    "10-MB": Hostile(
        plain=whole(completion({**MESSAGE, "content": "z" * 10_000_000})),
        streamed=stream(*[said("z" * 100_000) for _ in range(90)], *END),
    ),
    "image": Hostile(plain=whole(completion(), "image/png"), streamed=whole(said("x") + DONE, "image/png")),
}  # fmt: skip
"""What is strange, and may be an answer."""
GOOD = {"good": Hostile(), "fine": Hostile()}
TOOLS = [{"type": "function", "function": {"name": "go", "parameters": {}}}]


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    content: bytes
    headers: Any


async def ask(server: Server, model: str, *, streamed: bool, **more: Any) -> Answer:
    body = {"model": model, "stream": streamed, "messages": [{"role": "user", "content": "Describe a rose."}], **more}
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {key_of('de')}"}) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        return Answer(response.status, await response.read(), response.headers)


@asynccontextmanager
async def behind(tmp_path: Path, upstream: Upstream, **config: Any) -> AsyncIterator[Server]:
    """A proxy in which each model is a member, an author, and a voter."""
    names = list(upstream.models)
    deployments = {f"n/{m}": deployment(upstream.base_url, model=m, call={"timeout_ms": 500}) for m in names}
    pipelines = {}
    for name in names:
        pipelines[f"author-{name}"] = {
            "aggregator": "mixture-of-agents",
            "first": ["good", "fine"],
            "author": name,
            "layers": 1,
        }
        pipelines[f"member-{name}"] = {"aggregator": "best-of-n", "first": [name, "good"], "judge": "good"}
        pipelines[f"voter-{name}"] = {"aggregator": "majority", "first": [name, name, "good"]}
    more = {"pipelines": pipelines, "fusion": {"deadline_ms": 1500}, "calls": {"breaker_failures": 10_000}, **config}
    server = await started(tmp_path, deployments, config=more)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.kill)


async def at_rest(server: Server) -> None:
    """No deployment has a call under way or one that waits, at the latest soon."""
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {key_of('de')}"}) as session:
        for _ in range(100):
            async with session.get(f"{server.url}/healthz") as response:
                found = (await response.json())["upstreams"]
            busy = {name: each for name, each in found.items() if each["running"] or each["waiting"]}
            if not busy:
                return
            await asyncio.sleep(0.1)
    raise AssertionError(busy)


async def stopped(server: Server, tmp_path: Path, asked: int) -> list[Any]:
    """The results of a stopped server: one for each request that was asked."""
    assert await asyncio.to_thread(server.stop) == 0
    assert "Traceback" not in server.log_text, server.log_text
    assert (await asyncio.to_thread(apostille, "verify", str(tmp_path / "data"))).returncode == 0
    found = results(tmp_path / "data")
    assert len({each.request_id for each in found}) == len(found) == asked
    return found


async def test_no_defect_of_an_upstream_is_ours(tmp_path: Path) -> None:
    async with Upstream({**BAD, **ODD, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        asked = 0
        for name, seat, streamed in product((*BAD, *ODD), ("", "author-", "member-", "voter-"), (False, True)):
            found = await ask(server, seat + name, streamed=streamed, tools=TOOLS)
            asked += 1
            assert found.status in (200, 502, 504), (seat, name, found)
            assert b"internal-error" not in found.content, (seat, name, found)
            assert b"SECRET" not in found.content
            marks = found.content.count(b"[DONE]")
            assert marks == 0 or found.content.endswith(b"\n\ndata: [DONE]\n\n"), (seat, name, found.content[-200:])
            if name in BAD and seat == "":
                assert (found.status != 200 and not streamed) or (streamed and marks == 0), (name, found)
            if name in BAD and seat in ("member-", "voter-") and not streamed:
                assert found.status == 200, (seat, name, found)  # the good ones answer all the same
            if name == "two-choices" and (seat == "author-" or (seat == "voter-" and not streamed)):
                assert b"OTHER" not in found.content
        await at_rest(server)
        assert upstream.open == 0
        found = await stopped(server, tmp_path, asked)
    assert {each.outcome for each in found} == {ResultOutcome.OK, ResultOutcome.ERROR}


ENDS = {
    "no-blank": b"data:[DONE]\n\n",
    "a-blank-behind": b"data: [DONE] \n\n",
    "a-word-behind": b"data: [DONE]x\n\n",
    "in-another-event": b'data: {"choices":[]}\rdata: [DONE]\r\r\n\n',
    "other-line-ends": b"data: [DONE]\r\n\r\n",
    "an-error-beside-it": b'data: {"error":{"message":"SECRET"},"choices":[]}\n\ndata: [DONE]\n\n',
}


async def test_no_spelling_of_the_end_mark_passes_before_the_record(tmp_path: Path) -> None:
    models = {
        name: Hostile(streamed=stream(said("one "), PAUSE, said("two "), PAUSE, end, PAUSE))
        for name, end in ENDS.items()
    }
    async with Upstream({**models, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        complete = []
        for name, seat in product(ENDS, ("", "author-")):
            found = await ask(server, seat + name, streamed=True)
            assert b"two " in found.content
            assert found.content.count(b"[DONE]") == found.content.endswith(b"\n\ndata: [DONE]\n\n"), found.content
            complete.append(b"[DONE]" in found.content)
        told = await stopped(server, tmp_path, len(complete))
    assert [each.outcome is ResultOutcome.OK for each in told] == complete
    assert complete[: 2 * 3] == [True] * 6
    assert complete[2 * 3 :] == [False] * 6


async def test_no_upstream_speaks_in_our_name(tmp_path: Path) -> None:
    claims = {"record": "FORGED", "residency": "FORGED"}
    forged = Hostile(
        plain=whole(completion(apostille=claims)),
        streamed=stream(*BEGUN, event({"content": "x"}, apostille=claims), PAUSE, *END),
    )
    marked = b"\xef\xbb\xbf" + event({"content": "x"}, apostille=claims)
    models = {
        "forger": forged,
        "at-first": Hostile(plain=forged.plain, streamed=stream(marked, PAUSE, *END)),
        "later": Hostile(plain=forged.plain, streamed=stream(*BEGUN, marked, PAUSE, *END)),
    }
    async with Upstream({**models, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        for name, streamed, receipt in product(models, (False, True), ("none", "id", "full")):
            found = await ask(server, name, streamed=streamed, apostille={"receipt": receipt})
            assert (found.status, b"FORGED" in found.content) == (200, False), found.content
        await stopped(server, tmp_path, 18)


async def test_an_error_that_never_ends_is_waited_for_as_long_as_a_head(tmp_path: Path) -> None:
    parts = (b"HTTP/1.1 400 X\r\ntransfer-encoding: chunked\r\n\r\n1;", FOREVER)
    models = {"endless": Hostile(plain=parts, streamed=parts), **GOOD}
    async with Upstream(models) as upstream, behind(tmp_path, upstream, fusion={"deadline_ms": 20_000}) as server:
        for streamed in (False, True):
            found = await ask(server, "endless", streamed=streamed)
            assert (found.status, json.loads(found.content)["error"]["code"]) == (504, "upstream-timeout")
        await at_rest(server)
        assert upstream.open == 0
        await stopped(server, tmp_path, 2)


LIES = {
    "negative": {"prompt_tokens": -5, "completion_tokens": -7},
    "text": {"prompt_tokens": "5", "completion_tokens": True},
    "too-large": {"prompt_tokens": 1 << 60, "completion_tokens": 1},
    "nothing": {"prompt_tokens": 0, "completion_tokens": 0},
    "no-object": "many",
    "missing": None,
}


@pytest.mark.parametrize("streamed", [False, True])
async def test_usage_that_makes_no_sense_is_estimated(tmp_path: Path, streamed: bool) -> None:
    models = {
        name: Hostile(
            plain=whole(completion({**MESSAGE, "content": "word " * 400}, usage=usage)),
            streamed=stream(said("word " * 400), event({}, "stop", usage=usage), DONE),
        )
        for name, usage in LIES.items()
    }
    async with Upstream({**models, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        for name in LIES:
            assert (await ask(server, name, streamed=streamed)).status == 200
        told = await stopped(server, tmp_path, len(LIES))
    for name, result in zip(LIES, told, strict=True):
        (sent,) = result.contributions
        assert (sent.status, sent.tokens_estimated) == (LegStatus.OK, True), name
        assert sent.tokens_out >= 400, name
        assert sent.cost_micro_usd >= 800, name


async def test_what_a_provider_charges_beyond_its_allowance_is_a_debt(tmp_path: Path) -> None:
    """Two legs start together; one reports a hundred times what it may cost. What the other gives back is no room for a third."""
    dear = Hostile(plain=whole(completion(usage={"prompt_tokens": 10, "completion_tokens": 900_000})))
    async with Upstream({"dear": dear, **GOOD, "third": Hostile()}) as upstream:
        pipelines = {"gate": {"aggregator": "agreement-gate", "first": ["dear", "good"], "rest": ["third"]}}
        async with behind(tmp_path, upstream, pipelines=pipelines) as server:
            found = await ask(server, "gate", streamed=False, apostille={"max_cost_usd": 0.05})
            assert found.status == 200
            (told,) = await stopped(server, tmp_path, 1)
    assert [body["model"] for body in upstream.bodies] == ["dear", "good"]
    assert [(each.deployment, each.reason) for each in told.passed_over] == [("n/third", "budget-exceeded")]


async def test_a_cap_is_told_by_both_names_of_the_limit(tmp_path: Path) -> None:
    async with Upstream(GOOD) as upstream, behind(tmp_path, upstream) as server:
        both = {"max_tokens": 8_000, "max_completion_tokens": 20}
        assert (await ask(server, "good", streamed=False, apostille={"max_cost_usd": 0.001}, **both)).status == 200
        assert (await ask(server, "good", streamed=False, apostille={"max_cost_usd": 0.001})).status == 200
        await stopped(server, tmp_path, 2)
    first, second = upstream.bodies
    assert first["max_tokens"] == first["max_completion_tokens"] < 500
    assert ("max_completion_tokens" in second, second["max_tokens"] < 500) == (False, True)


BODIES = {
    "16,385 parts": ('"messages": [{"role": "user", "content": [' + ",".join(["{}"] * 16_385) + "]}]", 413),
    "300-levels": ('"metadata": {"a": ' + "[" * 300 + "]" * 300 + "}", 400),
    "1000-levels": ('"metadata": {"a": ' + "[" * 1_000 + "]" * 1_000 + "}", 400),
    "the largest seed": (f'"seed": {(1 << 64) - 1}', 200),
    "the smallest seed": (f'"seed": {-(1 << 63)}', 200),
    "a limit of 64 bits": (f'"max_tokens": {(1 << 64) - 1}', 400),
    "a limit in the other name": (f'"max_tokens": 5, "max_completion_tokens": {1 << 40}', 400),
    "half-a-surrogate-pair": ('"user": "\\ud800"', 400),
    "NUL": ('"user": "a\\u0000b"', 200),
    "a-prediction-with-a-cap": ('"prediction": {"type": "content"}, "apostille": {"max_cost_usd": 1}', 400),
    "a-dearer-tier-with-a-cap": ('"service_tier": "priority", "apostille": {"max_cost_usd": 1}', 400),
    "audio-with-a-cap": ('"modalities": ["text", "audio"], "apostille": {"max_cost_usd": 1}', 400),
    "text-with-a-cap": ('"modalities": ["text"], "service_tier": "auto", "apostille": {"max_cost_usd": 1}', 200),
    "a-dearer-tier": ('"service_tier": "priority"', 200),
    "a-deadline-of-1-ms": ('"apostille": {"deadline_ms": 1}', 400),
    "a-cap-of-nothing": ('"apostille": {"max_cost_usd": 0}', 402),
    "a-cap-below-a-micro-dollar": ('"apostille": {"max_cost_usd": 1e-9}', 402),
    "a-cap-below-nothing": ('"apostille": {"max_cost_usd": -1}', 400),
    "a-cap-beyond-all": ('"apostille": {"max_cost_usd": 1e300}', 400),
}


async def test_no_body_of_a_client_is_a_defect_of_ours(tmp_path: Path) -> None:
    async with Upstream(GOOD) as upstream, behind(tmp_path, upstream) as server:
        headers = {"authorization": f"Bearer {key_of('de')}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for (name, (more, status)), model in product(BODIES.items(), ("good", "voter-good", "member-good")):
                body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "What is 2 + 2?"}}], {more}}}'
                async with session.post(f"{server.url}/v1/chat/completions", data=body) as response:
                    told = await response.json()
                    assert response.status == status, (name, model, told)
                    final = told.get("error", {}).get("code") == "budget-exceeded"
                    assert response.headers.get("x-should-retry") == ("false" if final else None)
        assert await asyncio.to_thread(server.stop) == 0
        assert "Traceback" not in server.log_text, server.log_text


async def test_errors_that_come_again_say_so_and_disclose_no_answer(tmp_path: Path) -> None:
    never = Hostile(plain=(*head(b"100 Continue"), FOREVER))
    async with Upstream({"never": never, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        late = await ask(server, "never", streamed=False, apostille={"deadline_ms": 200})
        slow = await ask(server, "never", streamed=False)
        assert (late.status, json.loads(late.content)["error"]["code"]) == (504, "deadline")
        assert (slow.status, json.loads(slow.content)["error"]["code"]) == (504, "upstream-timeout")
        assert late.headers["x-should-retry"] == "false"
        assert "x-should-retry" not in slow.headers
        await stopped(server, tmp_path, 2)


async def test_a_long_conversation_is_looked_through_whole(tmp_path: Path) -> None:
    async with Upstream(GOOD) as upstream, behind(tmp_path, upstream) as server:
        found = []
        for said_last in ("nothing", "anna@example.org"):
            messages = [{"role": "user", "content": "1 " * 60_000 + said_last}]
            told = await ask(server, "good", streamed=False, messages=messages, apostille={"receipt": "full"})
            found.append(json.loads(told.content)["apostille"]["data_classes"])
        await stopped(server, tmp_path, 2)
    assert ["personal" in each for each in found] == [False, True]
