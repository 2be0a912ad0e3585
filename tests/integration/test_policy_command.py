"""``apostille policy``: packs checked, decisions explained, the matrix in every form."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.simulators.rules import rule
from tests.simulators.server import apostille


def test_the_shipped_packs_hold() -> None:
    found = apostille("policy", "check")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "✓ eu: 8 rules" in found.stdout


def test_a_pack_that_does_not_hold_is_named_with_its_rule(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rules.cedar").write_text(rule('resource.operator == Company::"opnai"', identifier="mine.01"))
    found = apostille("policy", "check", "--packs", str(tmp_path))
    assert found.returncode == 1
    assert "✗ mine" in found.stdout
    assert "did you mean `openai`" in found.stdout


@pytest.mark.parametrize("command", [("check",), ("matrix",), ("explain", "d", "--jurisdiction", "US")])
def test_a_catalogue_that_cannot_be_read_tells_nothing_about_the_packs(command: tuple[str, ...]) -> None:
    found = apostille("policy", *command, "--catalogue", "absent.yaml")
    assert found.returncode == 3, found.stdout + found.stderr
    assert "facts-invalid" in found.stderr


def test_a_shipped_catalogue_is_named_as_in_a_configuration() -> None:
    found = apostille("policy", "explain", "local-cn/prime", "--jurisdiction", "US", "--catalogue", "builtin:local")
    assert found.returncode == 0, found.stdout + found.stderr
    listed = apostille("catalogue", "list", "--catalogue", "builtin:local").stdout
    assert len(listed.splitlines()) == 7, listed


def test_the_shipped_rules_decide_as_their_cases_say() -> None:
    found = apostille("policy", "test")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "✓ eu: 13 cases" in found.stdout


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "expected `cases.yaml`, got none"),
        (
            "cases: [{deployment: case/eu, jurisdictions: [DE], expect: deny, rules: [mine.01]}]",
            "expected deny by mine.01",
        ),
        ("cases: [{deployment: case/us, jurisdictions: [DE], expect: permit, rules: [corp.01]}]", "no case triggers"),
    ],
)
def test_a_missing_a_wrong_and_an_untried_case_are_findings(tmp_path: Path, written: str | None, said: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rules.cedar").write_text(rule('resource.operator == Company::"openai"', identifier="mine.01"))
    if written is not None:
        (tmp_path / "mine" / "cases.yaml").write_text(written)
    found = apostille("policy", "test", "--packs", str(tmp_path))
    assert found.returncode == 1, found.stdout + found.stderr
    assert "✗ mine" in found.stdout
    assert said in found.stdout


def test_explain_says_rule_and_legal_basis_and_exits_with_the_verdict() -> None:
    denied = apostille("policy", "explain", "local-cn/prime", "--jurisdiction", "DE", "--data-classes", "personal")
    assert denied.returncode == 1
    assert "eu.04" in denied.stdout
    assert "Regulation (EU) 2016/679" in denied.stdout
    assert "xample, not legal advice" in denied.stdout
    assert apostille("policy", "explain", "local-cn/prime", "--jurisdiction", "US").returncode == 0
    assert apostille("policy", "explain", "nobody", "--jurisdiction", "US").returncode == 1


def test_a_rule_of_the_past_decides_as_it_did_then() -> None:
    italian = (
        "policy",
        "explain",
        "deepseek/deepseek-chat",
        "--jurisdiction",
        "IT",
        "--data-classes",
        "personal",
        "--pack",
        "corporate",
        "--pack",
        "it",
    )
    assert "it.01" in apostille(*italian, "--at", "2026-01-30").stdout
    assert "it.01" not in apostille(*italian, "--at", "2025-01-29").stdout


def test_the_matrix_is_the_same_in_every_form() -> None:
    asked = ("policy", "matrix", "--data-classes", "personal", "--jurisdictions", "DE,us")
    cells = json.loads(apostille(*asked, "--format", "json").stdout)["cells"]
    rows = list(csv.DictReader(io.StringIO(apostille(*asked, "--format", "csv").stdout)))
    assert [(c["jurisdiction"], c["deployment"], c["may"]) for c in cells] == [
        (r["jurisdiction"], r["deployment"], r["may"]) for r in rows
    ]
    by_cell = {(c["jurisdiction"], c["deployment"]): c for c in cells}
    assert by_cell["DE", "local-cn/prime"]["may"] == "no"
    assert by_cell["US", "local-cn/prime"]["may"] == "yes"
    assert "eu.04" in by_cell["DE", "bedrock-global/claude-sonnet-4-5"]["rules"]
    assert by_cell["DE", "bedrock-eu/claude-sonnet-4-5"]["may"] == "yes"
    text = apostille(*asked).stdout
    table, _, told = text.partition("\n\n")
    assert len(table.splitlines()) == 1 + len(cells) // 2
    found = json.loads(apostille(*asked, "--format", "json").stdout)
    for name, value in {**found["premises"], "as of": found["premises"]["as of"][:10]}.items():
        assert (name in told, value in told) == (True, True), name


def test_a_verdict_by_command_states_what_it_rests_on() -> None:
    asked = (
        "policy",
        "explain",
        "local-cn/prime",
        "--jurisdiction",
        "de",
        "--data-classes",
        "special",
        "--at",
        "2026-11-01",
    )
    told = apostille(*asked, "--flowdown", "dod", "--audience", "public", "--pack", "corporate").stdout
    for value in ("DE", "corporate", "general", "personal, special", "dod", "public", "2026-11-01", "providers.yaml"):
        assert any(line.endswith(value) or value in line for line in told.splitlines() if line.startswith("  ")), told
    assert len(re.findall(r"\b[0-9a-f]{64}\b", told)) == 2


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]


def test_the_page_works_without_scripts_and_says_the_rule_on_hover() -> None:
    found = _Tags()
    found.feed(apostille("policy", "matrix", "--data-classes", "personal", "--format", "html").stdout)
    assert "script" not in found.tags
    assert any("eu.04" in title and "GDPR" in title for title in found.titles)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("policy", "matrix", "--jurisdictions", "DE,EUU"), 2),
        (("policy", "explain", "x", "--jurisdiction", "DE", "--data-classes", "helath"), 2),
        (("policy", "explain", "x", "--jurisdiction", "UE"), 2),
        (("policy", "explain", "x", "--jurisdiction", "DE", "--purpose", "fun"), 2),
        (("policy", "matrix", "--flowdown", "fun"), 2),
        (("policy", "explain", "x", "--jurisdiction", "DE", "--pack", "corporat"), 2),
        (("policy", "matrix", "--pack", "corporat"), 2),
        (("policy", "check", "--packs", "none"), 2),
        (("policy", "explain", "x", "--jurisdiction", "DE", "--at", "yesterday"), 2),
        (("policy", "nothing"), 2),
    ],
)
def test_wrong_arguments_are_said_on_standard_error(arguments: tuple[str, ...], code: int) -> None:
    found = apostille(*arguments)
    assert found.returncode == code
    assert found.stderr or found.stdout
