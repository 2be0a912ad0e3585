"""Members of the objects in a request: which there may be, and what they have to be.

Pure. A member that is null counts as one that is not there.
"""

from collections.abc import Collection, Mapping
from typing import Any

from proxy.errors import ClientError
from proxy.wire import checks

CACHE = "cache_control"
"""Left out wherever it may stand: a cache makes an answer cheaper, and no other one."""


def of(value: object, where: str, known: frozenset[str]) -> dict[str, Any]:
    """The members of an object without those that are null, and without ``cache_control``. Raises for one that is not ``known``."""
    if not isinstance(value, Mapping):
        raise checks.wrong(where, "an object", value)
    found = {key: each for key, each in value.items() if each is not None and key != CACHE}
    for key in found:
        if key not in known:
            path = f"{where}.{checks.printable(key)}"
            raise ClientError(
                f"`{path}`: expected one of {', '.join(sorted(known))}, got another member",
                code="unknown-parameter",
                param=path,
            )
    return found


def text(value: object, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise checks.wrong(where, "a string", value)
    return value


def name(value: object, where: str) -> str:
    """A string that is not empty."""
    if not isinstance(value, str) or not value:
        raise checks.wrong(where, "a string of at least one character", value)
    return value


def word(value: object, where: str, known: Collection[str]) -> str:
    """One of the ``known`` words."""
    if not isinstance(value, str) or value not in known:
        raise unsupported(where, f"one of {', '.join(f'`{each}`' for each in known)}")
    return value


def unsupported(where: str, expected: str) -> ClientError:
    """The error of a value that this proxy does not support."""
    return ClientError(f"`{where}`: expected {expected}, got another value", code="unsupported-value", param=where)
