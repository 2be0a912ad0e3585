"""Small files that survive a crash: whole in their old or their new form, never between."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def replace(place: Path, content: bytes) -> None:
    """Write a file durably in place of another; dying before the end leaves the old one. Raises ``OSError``.

    Others may do the same to the same file, from other machines too: each writes beside it under a name of its own.
    """
    temporary = place.with_name(f"{place.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(place)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(place.parent)


@contextmanager
def new_file(place: Path) -> Iterator[BinaryIO]:
    """A file, its owner's alone, that takes its name whole and durable at the end, or never.

    Raises ``FileExistsError`` rather than replace one, also one that came meanwhile: a rename would; ``OSError``.
    """
    if place.exists() or place.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place))
    temporary = place.with_name(f"{place.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(temporary, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        place.hardlink_to(temporary)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
