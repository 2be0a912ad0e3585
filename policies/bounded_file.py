"""A whole file of an operator's folder, which others may write to: bounded, and never a pipe or a device.

Refuses what is no regular file before it is opened for good: opening a pipe waits for ever, and a device never ends.
"""

import errno
import os
import stat
from pathlib import Path


def read(path: Path, limit: int) -> bytes:
    """Content of a regular file of at most ``limit`` bytes. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "expected a regular file", str(path))
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"expected at most {limit} bytes, got more", str(path))
    return content
