"""``apostille verify`` and ``bundle`` on a data directory written by the simulator: honest passes, tampered does not."""

from pathlib import Path

import pytest

from proxy.cli import main
from tests.simulators.ledger import filled


def test_an_honest_log_record_and_bundle_hold(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    data = str(tmp_path / "data")
    assert main(["verify", "--data", data]) == 0
    assert main(["verify", "r-2", "--data", data]) == 0
    assert main(["bundle", "--out", str(tmp_path / "out"), "--data", data]) == 0
    assert main(["verify", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("path", ["log/tile/0/000", "log/checkpoint", "log/tile/entries/000"])
def test_one_flipped_byte_of_the_log_does_not_hold(
    tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = filled(tmp_path / "data")
    found = next((tmp_path / "data").glob(f"{path}*"))
    if found.is_dir():
        found = max(found.iterdir(), key=lambda tile: int(tile.name))
    ledger.tamper(str(found.relative_to(tmp_path / "data")), 20)
    assert main(["verify", "--data", str(tmp_path / "data")]) == 1
    assert "✗" in capsys.readouterr().out
