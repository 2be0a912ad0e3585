"""Evidence that somebody handed over: nothing outside of it is read, and nothing in it is read without end."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import canonical, dsse, founding, layout
from audit.bundle_command import bundle_main
from audit.cli import verify_main
from audit.errors import MalformedError
from audit.folder import directory_files
from audit.log import Log
from tests.simulators import appending


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("out") / "bundle"
    founding.init(root, origin="log.example/folder")
    appending.keep_policies(root)
    log = Log.open(root, publish_interval_s=0.02)
    appending.request(log, "r-1")
    log.close()
    assert bundle_main(["--data", str(root), "--out", str(out)]) == 0
    return out


@pytest.fixture
def bundle(bundled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundled, tmp_path / "bundle"))


def listed_again(bundle: Path) -> None:
    """A manifest of what is there, as whoever makes a hostile bundle would write it."""
    lines = {
        path: canonical.digest((bundle / path).read_bytes())
        for place in bundle.rglob("*")
        if place.is_file() and (path := place.relative_to(bundle).as_posix()) != layout.MANIFEST
    }
    (bundle / layout.MANIFEST).write_bytes(layout.format_manifest(lines))


@pytest.mark.parametrize("folder", ["policies", "records", "log", "log/tile", "keys"])
def test_a_folder_that_is_a_link_is_no_evidence(bundle: Path, tmp_path: Path, folder: str) -> None:
    """Else a verdict, and the digests in it, would be of files of the auditor's own machine."""
    assert verify_main([str(bundle)]) == 0
    shutil.move(bundle / folder, tmp_path / "elsewhere")
    (bundle / folder).symlink_to(tmp_path / "elsewhere")
    listed_again(bundle)
    assert verify_main([str(bundle)]) != 0


def test_folders_in_folders_without_end_are_no_evidence(bundle: Path) -> None:
    """Neither the interpreter's stack nor the time of a look through them is the bundle's to choose."""
    handle = os.open(bundle / "records", os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(3_000):
        os.mkdir("a", dir_fd=handle)
        inner = os.open("a", os.O_RDONLY | os.O_DIRECTORY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(handle)
    try:
        assert verify_main([str(bundle)]) == 1
    finally:
        subprocess.run(["rm", "-rf", str(bundle)], check=True)  # it is too deep for Python's own way


@pytest.mark.parametrize(
    "path", ["tile/0/x999/999", "tile/9/000.p/1", "tile/entries/000.p/1", "tile/0/001", "tile/a.html"]
)
def test_a_file_among_the_tiles_that_the_log_has_not_is_none_of_a_bundles(
    bundle: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = bundle / layout.LOG / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"whatever somebody wants to have verified")
    listed_again(bundle)
    assert verify_main([str(bundle)]) == 1
    assert f"`log/{path}` is none of a bundle's files" in capsys.readouterr().out


def test_what_is_behind_a_link_is_neither_read_nor_is_its_digest_told(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "private" / "secret.pem"
    secret.parent.mkdir()
    secret.write_text("of the auditor")
    (bundle / "openings").symlink_to(secret.parent)
    (bundle / "keys/tsa.pem").symlink_to(secret)
    with (bundle / layout.MANIFEST).open("a") as manifest:
        manifest.write(f"{'0' * 64}  openings/secret.pem\n{'0' * 64}  keys/tsa.pem\n")
    assert verify_main([str(bundle)]) == 1
    assert canonical.digest(secret.read_bytes()) not in capsys.readouterr().out
    for path in ("openings/secret.pem", "keys/tsa.pem"):
        for ask in (directory_files(bundle).read, directory_files(bundle).digest):
            with pytest.raises((MalformedError, FileNotFoundError)):
                ask(path)
    assert "openings" in set(directory_files(bundle).listing()), "expected a link to be listed, so that no list has it"


def _deep(place: Path) -> None:
    place.write_bytes(b"[" * 200_000)


def _not_a_number(place: Path) -> None:
    value = json.loads(place.read_bytes())
    place.write_text(json.dumps(value | {"x": float("nan")}))


def _twice(place: Path) -> None:
    place.write_bytes(place.read_bytes().replace(b"{", b'{"payload":"AA==",', 1))


HARMS: dict[str, Callable[[Path], object]] = {
    "a sparse file of a terabyte": lambda place: os.truncate(place, 1 << 40),
    "nothing": lambda place: place.write_bytes(b""),
    "deep JSON": _deep,
    "an array": lambda place: place.write_bytes(b"[]"),
    "a pipe": lambda place: (place.unlink(), os.mkfifo(place)),
    "a folder": lambda place: (place.unlink(), place.mkdir()),
    "no text": lambda place: place.write_bytes(b"\xff\xfe" * 100),
    "a link": lambda place: (place.unlink(), place.symlink_to("/dev/zero")),
}
OF_JSON = {"NaN": _not_a_number, "a key twice": _twice}
PATHS = (
    "MANIFEST.sha256",
    "bundle.txt",
    "records/index.txt",
    "records/r-1.decision.dsse.json",
    "log/checkpoint",
    "log/tile/entries/*/*",
    "log/tile/0/*/*",
    "keys/log.vkey",
    "keys/root.pem",
    "keys/instances/*.pem",
    "policies/*",
    "proofs/0.tlog-proof",
    "sigstore/trusted_root.json",
    "sigstore/0.sigstore.json",
    "traces/otlp.jsonl",
    "report.json",
    "README.txt",
)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("harm", HARMS)
def test_no_file_of_a_bundle_can_be_anything_and_pass_or_be_read_without_end(
    bundle: Path, path: str, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = min(bundle.glob(path))
    HARMS[harm](place)
    code = verify_main([str(bundle)])
    said = capsys.readouterr()
    assert code in ((1, 3) if path == layout.MANIFEST else (1,)), said
    assert "Errno" not in said.out + said.err


@pytest.mark.parametrize("harm", OF_JSON)
@pytest.mark.parametrize("path", ["records/r-1.decision.dsse.json", "sigstore/0.sigstore.json", "report.json"])
def test_json_that_two_readers_read_differently_is_refused(bundle: Path, path: str, harm: str) -> None:
    OF_JSON[harm](bundle / path)
    listed_again(bundle)
    assert verify_main([str(bundle)]) == 1


def test_names_that_some_disks_take_for_one_are_two_files_or_none(bundle: Path) -> None:
    (bundle / "RECORDS").mkdir()
    (bundle / "RECORDS/r-1.decision.dsse.json").write_text("another")
    assert verify_main([str(bundle)]) == 1
    listed_again(bundle)
    assert verify_main([str(bundle)]) == 1, "expected no file but those that a bundle has"


@pytest.mark.parametrize("path", ["../data/x", "/etc/passwd", "a/../b", "a//b", "", ".", "a\\b", "a\0b", "C:x", "a/"])
def test_a_path_that_climbs_is_refused_before_anything_is_read(tmp_path: Path, path: str) -> None:
    with pytest.raises(MalformedError):
        directory_files(tmp_path).read(path)


def test_each_kind_of_file_has_its_limit(tmp_path: Path) -> None:
    (tmp_path / "x.dsse.json").write_bytes(b" " * dsse.MAX_ENVELOPE_BYTES)
    assert len(directory_files(tmp_path).read("x.dsse.json")) == dsse.MAX_ENVELOPE_BYTES
    os.truncate(tmp_path / "x.dsse.json", dsse.MAX_ENVELOPE_BYTES + 1)
    for ask in (directory_files(tmp_path).read, directory_files(tmp_path).digest):
        with pytest.raises(MalformedError) as caught:
            ask("x.dsse.json")
        assert caught.value.code == "too-large"
