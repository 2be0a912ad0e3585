"""Two policy sets compared: what was added, removed, reworded or narrowed, and the decisions that follow."""

import json
from pathlib import Path

import pytest
import yaml

from policies.cli import policy_main
from tests.simulators.rules import deployment, document, rule, write

BAN = 'context.jurisdictions.contains(Jurisdiction::"DE")'


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """OLD and NEW with a pack each, and a catalogue of one deployment."""
    write(tmp_path / "old", rule("context.humanOversight") + rule("context.humanOversight", identifier="t.gone"))
    write(tmp_path / "new", rule(BAN, extra='@jurisdiction("DE")') + rule("context.humanOversight", identifier="t.new"))
    (tmp_path / "catalogue.yaml").write_text(yaml.safe_dump(document({"d": deployment()})))
    packs = ["--pack", "corporate-test", "--pack", "extra", "--jurisdictions", "DE,FR"]
    return [*packs, "--catalogue", str(tmp_path / "catalogue.yaml"), str(tmp_path / "old"), str(tmp_path / "new")]


def test_what_differs_is_named_and_nothing_else(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert policy_main(["compare", "--json", *arguments]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(r["rule"], r["change"]) for r in found["rules"]] == [
        ("t.gone", "removed"),
        ("t.new", "added"),
        ("t.rule", "changed"),
    ]
    assert {(d["jurisdiction"], d["deployment"]) for d in found["decisions"]} == {("DE", "d")}
    assert {(d["before"]["verdict"], d["after"]["verdict"]) for d in found["decisions"]} == {("permit", "deny")}
    assert {tuple(d["after"]["rules"]) for d in found["decisions"]} == {("t.rule",)}


def test_the_same_set_twice_differs_in_nothing(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert policy_main(["compare", *arguments[:-1], arguments[-2]]) == 0
    assert capsys.readouterr().out == "0 rules and 0 of the decisions tried differ\n"


def test_a_folder_that_is_not_there_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert policy_main(["compare", *arguments[:-1], "/nowhere"]) == 2
    assert "expected a directory of packs" in capsys.readouterr().err
