"""The attempts of ``tests/simulators/injections.py`` by a member behind a running proxy, text and calls of tools alike."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.integration.test_aggregators import results
from tests.integration.test_limits import started
from tests.integration.test_streaming import asking, chunks, text_of
from tests.simulators.injections import ATTEMPTS, Fate
from tests.simulators.provider import Body, Provider
from tests.simulators.server import apostille, deployment

READ = ("best-of-n", "judge-author", "cross-validation", "mixture-of-agents")
MEMBERS = ("one", "two", "three")
STOLEN = {"id": "c1", "type": "function", "index": 0, "function": {"name": "send_mail", "arguments": "{}"}}
LOOK_UP = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


def says(body: Body) -> str:
    """The third member makes the attempt that the user's name names; every reader is honest."""
    last = str(body["messages"][-1]["content"])
    if '{"best"' in last and body["model"] == "judge":
        return '{"best": "A"}'
    if '{"verdicts"' in last:
        return '{"verdicts": {"A": "right", "B": "unsure"}}'
    if body["model"] == "three" and len(body["messages"]) == 1:
        return ATTEMPTS[body["user"]][0]
    return f"A rose, says {body['model']}."


async def test_no_attempt_changes_a_plan_or_has_a_call_made_or_forwarded(tmp_path: Path) -> None:
    config = {
        "pipelines": {
            name: {"aggregator": name, "first": list(MEMBERS), "judge": "judge", "author": "author"} for name in READ
        }
    }
    async with Provider(reply=says, members=lambda body: {"tool_calls": [STOLEN]}) as provider:
        deployments = {f"n/{m}": deployment(provider.base_url, model=m) for m in (*MEMBERS, "judge", "author")}
        server = await started(tmp_path, deployments, config=config)
        turns = asyncio.Semaphore(4)

        async def attempt(number: int, name: str) -> tuple[str, dict[str, Any], bool]:
            options = {"user": name, "stream": number // 4 % 2 == 0, "apostille": {"receipt": "full"}}
            if number % 3 == 0:
                options["tools"] = [LOOK_UP]
            async with turns, asking(server, READ[number % 4], **options) as response:
                content = await response.content.read()
            stolen = b"send_mail" in content and not _only_as_text(content, stream=bool(options["stream"]))
            last = chunks(content)[-1] if options["stream"] else json.loads(content)
            return name, last["apostille"], stolen

        ended = await asyncio.gather(*(attempt(number, name) for number, name in enumerate(ATTEMPTS)))
        assert await asyncio.to_thread(server.stop) == 0
    assert [name for name, _, stolen in ended if stolen] == []
    for number, (name, receipt, _) in enumerate(ended):
        legs = [each["leg"] for each in receipt["contributions"]]
        assert len(legs) == len(set(legs)) == {0: 4, 1: 5, 2: 6, 3: 7}[number % 4], (name, legs)
        flagged = "override-attempt:panel-3" in receipt["flags"]
        assert flagged is (ATTEMPTS[name][1] in (Fate.FLAGGED, Fate.BOTH)), (name, receipt["flags"])
    readers = [body for body in provider.bodies if len(body["messages"]) > 1]
    assert not any("tool_calls" in message for body in readers for message in body["messages"])
    assert not any(body.get("tools") for body in readers if body["model"] == "judge")
    assert len(results(tmp_path / "data")) == len(ATTEMPTS)
    assert (await asyncio.to_thread(apostille, "verify", str(tmp_path / "data"))).returncode == 0


def _only_as_text(content: bytes, *, stream: bool) -> bool:
    """Whether the name of the stolen tool stands in the text of the answer and nowhere else."""
    if stream:
        deltas = [c["delta"] for each in chunks(content) for c in each.get("choices", ())]
        return "send_mail" in text_of(content) and not any("tool_calls" in delta for delta in deltas)
    return "tool_calls" not in json.loads(content)["choices"][0]["message"]
