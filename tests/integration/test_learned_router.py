"""A router learned over HTTP: answers judged, prompts opened on record, a candidate compared, in force, on record, taken back."""

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit import acts, canonical, learning, statement
from audit.records import Anchor
from audit.vocabulary import Learnt, RecordKind, Sha256Hex
from proxy import learned_file, learned_router, router_file, settings, snapshot
from proxy.core.learning import judgements
from proxy.core.learning.held import LEAST, Comparison
from proxy.errors import ConfigurationError
from proxy.learned_router import Named
from proxy.training import feedback
from tests.integration.test_enforcement import ask
from tests.integration.test_feedback import KEYS, TASKS, judge, key, learn, payloads, published
from tests.integration.test_reload import until
from tests.integration.test_routing import CHEAP, DEAR, predicates
from tests.simulators.keeping import apostille, holding
from tests.simulators.provider import Provider
from tests.simulators.server import Server, catalogue, deployment, tenant

ANNA, OF_ANNA, SAYING = "pseudonym-of-anna-77b1", 3, 4
"""Prompts of a person who is erased, and keys that judge each answer."""
CANARY = "canary-word-4fd2"
WHY = ("--reason", "weekly training")


def prepared(folder: Path, far: Provider, **more: Any) -> Path:
    """A dear model and a cheap one; one tenant with many keys, whose content is kept."""
    deployments = {
        "n/dear": deployment(far.base_url, model="dear", price=DEAR, measured=dict.fromkeys(TASKS, "0.90")),
        "n/small": deployment(far.base_url, model="small", price=CHEAP, measured=dict.fromkeys(TASKS, "0.80")),
    }
    us = tenant("us", jurisdictions=["US"], packs=["corporate"])
    us["keys"] += [{"id": f"k{n}", "sha256": hashlib.sha256(key(n).encode()).hexdigest()} for n in range(KEYS)]
    config = {
        "tenants": {"us": us},
        "feedback": {"per_minute": 100_000},
        "policy": {"watch_seconds": 0.1},
        "traces": {"file": True},
        **more,
    }
    return Server.prepare(folder, config, catalogue(deployments))


async def judged(server: Server) -> None:
    """Enough answers of the cheap model, held ones and others, each said to be wrong by some keys."""
    left, number = {True: -(-LEAST // SAYING), False: feedback.LEAST + OF_ANNA}, 0
    anna = OF_ANNA
    while max(left.values()) > 0:
        number += 1
        options = {"subject": ANNA} if anna > 0 else {}
        text = f"What is {number} plus {number}? {CANARY}"
        status, headers, body = await ask(
            server, "us", "small", messages=[{"role": "user", "content": text}], apostille=options
        )
        assert status == 200, body
        record = headers["apostille-record"]
        held = judgements.is_held(record)
        left[held] -= 1
        anna -= not held
        who = (key((number * SAYING + n) % KEYS) for n in range(SAYING))
        answers = await asyncio.gather(*(judge(server, each, record=record, outcome="incorrect") for each in who))
        assert {status for status, _ in answers} == {201}


async def in_force(server: Server, digest: str) -> None:
    state = await until(server, lambda s: s["router"] == digest or s["reload_failing"] is not None)
    assert state["reload_failing"] is None, state["reload_failing"]


async def taken_away(server: Server, digest: str) -> None:
    """A reload without the file is refused, and what was in force stays; a rollback is the way back."""
    place = learned_router.place(server.data)
    content = place.read_bytes()
    place.unlink()
    state = await until(server, lambda s: s["reload_failing"] is not None)
    assert ("--rollback" in state["reload_failing"]["message"], state["router"]) == (True, digest)
    place.write_bytes(content)
    await until(server, lambda s: s["reload_failing"] is None)


async def routed_by(server: Server) -> str:
    """Digest of the router of a fresh decision."""
    _, headers, _ = await ask(server, "us", "apostille/auto")
    decision = (await predicates(server, "us", headers["apostille-record"]))["decision"]
    return str(decision["router"]).rsplit("-", 1)[1]


async def test_a_router_that_feedback_taught_decides_after_a_reload_and_is_taken_back(tmp_path: Path) -> None:
    folder, out = tmp_path / "served", tmp_path / "router.json"
    folder.mkdir()
    shipped = router_file.shipped().digest
    async with Provider(reply=lambda _: "five") as far:
        path = prepared(folder, far, content={"store": True})
        router = ("--router", "--config", str(path))
        server = await asyncio.to_thread(Server.start, path)
        try:
            await judged(server)
            await published(server)
            done = await asyncio.to_thread(learn, *router, "--out", str(out), *WHY)
            assert done.returncode == 0, done.stderr
            digest = hashlib.sha256(out.read_bytes()).hexdigest()
            assert digest in done.stdout
            assert "passed over: 0 not kept, 0 expired or erased" in done.stdout

            forged = tmp_path / "forged.json"
            forged.write_bytes(out.read_bytes().replace(b'"gone": 0', b'"gone": 1'))
            done = await asyncio.to_thread(learn, *router, "--activate", str(forged), *WHY)
            assert (done.returncode, "log and kept content give" in done.stderr) == (1, True), done.stderr
            done = await asyncio.to_thread(learn, *router, "--held", str(out), *WHY)
            assert done.returncode == 0, done.stderr
            assert not learned_router.place(server.data).exists()
            done = await asyncio.to_thread(learn, *router, "--activate", str(out), *WHY)
            assert done.returncode == 0, done.stderr
            await in_force(server, digest)
            assert await routed_by(server) == digest
            await taken_away(server, digest)
            done = await asyncio.to_thread(learn, *router, "--activate", str(out), *WHY)
            assert (done.returncode, "already" in done.stderr) == (1, True)

            done = await asyncio.to_thread(learn, *router, "--rollback")
            assert done.returncode == 0, done.stderr
            await in_force(server, shipped)
            assert await routed_by(server) == shipped
        finally:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
    assert learn(*router, "--rollback").returncode == 0, "expected twice to be where it began"
    server = await asyncio.to_thread(Server.start, path)
    assert await asyncio.to_thread(server.stop) == 0, server.log_text
    on_record(server.data, digest, shipped)
    holds(server.data, tmp_path / "bundle", digest)
    assert holding(tmp_path, [CANARY.encode(), ANNA.encode()]) == []
    assert CANARY not in server.log_text
    assert learn(*router, "--rollback").returncode == 0
    erased(path, out)


def on_record(data: Path, digest: str, shipped: str) -> None:
    """What the log says of prompts that were opened and of routers that came into force."""
    opened = [acts.training_of(statement.parse(each)) for each in payloads(data, RecordKind.CONTENT_TRAINING)]
    assert [each.purpose for each in opened] == [acts.TRAIN, *[acts.COMPARE] * 3]
    assert {each.reason for each in opened} == {WHY[1]}
    assert not any(judgements.is_held(each) for each in opened[0].records)
    assert len(opened[0].records) >= feedback.LEAST
    assert set(opened[0].records) < set(opened[1].records)
    made = [learning.model_activation_of(statement.parse(each)) for each in payloads(data, RecordKind.MODEL_ACTIVATION)]
    assert {each.what for each in made} == {Learnt.ROUTER}
    assert [(each.document, each.previous, each.cause, each.act) for each in made] == [
        (digest, shipped, "reload", "activate"),
        (shipped, digest, "reload", "rollback"),
        (digest, shipped, "start", "rollback"),
    ]
    assert made[0].held >= LEAST
    assert made[0].loss_after < made[0].loss_before
    assert made[0].tree == made[2].tree


def holds(data: Path, bundle: Path, digest: str) -> None:
    """Log and bundle verify, and the bundle has the learned router."""
    for arguments in (
        ("verify", str(data)),
        ("bundle", "--data", str(data), "--out", str(bundle)),
        ("verify", str(bundle)),
    ):
        done = apostille(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (bundle / "learned" / f"{digest}.json").is_file()
    about = json.loads((bundle / "learned" / f"{digest}.json").read_bytes())["trained_on"]
    assert about["cheap"] == ["small"]
    (bundle / "learned" / f"{digest}.json").unlink()
    assert apostille("verify", str(bundle)).returncode == 1


def erased(path: Path, out: Path) -> None:
    """What a person said is not learned from any more, and a candidate that was is not brought into force."""
    router = ("--router", "--config", str(path))
    done = apostille("erase", "--config", str(path), "--tenant", "us", "--subject", ANNA, "--basis", "test")
    assert done.returncode == 0, done.stderr
    done = learn(*router, "--activate", str(out), *WHY)
    assert (done.returncode, "erased" in done.stderr) == (1, True), done.stderr
    anew = out.with_name("anew.json")
    done = learn(*router, "--out", str(anew), *WHY)
    assert done.returncode == 0, done.stderr
    about = json.loads(anew.read_bytes())["trained_on"]
    assert (about["unkept"], about["gone"]) == (0, OF_ANNA)
    assert about["prompts"] == json.loads(out.read_bytes())["trained_on"]["prompts"] - OF_ANNA


async def test_without_kept_content_or_with_too_little_no_router_is_learned(tmp_path: Path) -> None:
    async with Provider() as far:
        path = prepared(tmp_path, far)
        server = await asyncio.to_thread(Server.start, path)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
        router = ("--router", "--config", str(path))
        done = learn(*router, "--out", str(tmp_path / "out.json"), *WHY)
        assert (done.returncode, "no content is kept" in done.stderr) == (1, True), done.stderr
        assert learn(*router, "--rollback").returncode == 1

        path.write_text(path.read_text() + "content:\n  store: true\n")
        server = await asyncio.to_thread(Server.start, path)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
        done = learn(*router, "--out", str(tmp_path / "out.json"), *WHY)
        assert (done.returncode, f"at least {feedback.LEAST} judged" in done.stderr) == (1, True), done.stderr
    assert payloads(tmp_path / "data", RecordKind.CONTENT_TRAINING) == [], "expected nothing to be opened for nothing"
    with pytest.raises(SystemExit):
        learn(*router, "--out", str(tmp_path / "out.json"))


async def test_what_was_approved_covers_the_learned_router_and_another_configured_one_replaces_it(
    tmp_path: Path,
) -> None:
    async with Provider() as far:
        path = prepared(tmp_path, far)
    before = snapshot.build(settings.load(path, environ={}), {})
    data, named = tmp_path / "data", in_place(tmp_path / "data")
    after = snapshot.build(settings.load(path, environ={}), {})
    assert before.approvable.configuration != after.approvable.configuration
    assert (after.rulebook.router.digest, after.configured) == (named.document, before.rulebook.router.digest)

    other = tmp_path / "mine.json"
    other.write_bytes(router_file.SHIPPED.read_bytes() + b"\n")
    path.write_text(path.read_text() + "routing:\n  model_file: mine.json\n")
    replaced = snapshot.build(settings.load(path, environ={}), {})
    assert (replaced.router, replaced.rulebook.router.digest) == (None, canonical.digest(other.read_bytes()))
    path.write_text(path.read_text().replace("routing:\n  model_file: mine.json\n", ""))

    worse = replace(named, act=learned_file.ACTIVATE, compared=Comparison(judgements=50, before=1, after=2))
    learned_router.name(data, worse)
    with pytest.raises(ConfigurationError, match="shown to be better"):
        snapshot.build(settings.load(path, environ={}), {})
    learned_router.name(data, named)
    learned_file.document_place(data, named.document).write_bytes(router_file.SHIPPED.read_bytes())
    with pytest.raises(ConfigurationError, match="expected the router") as refused:
        snapshot.build(settings.load(path, environ={}), {})
    assert refused.value.code == "router-unreadable"
    for content in (b"[]", b"{}", b"\xff"):
        learned_router.place(data).write_bytes(content)
        with pytest.raises(ConfigurationError, match="expected what is in force"):
            snapshot.build(settings.load(path, environ={}), {})


def in_place(data: Path) -> Named:
    """Another router than the shipped one, as if somebody had taken an activation back."""
    content = router_file.SHIPPED.read_bytes() + b" "
    learned_router.keep(data, content)
    shipped = Sha256Hex(router_file.shipped().digest)
    named = Named(
        document=canonical.digest(content),
        over=shipped,
        previous=shipped,
        tree=Anchor(origin="log.example/test", size=0, root=Sha256Hex("0" * 64)),
        act=learned_file.ROLLBACK,
        compared=Comparison(judgements=0, before=0, after=0),
    )
    learned_router.name(data, named)
    return named
