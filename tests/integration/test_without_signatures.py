"""``apostille verify --no-signatures``: finds every tampering but a signature that never held, and says that it did not look."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit.keys import P256Signer
from proxy.cli import main
from tests.integration.test_tampering import tampered
from tests.simulators.evidence import Evidence, failed
from tests.simulators.ledger import Ledger, filled
from tests.simulators.tamperings import CASES

WITHOUT = "--no-signatures"


@pytest.mark.parametrize("name", CASES)
def test_what_is_changed_is_found_without_signatures_too(
    name: str, evidence: Evidence, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tampered(CASES[name], evidence, whole, tmp_path)
    options = ("--trust", str(evidence.trust), "--quorum", "1") if CASES[name].trusted else ()
    code, found = failed(capsys, str(place), *options, WITHOUT)
    assert code == 1
    assert found >= set(CASES[name].names), found


@dataclass(frozen=True)
class Forging:
    """Signs everything with the signature of another text."""

    signer: P256Signer

    @property
    def keyid(self) -> str:
        return self.signer.keyid

    @property
    def public_der(self) -> bytes:
        return self.signer.public_der

    def sign(self, _: bytes) -> bytes:
        return self.signer.sign(b"another text")


@pytest.fixture
def forged(tmp_path: Path) -> Ledger:
    """A log, signed by its own key, with records whose signatures do not hold."""
    ledger = filled(tmp_path / "data")
    ledger.signer = Forging(ledger.signer)  # type: ignore[assignment]
    ledger.request("r-4")
    ledger.publish()
    return ledger


@pytest.mark.parametrize("folder", ["", "log"])
def test_a_signature_that_never_held_is_left_to_the_full_verification(
    folder: str, forged: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(forged.root / folder)
    code, found = failed(capsys, place)
    assert (code, found) == (1, {"entries"})
    assert main(["verify", place, WITHOUT]) == 0
    said = capsys.readouterr().out
    assert "not-checked: as asked, no entry's signature was checked" in said
    assert said.endswith("✓ log: what was checked holds; the signatures of its records were NOT checked\n")


def test_programs_are_told_too(forged: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(forged.root), WITHOUT, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"].endswith("the signatures of its records were NOT checked")
    assert {each["id"]: each["outcome"] for each in found["obligations"]}["entries"] == "not-checked"


def test_the_signatures_of_one_request_are_checked_always(forged: Ledger, tmp_path: Path) -> None:
    data, out = ["--data", str(forged.root)], str(tmp_path / "out")
    assert main(["verify", "r-4", *data, WITHOUT]) == 1
    assert main(["bundle", "--out", out, "--record", "r-4", *data]) == 0
    assert main(["verify", out, WITHOUT]) == 1


def test_a_log_that_cannot_be_read_to_its_end_fails(forged: Ledger) -> None:
    for each in (forged.root / "log/tile/entries").rglob("*"):
        each.unlink() if each.is_file() else None
    assert main(["verify", str(forged.root), WITHOUT]) == 1
