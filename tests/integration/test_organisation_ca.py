"""An organisation's own root certifies the issuing key: made with ``openssl``, verified by us and by ``openssl``."""

import shutil
import subprocess
from pathlib import Path

import pytest

from audit import datadir
from audit.log import Log
from proxy.cli import main
from tests.simulators import appending

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

EXTENSIONS = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n"
CONFIG = """\
version: 1
data_dir: data
log: {origin: log.example/organisation}
tenants: {t: {packs: [corporate], jurisdictions: [DE]}}
"""


def openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A configuration, an organisation's root, and the certificate that it gave for our request."""
    (tmp_path / "apostille.yaml").write_text(CONFIG)
    (tmp_path / "ca.ext").write_text(EXTENSIONS)
    openssl(
        tmp_path, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "root.pem", "-days", "30",
        "-subj", "/CN=Example Corp Root", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    assert main(["keys", "certify", "--config", str(tmp_path / "apostille.yaml"), "--request"]) == 0
    (tmp_path / "our.csr").write_text(capsys.readouterr().out)
    sign(tmp_path, "issuing.pem")
    return tmp_path


def sign(place: Path, out: str) -> None:
    """What the organisation does with the request."""
    openssl(
        place, "x509", "-req", "-in", "our.csr", "-CA", "root.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "20",
        "-extfile", "ca.ext", "-out", out,
    )  # fmt: skip


def init(place: Path, issuing: str = "issuing.pem") -> int:
    config = ["--config", str(place / "apostille.yaml")]
    return main(["init", *config, "--root", str(place / "root.pem"), "--issuing", str(place / issuing)])


def test_record_keys_lead_to_the_organisations_root(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(place) == 0
    log = Log.open(place / "data", publish_interval_s=0.02)
    appending.keep_policies(place / "data")
    appending.request(log, "r-1")
    log.close()
    trusted = place / "trusted"
    trusted.mkdir()
    shutil.copy(place / "root.pem", trusted)
    shutil.copy(place / "data/keys/log.vkey", trusted)
    assert main(["bundle", "--data", str(place / "data"), "--out", str(place / "bundle")]) == 0
    assert main(["verify", str(place / "bundle"), "--trust", str(trusted)]) == 0
    (leaf, *_) = sorted((place / "bundle/keys/instances").glob("*[0-9a-f].pem"))
    openssl(place, "verify", "-CAfile", "root.pem", "-untrusted", "bundle/keys/issuing.pem", str(leaf))
    (place / "bundle/keys/issuing.pem").write_bytes((place / "root.pem").read_bytes())
    assert main(["verify", str(place / "bundle"), "--trust", str(trusted)]) == 1
    capsys.readouterr()
    assert main(["keys", "list", "--config", str(place / "apostille.yaml")]) == 0
    listed = capsys.readouterr().out
    assert "CN=Example Corp Root" in listed
    assert listed.count("added (entry ") == listed.count("record   ") == 2


def test_certificates_that_do_not_fit_found_no_log(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(place, "root.pem") == 2
    (place / "ca.ext").write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n")
    sign(place, "plain.pem")
    assert init(place, "plain.pem") == 2
    assert not (place / "data" / datadir.DATABASE).exists()
    assert init(place) == 0, "expected the right ones to do after all"


def test_a_renewed_certificate_is_taken_up_and_a_strange_one_is_not(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(place / "apostille.yaml")]
    assert init(place) == 0
    before = (place / "data/keys/issuing.pem").read_bytes()
    sign(place, "renewed.pem")
    assert main(["keys", "certify", *config, "--issuing", str(place / "renewed.pem")]) == 0
    after = (place / "data/keys/issuing.pem").read_bytes()
    assert before in after
    assert len(after) > len(before)
    assert main(["keys", "certify", *config, "--issuing", str(place / "root.pem")]) == 2
    assert (place / "data/keys/issuing.pem").read_bytes() == after
    Log.open(place / "data").close()
    assert main(["verify", "--data", str(place / "data")]) == 0
