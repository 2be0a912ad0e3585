"""What an auditor installs: the wheel and `cryptography`, nothing else, and it verifies and makes bundles."""

import subprocess
from pathlib import Path

import pytest

from tests.architecture.laws import ROOT
from tests.simulators.ledger import filled

UV = ROOT / ".tools" / "bin" / "uv"
ALLOWED = {"apostille", "cffi", "cryptography", "pycparser", "typing-extensions"}

pytestmark = pytest.mark.skipif(not UV.exists(), reason="needs uv, which `make setup` installs")


def run(*command: str | Path) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("install")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT)
    run(UV, "venv", "--quiet", folder / "venv")
    (wheel,) = (folder / "dist").glob("*.whl")
    run(UV, "pip", "install", "--quiet", "--python", folder / "venv", f"{wheel}[verify]")
    return folder / "venv"


def test_only_cryptography_comes_with_it(installed: Path) -> None:
    listed = run(UV, "pip", "list", "--quiet", "--python", installed, "--format", "freeze")
    names = {line.partition("==")[0].partition(" @")[0].lower() for line in listed.split("\n") if line}
    assert {"apostille", "cryptography"} <= names <= ALLOWED


def test_it_makes_and_verifies_a_bundle_and_says_what_it_does_not_check(installed: Path, tmp_path: Path) -> None:
    filled(tmp_path / "data")
    made = run(installed / "bin/apostille", "bundle", "--out", tmp_path / "out", "--data", tmp_path / "data")
    assert "check them with" in made
    assert not (tmp_path / "out/report.html").exists()
    found = run(installed / "bin/apostille", "verify", tmp_path / "out")
    assert "✓  9  traces and figures are what the records give  [derived]" in found
    (tmp_path / "out/report.html").write_text("<h1>all is well</h1>")
    run("bash", "-c", f"cd '{tmp_path}/out' && sha256sum report.html >> MANIFEST.sha256")
    said = run(installed / "bin/apostille", "verify", tmp_path / "out")
    assert "- 10  the page of the report is what its figures give  [page]" in said
