"""What a verifier brings himself: a wrong file of his is said, and never reads as failed evidence, nor as evidence that holds."""

import os
import shutil
from pathlib import Path

import pytest

from audit import founding
from audit.bundle_command import bundle_main
from audit.cli import verify_main
from audit.log import Log
from tests.simulators import appending

SCOPE = appending.in_a_scope()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory, bundles of its log and of its scope, trusted keys, and another log."""
    place = tmp_path_factory.mktemp("made")
    for name in ("data", "other"):
        founding.init(place / name, origin=f"log.example/{name}")
        appending.keep_policies(place / name)
        log = Log.open(place / name, publish_interval_s=0.02)
        appending.request(log, "r-1", SCOPE)
        log.close()
    assert bundle_main(["--data", str(place / "data"), "--out", str(place / "bundle")]) == 0
    assert bundle_main(["--data", str(place / "data"), "--record", "r-1", "--out", str(place / "one")]) == 0
    assert bundle_main(["--data", str(place / "data"), "--scope", SCOPE.log, "--out", str(place / "scoped")]) == 0
    (place / "trust").mkdir()
    for name in ("root.pem", "log.vkey"):
        shutil.copy(place / "data/keys" / name, place / "trust")
    (place / "no-note").write_text("not a checkpoint\n")
    return place


def usage(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that ends as a usage error."""
    with pytest.raises(SystemExit) as caught:
        verify_main(arguments)
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "Errno" not in said
    return said


def cannot_tell(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says that could not tell."""
    assert verify_main(arguments) == 3
    said = capsys.readouterr()
    assert "Errno" not in said.err
    return said.out + said.err


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("no-such-file", "expected a checkpoint that you kept in `{}`, got: no such file or directory"),
        ("no-note", "expected a checkpoint that you kept in `{}`, as a log publishes it, got another file"),
        ("data", "got: no file"),
        ("data/apostille.db", "expected a checkpoint that you kept in `{}`"),
        ("trust/root.pem", "got another file"),
    ],
)
def test_an_earlier_checkpoint_that_is_none_is_a_usage_error(
    made: Path, path: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for target in ("bundle", "data"):
        told = usage(capsys, str(made / target), "--earlier", str(made / path))
        assert "argument --earlier: " in told
        assert said.format(made / path) in told


@pytest.mark.parametrize("target", ["data", "bundle", "one", "scoped"])
def test_an_earlier_checkpoint_of_another_log_decides_nothing(
    made: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = cannot_tell(capsys, str(made / target), "--earlier", str(made / "other/log/checkpoint"))
    assert "the checkpoint that was kept is of the log `log.example/other`, this is `log.example/data" in told
    assert "✗" not in told


def test_an_earlier_checkpoint_under_a_foreign_key_still_fails(made: Path, tmp_path: Path) -> None:
    """A log of the same name and another key is what an operator with a second history would show."""
    founding.init(tmp_path / "twin", origin="log.example/data")
    assert verify_main([str(made / "bundle"), "--earlier", str(tmp_path / "twin/log/checkpoint")]) == 1


@pytest.mark.parametrize("target", ["bundle", "one", "data/log"])
def test_a_scope_that_evidence_is_not_of_is_said(made: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = cannot_tell(capsys, str(made / target), "--scope", "acme-eu-1999")
    assert "expected evidence of the scope `acme-eu-1999`, got that of the log `log.example/data`" in told
    assert "acme-eu-1999" in cannot_tell(capsys, str(made / "scoped"), "--scope", "acme-eu-1999")
    assert "expected a scope that has a log" in cannot_tell(capsys, str(made / "data"), "--scope", "acme-eu-1999")
    assert verify_main([str(made / "scoped"), "--scope", SCOPE.log]) == 0


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("no-such-folder", "expected a folder of keys that you got another way, got none"),
        ("no-note", "expected a folder of keys that you got another way, got none"),
        ("bundle", "got evidence at"),
        ("data", "got evidence at"),
        ("bundle/log", "expected the file `root.pem` among the trusted keys"),
    ],
)
def test_trusted_keys_that_are_none_are_a_usage_error(
    made: Path, folder: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in usage(capsys, str(made / "bundle"), "--trust", str(made / folder))


def test_the_keys_of_the_evidence_are_not_taken_for_keys_that_came_another_way(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "link").symlink_to(made / "bundle/keys")
    for trust in (made / "bundle/keys", made / "bundle/log/../keys", tmp_path / "link"):
        assert "got those of the evidence" in cannot_tell(capsys, str(made / "bundle"), "--trust", str(trust))
    for more in ([str(made / "data")], ["r-1", "--data", str(made / "data")]):
        assert "got those of the evidence" in cannot_tell(capsys, *more, "--trust", str(made / "data/keys"))
    assert verify_main([str(made / "bundle"), "--trust", str(made / "trust")]) == 0


def test_a_kept_checkpoint_among_the_trusted_keys_that_is_none_is_said(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = Path(shutil.copytree(made / "trust", tmp_path / "trust"))
    (trust / "checkpoint").write_text("not a checkpoint")
    assert "expected a checkpoint that you kept" in cannot_tell(capsys, str(made / "bundle"), "--trust", str(trust))


@pytest.mark.parametrize("path", ["no-such-file", "no-note", "data", "trust/root.pem"])
def test_witness_keys_that_are_none_are_a_usage_error(
    made: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "expected the verifier keys of a witness" in usage(
        capsys, str(made / "bundle"), "--witness", str(made / path)
    )


def test_a_target_that_is_not_there_is_not_taken_for_a_record(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bundle.zip").write_bytes(b"PK")
    data = ("--data", str(made / "data"))
    assert "unpack it first" in cannot_tell(capsys, str(tmp_path / "bundle.zip"), *data)
    assert "expected the folder of a bundle" in cannot_tell(capsys, str(tmp_path / "no-such"), *data)
    assert "expected a record `r-77` in the log of" in cannot_tell(capsys, "r-77", *data)
    assert "expected a data directory" in cannot_tell(capsys, "r-1", "--data", str(tmp_path / "no-such"))


def test_an_earlier_checkpoint_for_a_bundle_that_is_none_is_a_usage_error(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        bundle_main(["--data", str(made / "data"), "--out", str(tmp_path / "out"), "--previous", str(made / "no-note")])
    assert caught.value.code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_named(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    shutil.copy(made / "data/log/checkpoint", kept)
    kept.chmod(0)
    assert "permission denied" in usage(capsys, str(made / "bundle"), "--earlier", str(kept))
