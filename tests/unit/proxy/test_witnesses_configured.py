"""Witnesses of a configuration: keys that cannot be used, or a quorum that cannot be met, refuse to start."""

from pathlib import Path

import pytest

from audit import checkpoint, keys, layout
from audit.checkpoint import COSIGNATURE, VerifierKey
from proxy.errors import ConfigurationError
from proxy.settings import LogSettings, LogWitness
from proxy.witness import configured


def vkey(name: str, seed: int) -> str:
    signer = keys.log_signer(name, bytes([seed]) * 32)
    return checkpoint.format_vkey(VerifierKey(name=name, kind=COSIGNATURE, public=signer.public)) + "\n"


def settings(folder: Path, *contents: str, quorum: int = 0) -> LogSettings:
    listed = []
    for number, content in enumerate(contents):
        place = folder / f"{number}.vkey"
        place.write_text(content)
        listed.append(LogWitness(url=f"http://127.0.0.1:{number + 1}", vkey_file=place))
    return LogSettings(witnesses=tuple(listed), witness_quorum=quorum)


LOG_KEY = checkpoint.format_vkey(checkpoint.vkey_of(keys.log_signer("w/1", b"\1" * 32)))


@pytest.mark.parametrize(
    ("contents", "quorum"),
    [
        ((), 1),
        ((vkey("w/1", 1),), 2),
        ((vkey("w/1", 1), vkey("w/1", 2)), 1),
        ((vkey("w/1", 1), vkey("w/2", 1)), 1),
        ((vkey("w/1", 1) + vkey("w/2", 2),), 1),
        ((LOG_KEY,), 1),
        (("nonsense",), 0),
        (("",), 0),
    ],
    ids=["none", "too few", "a name twice", "a key twice", "two in a file", "a log's key", "no key", "empty"],
)
def test_witnesses_that_cannot_be_asked_are_refused(tmp_path: Path, contents: tuple[str, ...], quorum: int) -> None:
    with pytest.raises(ConfigurationError, match="witness"):
        configured.build(settings(tmp_path, *contents, quorum=quorum))


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    gone = LogSettings(witnesses=(LogWitness(url="http://127.0.0.1:1", vkey_file=tmp_path / "gone"),))
    with pytest.raises(ConfigurationError, match="gone"):
        configured.build(gone)


def test_keys_are_kept_where_a_verifier_of_the_data_directory_finds_them(tmp_path: Path) -> None:
    made = settings(tmp_path, vkey("w/1", 1), vkey("w/2", 2), quorum=2)
    configured.build(made)
    folder = tmp_path / layout.KEYS
    folder.mkdir()
    configured.keep_keys(tmp_path, made)
    kept = sorted(folder.iterdir())
    assert all(layout.is_witness_key(place.name) for place in kept)
    assert sorted(place.read_text() for place in kept) == sorted([vkey("w/1", 1), vkey("w/2", 2)])
