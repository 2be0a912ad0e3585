"""One file of evidence, read whole and no further than it may be long: what others wrote decides neither memory nor time.

Only a regular file is read. A pipe would be waited for, a device would have no end; neither is evidence.
"""

import os
import stat
from pathlib import Path

from audit.errors import MalformedError


def bounded(place: Path, limit: int, name: str = "", flags: int = 0) -> bytes:
    """Content of a file, called ``name`` in errors. ``flags``: further ones of open(2).

    Raises ``FileNotFoundError`` where it is no regular file, ``MalformedError`` (``too-large``), ``OSError``.
    """
    handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise FileNotFoundError(str(place))
    with os.fdopen(handle, "rb") as file:
        content = file.read(min(found.st_size, limit) + 1)
        if len(content) > found.st_size:  # it grew meanwhile
            content += file.read(max(limit + 1 - len(content), 0))
    if len(content) > limit:
        raise MalformedError(f"expected at most {limit} bytes in `{name or place.name}`, got more", code="too-large")
    return content
