"""Frames of the spool: groups of rows as bytes, each with its length and a checksum.

A frame is the magic, the length of its content and the CRC-32 of it (big endian, 4 bytes each), then the content: the length of
a JSON list of the rows, that list, and the rows' byte fields one after the other (in the list ``{"b": length}``). Pure. One
group is one frame, so what a crash tears is one group, and nobody was told that it is durable.
"""

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from audit.errors import MalformedError
from audit.storage.base import Row

MAGIC = b"\xa9APS"
HEADER = struct.Struct(">4sII")
MAX_CONTENT = 1 << 28
"""Longest content: a group of 256 appends is far below."""
_LENGTH = struct.Struct(">I")
MIN_CONTENT = _LENGTH.size + 2
"""An empty list. Zeros, which a torn write can leave, are a checksum of nothing, and must not be a frame."""


def encode(rows: Sequence[Row]) -> bytes:
    """One frame. Raises ``MalformedError`` (``spool-frame``) if it is too long."""
    listed = [[{"b": len(field)} if isinstance(field, bytes) else field for field in row] for row in rows]
    short = json.dumps(listed, separators=(",", ":")).encode()
    long = [field for row in rows for field in row if isinstance(field, bytes)]
    content = b"".join([_LENGTH.pack(len(short)), short, *long])
    if len(content) > MAX_CONTENT:
        raise MalformedError(f"expected a group of at most {MAX_CONTENT} bytes, got {len(content)}", code="spool-frame")
    return HEADER.pack(MAGIC, len(content), zlib.crc32(content)) + content


def length_of(header: bytes) -> int | None:
    """Length of a whole frame by its first bytes, or None if no frame begins so."""
    if len(header) < HEADER.size:
        return None
    magic, length, _ = HEADER.unpack_from(header)
    return HEADER.size + int(length) if magic == MAGIC and MIN_CONTENT <= length <= MAX_CONTENT else None


def is_whole(frame: bytes) -> bool:
    """Whether a frame is there as it was written."""
    return length_of(frame) == len(frame) and zlib.crc32(frame[HEADER.size :]) == HEADER.unpack_from(frame)[2]


def decode(frame: bytes) -> list[Row]:
    """Rows of a frame; raises ``MalformedError`` (``spool-frame``)."""
    if not is_whole(frame):
        raise MalformedError("expected a frame as it was written, got another content", code="spool-frame")
    try:
        (size,) = _LENGTH.unpack_from(frame, HEADER.size)
        start = HEADER.size + _LENGTH.size
        listed = json.loads(frame[start : start + size])
        return _rows(listed, frame, start + size)
    except (ValueError, TypeError, KeyError, struct.error, RecursionError) as cause:
        raise MalformedError("expected rows in a frame of the spool", code="spool-frame") from cause


def _rows(listed: list[list[Any]], frame: bytes, place: int) -> list[Row]:
    rows = []
    for fields in listed:
        row: list[Any] = []
        for field in fields:
            if isinstance(field, dict):
                end = place + field["b"]
                row.append(frame[place:end])
                place = end
            else:
                row.append(tuple(field) if isinstance(field, list) else field)
        rows.append(Row(*row))
    if place != len(frame):
        raise ValueError("bytes are left")
    return rows
