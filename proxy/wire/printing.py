"""Whether JSON that was read can be written again: orjson reads 1,024 levels of nesting and writes 254.

Pure. What comes from a client or an upstream becomes part of something larger, so some levels must be left for that. What cannot be
written is refused where it is read, and never in the middle of an answer.
"""

import json
from typing import Any

import orjson

LEVELS_AROUND = 16
"""Levels that our own messages may have around a value."""
MOST_LEVELS = 238
"""What orjson writes, less those."""
_SURELY_FLAT = 200
"""Brackets below which nothing can be too deep."""


def too_deep(value: object, content: bytes) -> bool:
    """Whether a value is nested too deeply to be part of a message. ``content``: the bytes that it was read from."""
    if content.count(b"[") + content.count(b"{") <= _SURELY_FLAT:
        return False
    for _ in range(LEVELS_AROUND):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return True
    return False


def printed(value: Any) -> bytes:
    """A value as JSON, halves of surrogate pairs escaped. Raises ``ValueError`` for one that is nested too deeply."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        pass
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
