"""What may lie in a folder that others write to: a pipe, a device, a huge file; none is waited for, none is read whole."""

import os
from pathlib import Path

import pytest

from policies import bounded_file, packs
from policies.errors import PackError


def test_a_small_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"four")
    assert bounded_file.read(tmp_path / "a", 4) == b"four"


def test_what_is_no_regular_file_or_too_large_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").write_bytes(b"fives")
    for name in ("pipe", "device", "folder", "large", "missing"):
        with pytest.raises(OSError):
            bounded_file.read(tmp_path / name, 4)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pack_with_a_pipe_or_a_device_among_its_rules_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "p").mkdir()
    if kind == "pipe":
        os.mkfifo(tmp_path / "p" / "a.cedar")
    else:
        (tmp_path / "p" / "a.cedar").symlink_to("/dev/zero")
    with pytest.raises(PackError, match="cannot be read"):
        packs.load(tmp_path, ["p"])
