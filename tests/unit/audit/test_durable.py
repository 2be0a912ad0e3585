"""New files: whole under their names or not there, and never in place of another."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import durable


def made(place: Path, meanwhile: Callable[[], object]) -> None:
    with durable.new_file(place) as file:
        file.write(b"half")
        meanwhile()


def stopped() -> None:
    raise KeyboardInterrupt


def test_a_new_file_is_whole_and_its_owners(tmp_path: Path) -> None:
    place = tmp_path / "new"
    with durable.new_file(place) as file:
        file.write(b"half")
        assert not place.exists()
        file.write(b" and half")
    assert place.read_bytes() == b"half and half"
    assert place.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [place]


def test_what_comes_to_no_end_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "new", stopped)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    place = tmp_path / "new"
    place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        made(place, stopped)
    assert place.is_symlink()


def test_a_file_that_comes_meanwhile_stays(tmp_path: Path) -> None:
    place = tmp_path / "new"
    with pytest.raises(FileExistsError):
        made(place, lambda: place.write_bytes(b"another's"))
    assert place.read_bytes() == b"another's"
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_nothing_is_appended_to_what_is_no_file_of_its_own(tmp_path: Path, kind: str) -> None:
    place, other = tmp_path / "new", tmp_path / "other"
    other.write_bytes(b"other")
    match kind:
        case "link":
            place.symlink_to(other)
        case "dangling":
            place.symlink_to(tmp_path / "nowhere")
        case "pipe":
            os.mkfifo(place)
        case _:
            place.mkdir()
    with pytest.raises(OSError, match="new"):
        durable.appending(place)
    assert other.read_bytes() == b"other"
    assert not (tmp_path / "nowhere").exists()


def test_what_is_appended_comes_behind_what_was_there(tmp_path: Path) -> None:
    for content in (b"one", b" and two"):
        with durable.appending(tmp_path / "new") as file:
            file.write(content)
    assert (tmp_path / "new").read_bytes() == b"one and two"
