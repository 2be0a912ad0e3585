"""Small files that survive a crash: whole in their old or their new form, never between."""

import os
import secrets
from pathlib import Path


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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
