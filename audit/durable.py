"""Small files that survive a crash: whole in their old or their new form, never between."""

import errno
import os
import secrets
import stat
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


def appending(place: Path) -> BinaryIO:
    """A file to append to, made where there is none. Raises ``OSError``, also for a link, which would lead the writing elsewhere, and
    for what is no file: a pipe would be waited for.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    handle = os.open(place, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "expected a file", str(place))
    return os.fdopen(handle, "ab")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
