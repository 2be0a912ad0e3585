"""Packs, approvals and emergencies as people make them: by command, with keys of their own, on a running server."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.vocabulary import RecordKind
from tests.integration.test_enforcement import BAN, ask
from tests.integration.test_reload import health, prepared, reloaded, statements, until
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille

PEOPLE = ("ann", "bob")


def keys_of(folder: Path) -> dict[str, Any]:
    """Two people with keys; the part of the configuration that names them."""
    for name in PEOPLE:
        assert apostille("key", "signing", "--out", str(folder / name)).returncode == 0
    people = [{"id": name, "public_key_file": f"{name}.pub.pem"} for name in PEOPLE]
    (folder / "signatures").mkdir()
    return {"approvers": people, "approvals": 2, "signatures_dir": "signatures"}


def by(name: str, command: str, config: Path, *more: str) -> None:
    """One person signs."""
    key = str(config.parent / f"{name}.key.pem")
    done = apostille("policy", command, "--config", str(config), "--key", key, "--as", name, *more)
    assert done.returncode == 0, done.stderr


def digest(config: Path) -> str:
    """What would decide, and who approved it."""
    return apostille("policy", "digest", "--config", str(config)).stdout


def serve(config: Path) -> Any:
    """Try to start; what it says where it does not."""
    done = apostille("serve", "--config", str(config))
    return done.returncode, done.stderr


async def test_a_set_decides_only_once_two_people_approved_it(tmp_path: Path) -> None:
    async with Provider() as far:
        config = prepared(tmp_path, far, policy=keys_of(tmp_path))
        by("ann", "approve", config)
        code, said = await asyncio.to_thread(serve, config)
        assert (code, "policy-not-approved" in said, "got 1 (ann)" in said) == (2, True, True), said
        by("bob", "approve", config)
        by("bob", "approve", config)  # again: it is approved, and nothing is written
        assert "approved by: ann, bob (2 needed)" in digest(config)
        for path in (tmp_path / "signatures").glob("*.bob.json"):
            path.write_text("{}")
        with pytest.raises(AssertionError, match="remove it"):
            by("bob", "approve", config)
        path.unlink()
        by("bob", "approve", config)
        server = await asyncio.to_thread(Server.start, config)
        rules = tmp_path / "packs" / "ban" / "rules.cedar"
        before = (await health(server))["policy"]
        state = await reloaded(server, rules, BAN.replace("vendor-x", "south"))
        assert (state["policy"], state["reload_failing"]["code"]) == (before, "policy-not-approved")
        for name in PEOPLE:
            by(name, "approve", config)
        text = rules.read_text()
        assert (await reloaded(server, rules, text))["reload_failing"] is None
        documents, settings = (tmp_path / "catalogue.yaml"), config.read_text()
        elsewhere = documents.read_text().replace(far.base_url, "http://127.0.0.1:1/v1")
        state = await reloaded(server, documents, elsewhere)
        assert state["reload_failing"]["code"] == "policy-not-approved", "where calls go was approved too"
        state = await reloaded(server, config, settings.replace("approvals: 2", "approvals: 0"))
        assert "`policy.approvals`" in state["reload_failing"]["message"]
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    activations = statements(server.data, RecordKind.POLICY_ACTIVATION)
    assert [a["approvedBy"] for a in activations] == [["ann", "bob"], ["ann", "bob"]]


async def test_an_approval_that_ends_ends_the_deciding_until_somebody_signs_again(tmp_path: Path) -> None:
    async with Provider() as far:
        config = prepared(tmp_path, far, policy=keys_of(tmp_path))
        by("ann", "approve", config)
        by("bob", "approve", config, "--days", str(15 / 86_400))
        told = digest(config)
        server = await asyncio.to_thread(Server.start, config)
        assert (await ask(server, "de", "best"))[0] == 200
        state = await until(server, lambda found: found["status"] != "ok")
        assert (state["status"], state["approved_until"] is not None) == ("policy-not-approved", True)
        assert f"approved until: {state['approved_until']}" in told
        before = far.connections
        status, _, body = await ask(server, "de", "best")
        assert (status, body["error"]["code"], far.connections) == (503, "policy-not-approved", before)
        by("bob", "approve", config, "--days", "1")
        server.process.send_signal(signal.SIGHUP)
        assert (await until(server, lambda found: found["status"] == "ok"))["approved_until"] != state["approved_until"]
        assert (await ask(server, "de", "best"))[0] == 200
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
        for renewed in (tmp_path / "signatures").glob("*.bob.*"):
            if state["approved_until"].replace("-", "").replace(":", "")[:15] not in renewed.name:
                renewed.unlink()
        code, said = await asyncio.to_thread(serve, config)
        assert (code, "got 1 (ann)" in said) == (2, True), said
    activations = statements(server.data, RecordKind.POLICY_ACTIVATION)
    assert activations[0]["approvedUntil"] == state["approved_until"]


async def test_an_act_whose_rule_is_gone_lapses_on_record_and_blocks_no_reload(tmp_path: Path) -> None:
    async with Provider() as far:
        config = prepared(tmp_path, far, policy={**keys_of(tmp_path), "approvals": 0})
        server = await asyncio.to_thread(Server.start, config)
        rules = tmp_path / "packs" / "ban" / "rules.cedar"
        by("ann", "break-glass", config, "--rule", "de.99", "--tenant", "de", "--reason", "test")
        assert (await reloaded(server, rules, BAN))["reload_failing"] is None
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "best"
        assert (await reloaded(server, rules, BAN.replace("de.99", "de.98")))["reload_failing"] is None
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "good"
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    assert "suspends nothing: unknown rule `de.99`" in server.log_text
    told = [a["breakGlass"] for a in statements(server.data, RecordKind.POLICY_ACTIVATION)]
    assert [[act["lapsed"] for act in acts] for acts in told] == [[], [""], ["unknown rule `de.99`"]]


async def test_an_unsigned_or_changed_pack_is_not_served(tmp_path: Path) -> None:
    async with Provider() as far:
        policy = keys_of(tmp_path)
        config = prepared(tmp_path, far, policy={"pack_signers": policy["approvers"]})
        assert (await asyncio.to_thread(serve, config))[1].count("pack-not-signed") == 1
        pack = tmp_path / "packs" / "ban"
        done = apostille("policy", "sign", str(pack), "--key", str(tmp_path / "bob.key.pem"))
        assert done.returncode == 0, done.stderr
        server = await asyncio.to_thread(Server.start, config)
        state = await reloaded(server, pack / "rules.cedar", BAN.replace("vendor-x", "south"))
        assert state["reload_failing"]["code"] == "pack-not-signed"
        assert await asyncio.to_thread(server.stop) == 0, server.log_text


async def test_break_glass_lifts_a_rule_for_a_tenant_shows_and_ends_by_itself(tmp_path: Path) -> None:
    async with Provider() as far:
        config = prepared(tmp_path, far, policy={**keys_of(tmp_path), "approvals": 0})
        server = await asyncio.to_thread(Server.start, config)
        rules = tmp_path / "packs" / "ban" / "rules.cedar"
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "good"
        # 4 seconds: long enough for a request, short enough to see the end.
        act = ("--rule", "de.99", "--tenant", "de", "--hours", str(6 / 3600), "--reason", "test of an emergency")
        by("ann", "break-glass", config, *act)
        await reloaded(server, rules, BAN)
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "best"
        await asyncio.sleep(7)
        assert (await ask(server, "de", "best"))[1]["apostille-models"] == "good"
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    decided = statements(server.data, RecordKind.DECISION)
    assert [d["inputs"]["suspended"] for d in decided] == [[], ["de.99"], []]
    shown = statements(server.data, RecordKind.POLICY_ACTIVATION)[-1]["breakGlass"]
    assert [(a["rules"], a["tenants"], a["approvedBy"], a["reason"]) for a in shown] == [
        (["de.99"], ["de"], ["ann"], "test of an emergency")
    ]


def test_a_private_signing_key_is_for_its_owner_alone_and_never_written_over(tmp_path: Path) -> None:
    assert apostille("key", "signing", "--out", str(tmp_path / "ann")).returncode == 0
    assert (tmp_path / "ann.key.pem").stat().st_mode & 0o077 == 0
    again = apostille("key", "signing", "--out", str(tmp_path / "ann"))
    assert (again.returncode, "exists" in again.stderr) == (2, True)


async def test_a_signature_that_would_count_for_nobody_is_refused_and_does_not_stand_in_the_way(tmp_path: Path) -> None:
    async with Provider() as far:
        config = prepared(tmp_path, far, policy=keys_of(tmp_path))
        with_anns_key = ("--config", str(config), "--key", str(tmp_path / "ann.key.pem"), "--as", "bob")
        act = ("--rule", "de.99", "--tenant", "de", "--reason", "test")
        for words in (("approve", *with_anns_key), ("break-glass", *with_anns_key, *act)):
            done = apostille("policy", *words)
            assert (done.returncode, "expected the key of approver `bob`" in done.stderr) == (2, True), done.stderr
        assert list((tmp_path / "signatures").iterdir()) == []
        by("bob", "approve", config)


async def test_a_break_glass_names_tenants_that_there_are_and_hours_that_are_allowed(tmp_path: Path) -> None:
    async with Provider() as far:
        config = prepared(tmp_path, far, policy=keys_of(tmp_path))
        key = ("--config", str(config), "--key", str(tmp_path / "ann.key.pem"), "--as", "ann", "--rule", "de.99")
        for act, said in (
            (("--tenant", "nobody"), "expected a tenant of the configuration, got `nobody`"),
            (("--tenant", "de", "--hours", "400"), "expected an end within 24 hours of its beginning, got 400"),
        ):
            done = apostille("policy", "break-glass", *key, *act, "--reason", "test")
            assert (done.returncode, said in done.stderr) == (2, True), done.stderr


async def test_a_break_glass_on_law_in_force_is_refused_when_it_is_signed(tmp_path: Path) -> None:
    async with Provider() as far:
        config = prepared(tmp_path, far, policy=keys_of(tmp_path))
        loaded = yaml.safe_load(config.read_text())
        loaded["tenants"]["de"]["packs"].append("eu")
        config.write_text(json.dumps(loaded))
        key = str(tmp_path / "ann.key.pem")
        done = apostille(
            *("policy", "break-glass", "--config", str(config), "--key", key, "--as", "ann"),
            *("--rule", "eu.04", "--tenant", "de", "--reason", "no"),
        )
        assert (done.returncode, "break-glass-invalid" in done.stderr, "in_force" in done.stderr) == (2, True, True)
