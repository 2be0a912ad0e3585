"""Small files that survive a crash: whole in their old or their new form, never between."""

import os
from pathlib import Path


def replace(place: Path, content: bytes) -> None:
    """Write a file durably in place of another; dying before the end leaves the old one. Raises ``OSError``."""
    temporary = place.with_name(f"{place.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(place)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
