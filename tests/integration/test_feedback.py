"""What clients say of answers over HTTP: on record, learned from, compared, in force by a reload, taken back; the log verifies."""

import asyncio
import contextlib
import hashlib
import io
import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from audit import datadir, dsse, learning, statement
from audit.records import Anchor
from audit.vocabulary import Judgement, RecordKind, Sha256Hex
from proxy import cli, learned_file, settings, snapshot
from proxy.core import redecision
from proxy.core.learning import document, judgements
from proxy.core.learning.held import Comparison
from proxy.errors import ConfigurationError
from tests.integration.test_enforcement import ask
from tests.integration.test_reload import statements, until
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant

KEYS = 12
TASKS = ("math", "code", "factual", "creative", "general")
SAID = {"outcome": "incorrect"}


def prepared(folder: Path, far: Provider, *, per_minute: int = 100_000) -> Path:
    """A model that the catalogue overrates, and a humble one; tenants `us` with many keys, and `de`."""
    deployments = {
        "n/claimed": deployment(far.base_url, model="claimed", measured=dict.fromkeys(TASKS, "0.90")),
        "n/humble": deployment(far.base_url, model="humble", measured=dict.fromkeys(TASKS, "0.85")),
        "n/stall": deployment(far.base_url, model="act-stall-midway"),
    }
    us = tenant("us", jurisdictions=["US"], packs=["corporate"])
    us["keys"] += [{"id": f"k{n}", "sha256": hashlib.sha256(key(n).encode()).hexdigest()} for n in range(KEYS)]
    config = {
        "tenants": {"us": us, "de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
        "pipelines": {"pair": {"aggregator": "weighted-vote", "first": ["claimed", "humble"]}},
        "feedback": {"per_minute": per_minute},
        "policy": {"watch_seconds": 0.1},
    }
    return Server.prepare(folder, config, catalogue(deployments))


def key(number: int) -> str:
    return key_of(f"us-{number}")


async def judge(server: Server, credential: str, **body: Any) -> tuple[int, dict[str, Any]]:
    """One judgement: status and body."""
    headers = {"authorization": f"Bearer {credential}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/v1/feedback", json=body, headers=headers) as response,
    ):
        return response.status, await response.json()


async def asked(server: Server, model: str) -> str:
    """The record of one answer."""
    status, headers, body = await ask(server, "us", model)
    assert status == 200, body
    return headers["apostille-record"]


async def judged(server: Server) -> None:
    """Every key says the same of enough answers, held ones and others."""
    left = {True: 3, False: 2}
    while max(left.values()) > 0:
        record = await asked(server, "apostille/auto")
        left[judgements.is_held(record)] -= 1
        answers = await asyncio.gather(*(judge(server, key(n), record=record, **SAID) for n in range(KEYS)))
        assert {status for status, _ in answers} == {201}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def learn(*arguments: str) -> Done:
    """`apostille learn` in this process: a new one takes seconds to load on a busy machine."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(["learn", *arguments])
    return Done(code, out.getvalue(), err.getvalue())


async def published(server: Server) -> None:
    """Every record is in the published log."""
    with closing(datadir.open_directory(server.data)) as source:
        ((total,),) = source.rows("SELECT count(*) FROM rec")
    await until(server, lambda s: bool(s["log"]["published_size"] >= total))


async def in_force(server: Server, digest: str) -> None:
    """The server has seen the file, and decides by it."""
    state = await until(server, lambda s: s["reliabilities"] == digest or s["reload_failing"] is not None)
    assert state["reload_failing"] is None


async def test_what_was_learned_decides_after_a_reload_and_is_taken_back(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "learned.json"
    async with Provider() as far:
        path = prepared(tmp_path, far)
        server = await asyncio.to_thread(Server.start, path)
        try:
            pair = await asked(server, "pair")
            status, said = await judge(server, key(0), record=pair, preferred="panel-2", over="panel-1")
            assert status == 201, said
            await judged(server)
            await published(server)
            for place in (out, tmp_path / "again.json"):
                done = await asyncio.to_thread(learn, "--data", str(data), "--out", str(place))
                assert done.returncode == 0, done.stderr
            digest = hashlib.sha256(out.read_bytes()).hexdigest()
            assert digest in done.stdout
            assert json.loads(out.read_bytes())["reliabilities"] == [
                {"task": "math", "model": "claimed", "right": 0, "wrong": 24_000_000, "keys": KEYS}
            ]

            config = ("--config", str(path))
            forged = out.read_bytes().replace(b'"wrong":24000000', b'"wrong":23000000')
            (tmp_path / "forged.json").write_bytes(forged)
            done = await asyncio.to_thread(learn, *config, "--activate", str(tmp_path / "forged.json"))
            assert (done.returncode, "that the log gives" in done.stderr) == (1, True), done.stderr
            assert not learned_file.place(data).exists()

            done = await asyncio.to_thread(learn, *config, "--held", str(out))
            assert done.returncode == 0, done.stderr
            assert not learned_file.place(data).exists()
            done = await asyncio.to_thread(learn, *config, "--activate", str(out))
            assert done.returncode == 0, done.stderr
            await in_force(server, digest)
            assert (await ask(server, "us", "apostille/auto"))[1]["apostille-models"] == "humble"
            done = await asyncio.to_thread(learn, *config, "--activate", str(out))
            assert done.returncode == 1, done.stdout

            done = await asyncio.to_thread(learn, *config, "--rollback")
            assert done.returncode == 0, done.stderr
            await in_force(server, named(data))
            assert (await ask(server, "us", "apostille/auto"))[1]["apostille-models"] == "claimed"
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
    assert learn(*config, "--rollback").returncode == 0
    server = await asyncio.to_thread(Server.start, path)
    assert await asyncio.to_thread(server.stop) == 0, server.log_text
    assert apostille("verify", str(data)).returncode == 0

    acts = statements(data, RecordKind.MODEL_ACTIVATION)
    assert [(a["reliabilities"] == digest, a["cause"], a["act"]) for a in acts] == [
        (True, "reload", "activate"),
        (False, "reload", "rollback"),
        (True, "start", "rollback"),
    ]
    assert [a["previous"] for a in acts] == [None, digest, acts[1]["reliabilities"]]
    assert acts[0]["tree"] == json.loads(out.read_bytes())["tree"]
    assert acts[0]["held"] >= 3 * KEYS
    assert acts[0]["lossAfter"] < acts[0]["lossBefore"]
    replayed(path, digest)


def named(data: Path) -> str:
    """The document that is to be in force."""
    return str(json.loads(learned_file.place(data).read_bytes())["document"])


def replayed(path: Path, digest: str) -> None:
    """What was decided under the reliabilities that are in force at the end decides again as recorded; the rest names others."""
    current = snapshot.build(settings.load(path, environ={}), {})
    assert current.rulebook.learned == digest
    found: dict[str | None, list[tuple[str, bool]]] = {}
    source = datadir.open_directory(path.parent / "data")
    for stored in source.sequenced(source.size()):
        if stored.kind is RecordKind.DECISION:
            decision = statement.decision_of(statement.parse(payload(stored.envelope)))
            assert decision.inputs is not None
            same = redecision.again(decision, current.rulebook) == redecision.recorded(decision)
            found.setdefault(decision.inputs.reliabilities, []).append((decision.model_requested, same))
    source.close()
    assert found[digest] == [("apostille/auto", True)]
    assert ("apostille/auto", False) in found[None]


def payload(envelope: bytes) -> bytes:
    return dsse.parse(envelope).payload


async def test_the_same_again_changes_nothing_and_another_word_counts_instead(tmp_path: Path) -> None:
    async with Provider() as far:
        server = await asyncio.to_thread(Server.start, prepared(tmp_path, far))
        try:
            record = await asked(server, "claimed")
            answers = [await judge(server, key(0), record=record, rating=word) for word in ("up", "up", "down", "up")]
            assert [(status, said["repeated"]) for status, said in answers] == [
                (201, False),
                (200, True),
                (201, False),
                (201, False),
            ]
            both = await asyncio.gather(*(judge(server, key(1), record=record, rating="up") for _ in range(4)))
            assert sorted(status for status, _ in both) == [200, 200, 200, 201]
            identifier = answers[0][1]["feedback"]
            headers = {"authorization": f"Bearer {key_of('us')}"}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(f"{server.url}/v1/records/{identifier}") as response,
            ):
                listed = (await response.json())["records"]
                assert [each["kind"] for each in listed] == ["feedback"] * 3
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
    found = [learning.feedback_of(statement.parse(each)) for each in payloads(tmp_path / "data", RecordKind.FEEDBACK)]
    assert [each.judgement for each in found] == [Judgement.UP, Judgement.DOWN, Judgement.UP, Judgement.UP]
    assert len({each.principal for each in found}) == 2
    bundle = str(tmp_path / "bundle")
    assert apostille("bundle", "--data", str(tmp_path / "data"), "--out", bundle).returncode == 0
    assert apostille("verify", bundle).returncode == 0
    assert "us-0" not in json.dumps([each.principal for each in found])
    assert apostille("verify", str(tmp_path / "data")).returncode == 0


def payloads(data: Path, kind: RecordKind) -> list[bytes]:
    source = datadir.open_directory(data)
    found = [payload(each.envelope) for each in source.sequenced(source.size()) if each.kind is kind]
    source.close()
    return found


async def test_what_cannot_be_judged_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with Provider() as far:
        server = await asyncio.to_thread(Server.start, prepared(tmp_path, far, per_minute=20))
        try:
            record, pair = await asked(server, "claimed"), await asked(server, "pair")
            for credential, body, expected in (
                (key_of("us"), {"record": "nobody", "rating": "up"}, (404, "record-not-found")),
                (key_of("de"), {"record": record, "rating": "up"}, (404, "record-not-found")),
                ("ap-nobody", {"record": record, "rating": "up"}, (401, "invalid-api-key")),
                (key_of("us"), {"record": record, "rating": "fine"}, (400, "invalid-type")),
                (key_of("us"), {"record": record, "outcome": "up"}, (400, "invalid-type")),
                (key_of("us"), {"record": record}, (400, "invalid-request")),
                (key_of("us"), {"record": record, "rating": "up", "comment": "hm"}, (400, "invalid-request")),
                (key_of("us"), {"record": record, "rating": "u" * 5_000}, (413, "request-too-large")),
                (key_of("us"), {"record": record, "preferred": "author", "over": "author"}, (400, "invalid-legs")),
                (key_of("us"), {"record": pair, "preferred": "panel-1", "over": "panel-1"}, (400, "invalid-legs")),
                (key_of("us"), {"record": pair, "preferred": "panel-1", "over": "judge"}, (400, "invalid-legs")),
            ):
                status, said = await judge(server, credential, **body)
                assert (status, said["error"]["code"]) == expected, body
            assert await unfinished(server) == (409, "no-result-yet")
            codes = [(await judge(server, key(3), record="nobody", rating="up"))[0] for _ in range(21)]
            assert codes == [404] * 20 + [429]
            assert (await judge(server, key(4), record=record, rating="up"))[0] == 201
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
    assert len(payloads(tmp_path / "data", RecordKind.FEEDBACK)) == 1
    assert apostille("verify", str(tmp_path / "data")).returncode == 0


async def unfinished(server: Server) -> tuple[int, str]:
    """What is said of feedback on an answer that still goes on."""
    body = {"model": "act-stall-midway", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    headers = {"authorization": f"Bearer {key_of('us')}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        status, said = await judge(server, key_of("us"), record=response.headers["apostille-record"], rating="up")
        return status, said["error"]["code"]


async def test_too_few_judgements_and_what_is_no_document_bring_nothing_into_force(tmp_path: Path) -> None:
    async with Provider() as far:
        path = prepared(tmp_path, far)
        server = await asyncio.to_thread(Server.start, path)
        try:
            record = await asked(server, "claimed")
            assert (await judge(server, key(0), record=record, **SAID))[0] == 201
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
    out = tmp_path / "learned.json"
    assert learn("--config", str(path), "--out", str(out)).returncode == 0
    done = learn("--config", str(path), "--activate", str(out))
    assert (done.returncode, "held judgements" in done.stderr) == (1, True)
    assert learn("--config", str(path), "--rollback").returncode == 1
    content = out.read_bytes()
    out.write_text("{}")
    assert learn("--config", str(path), "--activate", str(out)).returncode == 2
    assert not learned_file.place(tmp_path / "data").exists()
    worse = Comparison(judgements=50, before=1, after=2)
    learned_file.name(tmp_path / "data", content, learned_file.ACTIVATE, None, worse)
    with pytest.raises(ConfigurationError, match="shown to be better"):
        snapshot.build(settings.load(path, environ={}), {})


async def test_what_was_approved_covers_what_was_learned(tmp_path: Path) -> None:
    async with Provider() as far:
        path = prepared(tmp_path, far)
    before = snapshot.build(settings.load(path, environ={}), {})
    empty = document.nothing(Anchor(origin="log.example/test", size=0, root=Sha256Hex("0" * 64)))
    learned_file.name(
        tmp_path / "data", empty, learned_file.ROLLBACK, None, Comparison(judgements=0, before=0, after=0)
    )
    after = snapshot.build(settings.load(path, environ={}), {})
    assert before.approvable.configuration != after.approvable.configuration
    assert (before.rulebook.learned, after.rulebook.learned) == (None, named(tmp_path / "data"))
    assert before.rulebook.catalogue == after.rulebook.catalogue
    learned_file.document_place(tmp_path / "data", Sha256Hex(named(tmp_path / "data"))).write_bytes(empty[:-1])
    with pytest.raises(ConfigurationError) as refused:
        snapshot.build(settings.load(path, environ={}), {})
    assert refused.value.code == "reliabilities-unreadable"
