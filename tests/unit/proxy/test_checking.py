"""``apostille check`` and ``init``: whatever a start would refuse is said before a log is made, and nothing is made by looking."""

from pathlib import Path

import pytest

from proxy.cli import main
from tests.unit.proxy.test_command import CONFIGURATION

OWN = CONFIGURATION.replace("builtin:local", "catalogue.yaml")


def written(folder: Path, configuration: str, catalogue: str | None = None) -> str:
    if catalogue is not None:
        (folder / "catalogue.yaml").write_text(catalogue)
    path = folder / "apostille.yaml"
    path.write_text(configuration)
    return str(path)


@pytest.mark.parametrize("command", ["init", "check"])
@pytest.mark.parametrize(
    ("configuration", "catalogue", "said"),
    [
        (OWN, None, "catalogue.yaml`: cannot be read"),
        (OWN, "version: 1\ndeployments: [", "not valid YAML"),
        (OWN, "version: 1\ndeployments: {a/b: {}}", "a/b"),
        (CONFIGURATION.replace("corporate", "nopack"), None, "nopack"),
        (CONFIGURATION.replace("[DE]", "[UE]"), None, "got `UE`"),
    ],
)
def test_what_a_start_would_refuse_is_said_and_nothing_is_made(
    command: str,
    configuration: str,
    catalogue: str | None,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = written(tmp_path, configuration, catalogue)
    before = set(tmp_path.iterdir())
    assert main([command, "--config", config]) == 2
    assert said in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before


def test_a_good_configuration_is_told_and_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = CONFIGURATION.replace('"builtin:local"', '"builtin:local", "builtin:providers"')
    config = written(tmp_path, text)
    assert main(["check", "--config", config]) == 0
    out = capsys.readouterr().out
    assert ("tenants: shop\n" in out, "can be called" in out, "OPENAI_API_KEY" in out) == (True, True, True), out
    assert [path.name for path in tmp_path.iterdir()] == ["apostille.yaml"]


def test_init_needs_neither_credentials_nor_approvals_and_check_needs_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["key", "signing", "--out", str(tmp_path / "ann")]) == 0
    more = (
        "policy: {approvals: 1, approvers: [{id: ann, public_key_file: ann.pub.pem}]}\n"
        "pipelines: {both: {aggregator: cascade, first: [mistral-large, smollm2-careful]}}\n"
    )
    config = written(tmp_path, CONFIGURATION.replace('"builtin:local"', '"builtin:local", "builtin:providers"') + more)
    assert main(["check", "--config", config]) == 2
    assert "policy-not-approved" in capsys.readouterr().err
    assert main(["init", "--config", config]) == 0
