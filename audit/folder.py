"""A folder of evidence that somebody handed over, as ``Files``: the regular files in it, and nothing else of this machine.

Paths that climb are refused, and links are not followed, of files or of folders on the way: what is read, and whose digest is told
in a finding, was handed over. What is longer than a file of its name can be is not read.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audit import layout, reading
from audit.errors import MalformedError
from audit.files import Files
from audit.vocabulary import Sha256Hex


def directory_files(root: Path) -> Files:
    """The regular files below a directory. Reading raises ``FileNotFoundError``, ``MalformedError``."""
    folder = _Folder(root)
    return Files(read=folder.read, listing=folder.listing, digest_of=folder.digest)


@dataclass(frozen=True, slots=True)
class _Folder:
    """``own``: folders in it that are no links, and in none, as far as they were looked at."""

    root: Path
    own: set[str] = field(default_factory=lambda: {""})

    def read(self, path: str) -> bytes:
        return reading.bounded(
            self._located(path), layout.longest(path), path, os.O_NOFOLLOW
        )  # it may be a link by now

    def digest(self, path: str) -> Sha256Hex:
        handle = os.open(self._located(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)  # as above
        with os.fdopen(handle, "rb") as file:
            if os.fstat(file.fileno()).st_size > layout.longest(path):
                raise MalformedError(
                    f"expected at most {layout.longest(path)} bytes in `{path}`, got more", code="too-large"
                )
            return Sha256Hex(hashlib.file_digest(file, "sha256").hexdigest())

    def listing(self) -> Iterator[str]:
        """Every file, and of links and of folders that are too deep for one their own paths: no list has these."""
        waiting = [""]
        while waiting:
            inside = waiting.pop()
            for each in _entries(self.root / inside):
                path = f"{inside}/{each.name}" if inside else each.name
                if each.is_dir(follow_symlinks=False) and len(path) <= layout.MAX_PATH_LENGTH:
                    waiting.append(path)
                else:
                    yield path

    def _located(self, path: str) -> Path:
        place = self.root / layout.safe_path(path)
        self._check_folder(path.rpartition("/")[0])
        try:
            mode = os.lstat(place).st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        if not stat.S_ISREG(mode):
            raise MalformedError(f"expected `{path}` as a file, got a link or something else", code="link")
        return place

    def _check_folder(self, inside: str) -> None:
        if inside in self.own:
            return
        self._check_folder(inside.rpartition("/")[0])
        if (self.root / inside).is_symlink():
            raise MalformedError(f"expected `{inside}` as a folder of its own, got a link", code="link")
        self.own.add(inside)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing in one that cannot be read."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []
