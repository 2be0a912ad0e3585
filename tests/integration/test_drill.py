"""Drills and replays over a real log: who is affected by a ban is exactly who was seeded, and the set in force changes nothing."""

import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit.log import Log
from proxy.drill.page import changed
from tests.simulators import history
from tests.simulators.server import apostille

REQUESTS = 1_500


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with recorded traffic."""
    path = history.prepare(tmp_path_factory.mktemp("recorded"))
    log = Log.open(path.parent / "data")
    history.write(log, history.loaded(path), REQUESTS)
    log.close()
    return path


def run(config: Path, *arguments: str, status: int = 0) -> dict[str, Any]:
    """One command's findings."""
    out = config.parent / "found.json"
    done = apostille(
        "policy", *arguments, "--config", str(config), "--json", str(out), "--html", str(out.with_suffix(".html"))
    )
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    assert found["question"] in done.stdout
    page = out.with_suffix(".html").read_text()
    assert sum(found["changes"].values()) == found["total"]["affected"], "each affected request is told once"
    assert ("what becomes of the affected:" in done.stdout) == (found["total"]["affected"] > 0)
    assert all(drilled["outcome"] in done.stdout and drilled["outcome"] in unescape(page) for drilled in changed(found))
    assert "<script" not in page
    assert "Policy drill" in page
    return found


def affected(found: dict[str, Any]) -> set[str]:
    """Tenants with an affected request."""
    return {name for name, part in found["tenants"].items() if part["affected"]}


def test_a_replay_on_the_set_in_force_differs_in_nothing(config: Path) -> None:
    found = run(config, "replay")
    assert (found["total"]["requests"], found["total"]["affected"]) == (REQUESTS, 0)


def test_a_draft_that_bans_one_model_lists_the_seeded_tenants_and_those_without_substitute(config: Path) -> None:
    folder = config.parent / "draft" / "ban"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ban.cedar").write_text(history.BAN)
    found = run(config, "replay", "--policy", str(folder.parent))
    assert affected(found) == {"de-bank", "de-shop", "de-strict"}
    without = {(each["tenant"], each["model"]) for each in found["without_substitute"]}
    assert without == {("de-strict", "prime")}
    assert found["tenants"]["fr-lab"]["affected"] == 0


def test_a_drill_says_who_what_stands_in_and_what_it_costs_in_quality(config: Path) -> None:
    found = run(config, "drill", "--ban", "model:prime", "--in", "DE", "--from", "2026-12-01")
    assert affected(found) == {"de-bank", "de-shop", "de-strict"}
    math = found["tasks"]["math"]
    assert math["measured"]
    assert math["quality_after"] < math["quality_before"]
    assert any(each["substitute"] == "north/good" for each in found["substitutions"])
    assert found["total"]["cost_after_micro_usd"] < found["total"]["cost_before_micro_usd"]


def test_a_ban_of_a_service_leaves_its_weights_elsewhere(config: Path) -> None:
    service = run(config, "drill", "--ban", "service:vendor-y", "--in", "EU")
    weights = run(config, "drill", "--ban", "weights:vendor-y", "--in", "EU")
    assert {s["substitute"] for s in service["substitutions"] if s["excluded"] == "vendor-y/prime"} <= {"north/prime"}
    assert all("prime" not in each["substitute"] for each in weights["substitutions"])
    assert weights["total"]["newly_refused"] > service["total"]["newly_refused"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["drill", "--ban", "prim"], "did you mean `prime`"),
        (["drill", "--ban", "weights:prime"], "expected a company of the catalogue, got `prime`"),
        (["drill", "--ban", "prime", "--in", "EUU"], "got `EUU`"),
        (["replay", "--policy", "/nowhere"], "expected a directory of packs"),
    ],
)
def test_what_nothing_knows_is_refused_by_name(config: Path, arguments: list[str], said: str) -> None:
    done = apostille("policy", *arguments, "--config", str(config))
    assert done.returncode == 2
    assert said in done.stderr


def test_a_pack_that_joined_later_does_not_change_what_was_decided_without_it(config: Path) -> None:
    moved = config.with_name("moved.yaml")
    settings = yaml.safe_load(config.read_text())
    settings["tenants"]["de-shop"]["packs"].append("vendor")
    moved.write_text(yaml.safe_dump({**settings, "pack_dirs": ["moved"]}))
    folder = config.parent / "moved" / "vendor"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ban.cedar").write_text(history.BAN)
    done = apostille("policy", "replay", "--config", str(moved))
    # The records were decided without the pack: the packs of a tenant are part of what is on record, so nothing moves.
    assert done.returncode == 0, done.stdout
    assert "decided under other rules" in done.stdout
