"""A folder of evidence that somebody handed over, as ``Files``: the regular files in it, and nothing else of this machine.

Paths that climb are refused, and links are not followed, of files or of folders on the way: what is read, and whose digest is told
in a finding, was handed over. What is longer than a file of its name can be is not read.
"""

import hashlib
import os
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
    """``own``: folders in it that are no links, as far as they were looked at."""

    root: Path
    own: set[Path] = field(default_factory=lambda: {Path()})

    def read(self, path: str) -> bytes:
        return reading.bounded(self._located(path), layout.longest(path), path)

    def digest(self, path: str) -> Sha256Hex:
        with self._located(path).open("rb") as file:
            if os.fstat(file.fileno()).st_size > layout.longest(path):
                raise MalformedError(
                    f"expected at most {layout.longest(path)} bytes in `{path}`, got more", code="too-large"
                )
            return Sha256Hex(hashlib.file_digest(file, "sha256").hexdigest())

    def listing(self) -> Iterator[str]:
        top = os.fspath(self.root)
        for folder, folders, names in os.walk(top):
            inside = folder[len(top) :].replace(os.sep, "/").strip("/")
            linked = [each for each in folders if (Path(folder) / each).is_symlink()]  # not passed over: no list has it
            yield from (f"{inside}/{name}" if inside else name for name in (*names, *linked))

    def _located(self, path: str) -> Path:
        inside = Path(layout.safe_path(path))
        for each in reversed(inside.parents):
            if each not in self.own:
                if (self.root / each).is_symlink():
                    raise MalformedError(f"expected `{each}` as a folder of its own, got a link", code="link")
                self.own.add(each)
        place = self.root / inside
        if place.is_symlink() or (place.exists() and not place.is_file()):
            raise MalformedError(f"expected `{path}` as a file, got a link or something else", code="link")
        if not place.exists():
            raise FileNotFoundError(path)
        return place
