"""Other people's verifiers, run over an evidence bundle: each gives the finished process, or is skipped where its tool is absent."""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GO_PATH = Path("/usr/share/gocode")
Done = subprocess.CompletedProcess[str]

needs_go = pytest.mark.skipif(
    not (shutil.which("go") and (GO_PATH / "src/golang.org/x/mod/sumdb").is_dir()),
    reason="needs Debian's golang-go and golang-golang-x-mod-dev",
)
needs_js = pytest.mark.skipif(
    not (shutil.which("node") and (HERE / "js/node_modules/@sigstore/verify").is_dir()),
    reason="needs node, and `npm ci` in tests/verifiers/js",
)
needs_shell = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "jq", "openssl", "sha256sum"))), reason="needs bash, jq, openssl and sha256sum"
)


def _run(*command: str, cwd: Path | None = None, **environ: str) -> Done:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=120
    )


@lru_cache(maxsize=1)
def _go_program() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="go-verifier-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = _run(
        *("go", "build", "-o", str(folder / "verify"), str(HERE / "go/main.go")),
        GO111MODULE="off",
        GOPATH=str(GO_PATH),
        GOCACHE=str(folder / "cache"),
    )
    assert done.returncode == 0, done.stderr
    return folder / "verify"


def go(bundle: Path) -> Done:
    """Go's sumdb: note, every inclusion, consistency, the tree and its tiles; signatures with Go's own library."""
    return _run(str(_go_program()), str(bundle))


def js(bundle: Path) -> Done:
    """@sigstore/verify on every Sigstore bundle."""
    return _run("node", str(HERE / "js/verify.mjs"), str(bundle))


def blocks(first_line: str) -> str:
    """The shell on the page of verification that begins with a comment, all in one."""
    page = (HERE.parents[1] / "docs" / "how-to" / "verify.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(rf"^```sh\n# {first_line}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))


def shell(script: str, cwd: Path, **environ: str) -> Done:
    """A script with bash; any command that fails ends it."""
    return _run("bash", "-euo", "pipefail", "-c", script, cwd=cwd, **environ)


_SECURESYSTEMSLIB = """
import json, sys
from pathlib import Path
from cryptography.x509 import load_pem_x509_certificate
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
place = Path(sys.argv[1])
root = load_pem_x509_certificate((place / "keys/root.pem").read_bytes())
known = []
for path in (place / "keys/instances").glob("*.pem"):
    if not path.name.endswith(".pub.pem"):
        certificate = load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(root)
        known.append(SSlibKey.from_crypto(certificate.public_key(), keyid=path.stem))
records = list((place / "records").glob("*.dsse.json"))
for path in records:
    Envelope.from_dict(json.loads(path.read_text())).verify(known, 1)
print(len(records), "envelopes hold")
"""


def python(bundle: Path) -> Done:
    """securesystemslib on every envelope."""
    return _run(sys.executable, "-c", _SECURESYSTEMSLIB, str(bundle))
