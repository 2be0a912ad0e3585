"""A trained router as a value: integer weights by bucket, from one JSON document with what it was trained on.

Pure. ``parse`` refuses what is not exactly in the form: a router is data from a file that an operator may name. The digest is that
of the whole document, and goes into every record that the router had a part in.
"""

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.canonical import digest
from audit.vocabulary import MILLIONTHS
from proxy.core.routing.features import BUCKETS, Group
from proxy.errors import ConfigurationError

FORMAT = 2
MAX_BYTES = 4 * 1024 * 1024
DIMENSIONS = 512
"""Length of an embedding."""
HALF = 128
WIDE = 4
"""Bytes of a weight of ``ease`` that was moved by feedback."""
MOST = 2 ** (8 * WIDE - 1) - 1
"""Millionths that such a weight may have."""
Row = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Rows of whole numbers, one a class: by bucket, and by dimension of an embedding where it reads one. ``unit``: millionths."""

    unit: int
    rows: tuple[Row, ...] = field(repr=False)
    dense_unit: int = 0
    dense: tuple[Row, ...] = field(default=(), repr=False)

    def scores(self, groups: Sequence[Group], embedding: Sequence[int] = ()) -> tuple[float, ...]:
        """Log-odds by row, up to a constant. ``embedding``: signed bytes, its length where the head reads one."""
        scale, dense_scale = self.unit / MILLIONTHS, self.dense_unit / MILLIONTHS
        found = [
            sum(group.value * sum(map(row.__getitem__, group.buckets)) for group in groups) * scale for row in self.rows
        ]
        for i, row in enumerate(self.dense):
            found[i] += sum(map(int.__mul__, row, embedding)) * dense_scale
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What a router knows. ``plain`` reads a prompt alone, ``embedded`` its embedding too (None: it was not trained).

    ``ease``: one row, log-odds that a cheap model answers right; ``usual_ease``: its mean over the training prompts, millionths.
    """

    digest: str
    trained_on: str
    plain: Head
    embedded: Head | None
    ease: Head
    usual_ease: int


def parse(content: bytes) -> Model:
    """The model of a document. Raises ``ConfigurationError``."""
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"at most {MAX_BYTES} bytes")
        raw = json.loads(content)
        if raw["format"] != FORMAT:
            raise ValueError(f"format {FORMAT}")
        embedded = raw["embedded"]
        usual = _integer(raw["usual_ease"], MILLIONTHS)
        return Model(
            digest=str(digest(content)),
            trained_on=str(raw["trained_on"]["digest"]),
            plain=_head(raw["plain"], 4),
            embedded=None if embedded is None else _head(embedded, 4, dense=True),
            ease=_ease(raw["ease"]),
            usual_ease=usual,
        )
    except (ValueError, KeyError, TypeError, binascii.Error, zlib.error, RecursionError) as cause:
        raise ConfigurationError(f"expected a router of format {FORMAT}: {cause}", code="router-unreadable") from None


def _head(raw: Mapping[str, Any], rows: int, *, dense: bool = False) -> Head:
    return Head(
        unit=_integer(raw["unit"], 1000 * MILLIONTHS),
        rows=_rows(raw["rows"], rows, BUCKETS),
        dense_unit=_integer(raw["dense_unit"], 1000 * MILLIONTHS) if dense else 0,
        dense=_rows(raw["dense"], rows, DIMENSIONS) if dense else (),
    )


def _ease(raw: Mapping[str, Any]) -> Head:
    if "bytes" not in raw:
        return _head(raw, 1)
    if raw["bytes"] != WIDE:
        raise ValueError(f"`bytes` of {WIDE}")
    content = _opened(raw["rows"], BUCKETS * WIDE)
    return Head(unit=_integer(raw["unit"], 1000 * MILLIONTHS), rows=(struct.unpack(f">{BUCKETS}i", content),))


def _integer(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise ValueError(f"a whole number from 1 to {most}")
    return value


def _rows(text: str, rows: int, length: int) -> tuple[Row, ...]:
    content = _opened(text, rows * length)
    return tuple(tuple(b - HALF for b in content[i : i + length]) for i in range(0, len(content), length))


def _opened(text: str, size: int) -> bytes:
    content = zlib.decompressobj().decompress(base64.b85decode(text), size + 1)
    if len(content) != size:
        raise ValueError(f"{size} bytes of weights")
    return content


def exact(row: Sequence[int]) -> dict[str, object]:
    """A row of millionths to the digit: weights that move by less than a signed byte tells. Raises ``ValueError``."""
    if max(map(abs, row), default=0) > MOST:
        raise ValueError(f"expected weights of at most {MOST // MILLIONTHS} log-odds, got more")
    content = struct.pack(f">{len(row)}i", *row)
    return {"unit": 1, "bytes": WIDE, "rows": base64.b85encode(zlib.compress(content, 9)).decode()}


def packed(rows: Sequence[Sequence[float]]) -> tuple[int, str]:
    """Millionths of one step, and rows as signed bytes, compressed, in base 85."""
    most = max((abs(w) for row in rows for w in row), default=0.0)
    unit = max(1, round(most / (HALF - 1) * MILLIONTHS))
    steps = bytes(max(-127, min(127, round(w * MILLIONTHS / unit))) + HALF for row in rows for w in row)
    return unit, base64.b85encode(zlib.compress(steps, 9)).decode()
