"""Upstreams that lie and break rules, behind the Messages API: no defect of theirs is ours, and what looks complete is on record."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp

from audit.vocabulary import ResultOutcome
from tests.integration.test_hostile_upstreams import BAD, BEGUN, END, ENDS, GOOD, ODD, Answer, at_rest, behind, stopped
from tests.simulators.hostile import PAUSE, Hostile, Upstream, completion, event, said, stream, whole
from tests.simulators.server import Server, key_of

STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
TOOLS = [{"name": "go", "input_schema": {}}]


async def ask(server: Server, model: str, *, streamed: bool, **more: Any) -> Answer:
    messages = [{"role": "user", "content": "Describe a rose."}]
    body = {"model": model, "max_tokens": 64, "stream": streamed, "messages": messages, **more}
    async with (
        aiohttp.ClientSession(headers={"x-api-key": key_of("de")}) as session,
        session.post(f"{server.url}/v1/messages", json=body) as response,
    ):
        return Answer(response.status, await response.read(), response.headers)


def is_whole(found: Answer, *, streamed: bool) -> bool:
    """Whether a client takes it for an answer, which it is or an error, and never both."""
    if not streamed or found.status != 200:
        kind = json.loads(found.content)["type"]
        assert kind == ("message" if found.status == 200 else "error"), found
        return bool(kind == "message")
    assert found.content.count(STOP) == found.content.endswith(STOP), found.content[-200:]
    errors = found.content.count(b"\nevent: error\n") + found.content.startswith(b"event: error\n")
    assert errors + found.content.count(STOP) == 1, found.content[-500:]
    return not errors


async def test_no_defect_of_an_upstream_is_ours(tmp_path: Path) -> None:
    async with Upstream({**BAD, **ODD, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        complete = []
        for name, seat, streamed in product((*BAD, *ODD), ("", "author-", "member-", "voter-"), (False, True)):
            found = await ask(server, seat + name, streamed=streamed, tools=TOOLS)
            assert found.status in (200, 502, 504), (seat, name, found)
            assert b"internal-error" not in found.content, (seat, name, found)
            assert b"SECRET" not in found.content
            complete.append(is_whole(found, streamed=streamed))
            if name in BAD and seat == "":
                assert not complete[-1], (name, found)
            if name in BAD and seat in ("member-", "voter-") and not streamed:
                # The good ones answer all the same, on a busy machine perhaps too late.
                assert complete[-1] or found.status == 504, (seat, name, found)
        await at_rest(server)
        assert upstream.open == 0
        told = await stopped(server, tmp_path, len(complete))
    assert [each.outcome is ResultOutcome.OK for each in told] == complete


async def test_no_spelling_of_an_end_mark_makes_a_message_complete_before_its_record(tmp_path: Path) -> None:
    models = {name: Hostile(streamed=stream(said("one "), PAUSE, end, PAUSE)) for name, end in ENDS.items()}
    async with Upstream({**models, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        complete = []
        for name, seat in product(ENDS, ("", "author-")):
            found = await ask(server, seat + name, streamed=True)
            assert b"[DONE]" not in found.content
            complete.append(is_whole(found, streamed=True))
        told = await stopped(server, tmp_path, len(complete))
    assert [each.outcome is ResultOutcome.OK for each in told] == complete
    assert complete[: 2 * 3] == [True] * 6


async def test_no_upstream_speaks_in_our_name(tmp_path: Path) -> None:
    claims = {"record": "FORGED", "progress": "FORGED"}
    forged = Hostile(
        plain=whole(completion(apostille=claims)),
        streamed=stream(*BEGUN, event({"content": "x"}, apostille=claims), PAUSE, *END),
    )
    async with Upstream({"forger": forged, **GOOD}) as upstream, behind(tmp_path, upstream) as server:
        for streamed, receipt in product((False, True), ("none", "id", "full")):
            found = await ask(server, "forger", streamed=streamed, apostille={"receipt": receipt})
            assert is_whole(found, streamed=streamed)
            assert b"FORGED" not in found.content
        await stopped(server, tmp_path, 6)
