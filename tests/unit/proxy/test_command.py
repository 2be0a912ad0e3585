"""The command: usage, unknown names, and what cannot be told."""

import os
import signal
import subprocess
import sys
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


@pytest.mark.parametrize(
    "command", [("policy", "reference"), ("policy", "digest", "--config", "{config}"), ("key", "new")]
)
def test_a_reader_that_leaves_ends_a_printing_command_without_a_word(command: tuple[str, ...], tmp_path: Path) -> None:
    config = tmp_path / "apostille.yaml"
    config.write_text(CONFIGURATION)
    reader, writer = os.pipe()
    os.close(reader)
    words = [word.format(config=config) for word in command]
    done = subprocess.run(
        [sys.executable, "-m", "proxy.cli", *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


CONFIGURATION = """version: 1
data_dir: data
catalogue: ["builtin:local"]
tenants:
  shop:
    keys: [{id: app, sha256: "9e764aac69dc95dc4b96088a425c753b406477c1b510c73424420fe45a378bd1"}]
    jurisdictions: [DE]
    packs: [corporate]
"""


def test_whatever_the_umask_nobody_else_writes_evidence_and_private_files_stay_private(tmp_path: Path) -> None:
    config = tmp_path / "apostille.yaml"
    config.write_text(CONFIGURATION)
    command = [sys.executable, "-m", "proxy.cli", "init", "--config", str(config)]
    subprocess.run(command, check=True, capture_output=True, umask=0)
    modes = {each: each.stat().st_mode & 0o777 for each in (tmp_path / "data").rglob("*")}
    assert {str(each) for each, mode in modes.items() if mode & 0o022} == set()
    private = ("apostille.db", "lock", "keys/log.key.pem", "keys/root.key.pem", "log/.checkpoint.lock")
    assert {each for each in private if modes[tmp_path / "data" / each] & 0o077} == set()
    assert modes[tmp_path / "data/envelopes"] == modes[tmp_path / "data/keys"] == 0o700


def test_a_command_whose_library_is_missing_names_it_and_the_extra() -> None:
    code = "import sys; sys.modules['jinja2'] = None; from proxy.cli import main; sys.exit(main(['report', '--help']))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "`report` needs `jinja2`" in ran.stderr
    assert "apostille[server]" in ran.stderr
