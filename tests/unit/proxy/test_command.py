"""The command: usage, unknown names, and what cannot be told."""

from pathlib import Path

import pytest

from proxy.cli import COMMANDS, main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)


def test_an_unknown_command_is_a_usage_error_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frobnicate"]) == 2
    assert "usage" in capsys.readouterr().err


def test_verifying_nothing_is_not_a_success(tmp_path: Path) -> None:
    assert main(["verify", "--data", str(tmp_path)]) in (1, 3)
