"""``apostille policy check --packs DIR`` refuses a rule that would load and never fire, and says where it is."""

from pathlib import Path

import pytest

from policies.cli import policy_main
from tests.simulators.rules import rule

DATED = rule('context.now >= datetime("2026-08-03")', identifier="mine.01", extra='@effective_from("2026-08-02")')


def refusal(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that refuses a pack with this text; the shipped packs hold."""
    (folder / "mine").mkdir()
    (folder / "mine" / "rules.cedar").write_text(text)
    assert policy_main(["check", "--packs", str(folder)]) == 1
    (line,) = (each for each in capsys.readouterr().out.splitlines() if each.startswith("✗"))
    return line


@pytest.mark.parametrize(
    ("text", "offender"),
    [
        pytest.param(
            rule('resource.operator == Company::"opnai"', identifier="mine.01"),
            'Company::"opnai"',
            id="typo in an entity",
        ),
        pytest.param(
            rule(
                'context.jurisdictions.contains(Jurisdiction::"EUU")',
                identifier="mine.01",
                extra='@jurisdiction("EUU")',
            ),
            'Jurisdiction::"EUU"',
            id="typo in a jurisdiction",
        ),
        pytest.param(
            rule("true", identifier="mine.01", scope='resource in ModelFamily::"deepseek-r9"'),
            'ModelFamily::"deepseek-r9"',
            id="dangling parent in a rule",
        ),
        pytest.param(
            rule("context.humanOversight && !context.humanOversight", identifier="mine.01"),
            "contradict",
            id="contradiction",
        ),
        pytest.param(
            rule("context.humanOversight", identifier="mine.01", extra='@legal_bases("x")'),
            "`@legal_bases`",
            id="misspelt annotation",
        ),
        pytest.param(DATED, "2026-08-02", id="date that disagrees"),
        pytest.param(
            rule('resource.operator == Company::"opnai"', identifier="mine.01", extra='@status("draft")'),
            'Company::"opnai"',
            id="typo in a draft",
        ),
    ],
)
def test_a_rule_that_would_never_fire_is_refused_with_file_rule_and_name(
    tmp_path: Path, text: str, offender: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal(tmp_path, text, capsys)
    assert said.startswith("✗ mine: `mine/rules.cedar`, line 1, rule `mine.01`: ")
    assert offender in said


def test_a_dangling_parent_in_a_catalogue_is_refused_with_file_model_and_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = tmp_path / "mine.yaml"
    catalogue.write_text("models: {mine-1: {developer: meta, parents: [{model: llama-5, relation: distill}]}}")
    assert policy_main(["check", "--catalogue", str(catalogue)]) == 3
    said = capsys.readouterr().err
    assert "`mine.yaml`, `models.mine-1.parents`: unknown parent `llama-5`" in said
