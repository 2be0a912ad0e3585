"""``apostille verify`` and ``bundle`` on a data directory written by the simulator: honest passes, tampered does not."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from audit import checkpoint, keys
from audit.checkpoint import COSIGNATURE, MLDSA44_COSIGNATURE, VerifierKey
from audit.keys import LogSigner
from proxy.cli import main
from tests.simulators.ledger import Ledger, filled


def test_a_record_that_is_not_there_is_told_with_the_log_that_was_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path / "data")
    assert main(["verify", "nobody", "--data", str(tmp_path / "data")]) == 3
    assert f"expected a record `nobody` in the log of `{tmp_path / 'data'}`, got none" in capsys.readouterr().err


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


# --- a quorum of witnesses ----------------------------------------------------------------------------------------------

ONE, TWO, THREE = (keys.log_signer(f"witness.example/w{n}", bytes([n]) * 32) for n in (1, 2, 3))
ONE_LATER = keys.mldsa44_signer(ONE.name, b"\1" * 32)


def keys_of(tmp_path: Path, *signers: LogSigner) -> list[str]:
    """``--witness`` for each of some witnesses; the first has an ML-DSA-44 key too."""
    options = []
    for signer in signers:
        lines = [VerifierKey(name=signer.name, kind=COSIGNATURE, public=signer.public)]
        if signer is ONE:
            lines.append(VerifierKey(name=signer.name, kind=MLDSA44_COSIGNATURE, public=ONE_LATER.public))
        place = tmp_path / f"{signer.name.replace('/', '-')}.vkey"
        place.write_text("".join(f"{checkpoint.format_vkey(key)}\n" for key in lines))
        options += ["--witness", str(place)]
    return options


@pytest.fixture
def cosigned(tmp_path: Path) -> Ledger:
    """A log whose checkpoint carries two lines of the first witness and one of the second."""
    ledger = filled(tmp_path / "data")
    place = tmp_path / "data" / "log" / "checkpoint"
    note = checkpoint.parse(place.read_text())
    lines = (
        checkpoint.cosign(note, ONE, 5)
        + checkpoint.cosign_mldsa44(note, ONE_LATER, 5)
        + checkpoint.cosign(note, TWO, 6)
    )
    place.write_text(note.raw + lines)
    return ledger


def verified(tmp_path: Path, *more: str) -> dict[str, int]:
    """Exit codes for the whole log, a record, and bundles of both kinds."""
    data = ["--data", str(tmp_path / "data")]
    whole, part = tmp_path / "whole", tmp_path / "part"
    if not whole.exists():
        assert main(["bundle", "--out", str(whole), *data]) == 0
        assert main(["bundle", "--out", str(part), "--record", "r-2", *data]) == 0
    return {
        "log": main(["verify", *data, *more]),
        "record": main(["verify", "r-2", *data, *more]),
        "whole": main(["verify", str(whole), *more]),
        "part": main(["verify", str(part), *more]),
        "public log": main(["verify", str(tmp_path / "data" / "log"), *more]),
    }


@pytest.mark.usefixtures("cosigned")
@pytest.mark.parametrize(
    ("witnesses", "options", "code"),
    [
        ((ONE, TWO), ["--quorum", "2"], 0),
        ((ONE, TWO), [], 0),
        ((ONE, THREE), ["--quorum", "1"], 0),
        ((ONE, THREE), [], 1),
        ((THREE,), [], 1),
        ((ONE,), ["--quorum", "2"], 3),
        ((), ["--quorum", "1"], 3),
    ],
    ids=["both", "all named", "one of two", "not all named", "another", "one witness is not two", "none known"],
)
def test_a_quorum_counts_the_witnesses_that_are_named_and_each_once(
    tmp_path: Path, witnesses: Sequence[LogSigner], options: list[str], code: int
) -> None:
    found = verified(tmp_path, *keys_of(tmp_path, *witnesses), *options)
    if not witnesses:  # a bundle's keys are part of what is verified, so there it does not hold
        assert {found["whole"], found["part"]} == {1}
        found = {**found, "whole": code, "part": code}
    assert set(found.values()) == {code}, found


def test_witness_keys_that_came_with_the_evidence_do_not_count_beside_named_ones(
    cosigned: Ledger, tmp_path: Path
) -> None:
    keys_of(tmp_path, TWO)
    shutil.copy(tmp_path / "witness.example-w2.vkey", cosigned.root / "keys" / "witness-2.vkey")
    assert set(verified(tmp_path, "--quorum", "1").values()) == {0}
    assert set(verified(tmp_path, *keys_of(tmp_path, THREE), "--quorum", "1").values()) == {1}


def test_a_line_of_a_known_witness_that_does_not_hold_fails(cosigned: Ledger, tmp_path: Path) -> None:
    place = cosigned.root / "log" / "checkpoint"
    note = checkpoint.parse(place.read_text())
    other = checkpoint.parse(
        checkpoint.sign(checkpoint.Checkpoint(origin="x", size=1, root=bytes(32)), keys.log_signer("x"))
    )
    forged = checkpoint.parse(other.raw + checkpoint.cosign(other, TWO, 6)).signatures[1:]
    place.write_text(checkpoint.merged(note, forged).raw)
    assert set(verified(tmp_path, *keys_of(tmp_path, ONE, TWO), "--quorum", "1").values()) == {1}


def test_one_key_under_two_names_and_a_key_of_a_log_are_no_quorum(cosigned: Ledger, tmp_path: Path) -> None:
    twice = [VerifierKey(name=f"w{n}", kind=COSIGNATURE, public=TWO.public) for n in (1, 2)]
    place = tmp_path / "twice.vkey"
    for found in ([*twice], [checkpoint.vkey_of(cosigned.log_key)]):
        place.write_text("".join(f"{checkpoint.format_vkey(key)}\n" for key in found))
        assert set(verified(tmp_path, "--witness", str(place)).values()) == {3}


@pytest.mark.parametrize("number", ["-1", "one", "1.5"])
def test_a_quorum_that_is_no_number_is_a_usage_error(number: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["verify", "--quorum", number])
    assert caught.value.code == 2
