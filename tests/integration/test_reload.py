"""Rules change while requests run: nothing is dropped or mixed, what is wrong changes nothing, every set in force is on record."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from audit import datadir, dsse, statement
from audit.vocabulary import RecordKind
from tests.integration.test_enforcement import BAN, ask
from tests.simulators.provider import Provider
from tests.simulators.server import Server, catalogue, deployment, key_of, tenant

REQUESTS = int(os.environ.get("APOSTILLE_RELOAD_REQUESTS", "400"))
RELOADS = int(os.environ.get("APOSTILLE_RELOADS", "8"))
"""10,000 requests and 50 reloads are the same test with these in the environment."""
RELAXED = BAN.replace('Jurisdiction::"DE"', 'Jurisdiction::"FR"')


def prepared(folder: Path, far: Provider, **more: Any) -> Path:
    """A server's configuration: a vendor's model that pack ``ban`` is about, and one that stands in."""
    deployments = {
        "x/best": deployment(far.base_url, model="best", operator="vendor-x", alternates=["n/good"]),
        "n/good": deployment(far.base_url, model="good"),
    }
    config = {"tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate", "ban"])}, **more}
    return Server.prepare(folder, config, catalogue(deployments, {"best": "vendor-x"}), {"ban": BAN})


async def health(server: Server) -> dict[str, Any]:
    """What the server says about itself."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/healthz") as response:
        found: dict[str, Any] = await response.json()
        return found


async def until(server: Server, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The server's state once it holds; fails after a while."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        state = await health(server)
        if holds(state):
            return state
        await asyncio.sleep(0.05)
    raise AssertionError(state)


async def reloaded(server: Server, rules: Path, text: str) -> dict[str, Any]:
    """Change a pack, tell the server, and wait until the change is in force or refused."""
    before = await health(server)
    rules.write_text(text)
    server.process.send_signal(signal.SIGHUP)
    return await until(
        server, lambda s: (s["policy_since"], s["reload_failing"]) != (before["policy_since"], before["reload_failing"])
    )


def statements(data: Path, kind: RecordKind) -> list[dict[str, Any]]:
    """Predicates of a kind on record, oldest first, with the policy set of an activation."""
    source = datadir.open_directory(data)
    found = [statement.parse(dsse.parse(content).payload) for _, content in source.between(0, source.size())]
    source.close()
    return [{**each.predicate, **each.subjects} for each in found if each.kind is kind]


async def test_a_reload_changes_what_is_decided_and_is_on_record_first(tmp_path: Path) -> None:
    async with Provider() as far:
        server = await asyncio.to_thread(Server.start, prepared(tmp_path, far))
        rules = tmp_path / "packs" / "ban" / "rules.cedar"
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "good"
        first = (await health(server))["policy"]
        second = (await reloaded(server, rules, RELAXED))["policy"]
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "best"
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    activations = statements(server.data, RecordKind.POLICY_ACTIVATION)
    assert [(a["policy-set"], a["cause"], a["previous"]) for a in activations] == [
        (first, "start", None),
        (second, "reload", first),
    ]
    assert [d["policy"] for d in statements(server.data, RecordKind.DECISION)] == [first, second]
    assert {first, second} <= {p.name.partition(".")[0] for p in (server.data / "policies").iterdir()}


async def test_an_error_keeps_what_was_in_force_says_where_and_passes(tmp_path: Path) -> None:
    async with Provider() as far:
        server = await asyncio.to_thread(Server.start, prepared(tmp_path, far))
        rules = tmp_path / "packs" / "ban" / "rules.cedar"
        before = (await health(server))["policy"]
        state = await reloaded(server, rules, BAN.replace("vendor-x", "vendor-z"))
        assert state["policy"] == before
        message = state["reload_failing"]["message"]
        assert all(part in message for part in ("ban/rules.cedar", "de.99", "vendor-z", "did you mean")), message
        assert "reload refused" in server.log_text
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "good"
        state = await reloaded(server, rules, BAN)
        assert (state["policy"], state["reload_failing"]) == (before, None)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text


async def test_nothing_is_dropped_or_mixed_while_rules_change(tmp_path: Path) -> None:
    async with Provider() as far:
        server = await asyncio.to_thread(Server.start, prepared(tmp_path, far))
        rules = tmp_path / "packs" / "ban" / "rules.cedar"
        answers: Counter[tuple[int, str, str]] = Counter()
        left = iter(range(REQUESTS))

        async def client() -> None:
            for _ in left:
                status, headers, _ = await ask(server, "de", "best")
                answers[(status, headers["apostille-policy"], headers["apostille-models"])] += 1

        sets = [(await health(server))["policy"]]
        clients = [asyncio.create_task(client()) for _ in range(8)]
        sets += [(await reloaded(server, rules, (RELAXED, BAN)[n % 2]))["policy"] for n in range(RELOADS)]
        await asyncio.gather(*clients)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    strict, relaxed = sets[0], sets[1]
    assert set(sets) == {strict, relaxed}
    assert sum(answers.values()) == REQUESTS
    assert set(answers) <= {(200, strict, "good"), (200, relaxed, "best")}
    assert len(statements(server.data, RecordKind.POLICY_ACTIVATION)) == RELOADS + 1
    decided = statements(server.data, RecordKind.DECISION)
    assert Counter(d["policy"] for d in decided) == Counter({p: n for (_, p, _), n in answers.items()})


async def test_a_watched_file_is_taken_up_by_itself(tmp_path: Path) -> None:
    async with Provider() as far:
        server = await asyncio.to_thread(Server.start, prepared(tmp_path, far, policy={"watch_seconds": 0.1}))
        before = (await health(server))["policy"]
        (tmp_path / "packs" / "ban" / "rules.cedar").write_text(RELAXED)
        assert (await until(server, lambda s: s["policy"] != before))["reload_failing"] is None
        assert await asyncio.to_thread(server.stop) == 0, server.log_text


async def test_a_changed_key_counts_at_once_and_a_changed_port_is_refused(tmp_path: Path) -> None:
    async with Provider() as far:
        path = prepared(tmp_path, far)
        server = await asyncio.to_thread(Server.start, path)
        text = path.read_text()
        state = await reloaded(server, path, text.replace("  port: 0", "  port: 1"))
        assert "`server`" in state["reload_failing"]["message"]
        state = await reloaded(server, path, f"{text}routing: {{embedding_ms: 99}}\n")
        assert "`routing.embedding_ms`" in state["reload_failing"]["message"]
        await reloaded(server, path, text.replace("\n  de:\n", "\n  fr:\n"))
        other = {"authorization": f"Bearer {key_of('de')}"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server.url}/v1/models", headers=other) as response,
        ):
            assert response.status == 200
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    assert json.dumps(statements(server.data, RecordKind.POLICY_ACTIVATION)).count('"reload"') == 1


async def test_a_draft_decides_alongside_and_is_on_record_without_effect(tmp_path: Path) -> None:
    draft = tmp_path / "drafts" / "later"
    draft.mkdir(parents=True)
    (draft / "rules.cedar").write_text(BAN.replace("vendor-x", "north").replace("de.99", "de.98"))
    async with Provider() as far:
        server = await asyncio.to_thread(Server.start, prepared(tmp_path, far, policy={"shadow_dirs": ["drafts"]}))
        status, headers, _ = await ask(server, "de", "best")
        assert (status, headers["apostille-models"]) == (200, "good")
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    (decided,) = statements(server.data, RecordKind.DECISION)
    shadow = decided["shadow"]
    assert (shadow["outcome"], shadow["refusal"]) == ("refused", "restricted-by-policy")
    assert set(shadow["rules"]) == {"de.99", "de.98"} or set(shadow["rules"]) == {"de.99"}
    assert shadow["policy"] != decided["policy"]
    (activation,) = statements(server.data, RecordKind.POLICY_ACTIVATION)
    assert activation["shadow"] == shadow["policy"]
