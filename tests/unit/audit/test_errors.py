"""What a command says of a failure: the file, in words."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import keyring
from audit.errors import HistoryError, UnreadableError, in_words
from audit.signers.opening import KeyPlaces
from proxy.cli import main


def test_a_failure_of_the_system_names_the_file_and_no_number(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Errno") as caught:
        (tmp_path / "none").read_bytes()
    assert in_words(caught.value) == f"`{tmp_path / 'none'}`: no such file or directory"


def test_a_file_that_a_set_of_files_does_not_have_is_named() -> None:
    assert in_words(FileNotFoundError("checkpoint")) == "expected the file `checkpoint`, got none"


@pytest.mark.parametrize("error", [UnreadableError("expected a log"), OSError("expected a log")])
def test_what_has_words_of_its_own_keeps_them(error: Exception) -> None:
    assert in_words(error) == "expected a log"


@pytest.mark.parametrize(
    "words",
    [
        ("bundle", "--out", "out", "--previous", "none"),
        ("verify", "--earlier", "none"),
        ("verify", "--witness", "none"),
    ],
)
def test_commands_on_files_that_are_not_there_say_which(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert ("`none`, got: no such file or directory" in told, "Errno" in told) == (True, False), told


def test_keys_that_are_not_there_are_named_without_a_number(tmp_path: Path) -> None:
    with pytest.raises(HistoryError) as caught:
        keyring.open_keys(tmp_path, KeyPlaces(), datetime.now(UTC))
    said = f"the log's keys cannot be used: `{tmp_path / 'log.vkey'}`: no such file or directory"
    assert str(caught.value) == said
