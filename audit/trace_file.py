"""Traces as OTLP JSON lines in a folder: ``otlp.jsonl``, and ``otlp.000001.jsonl`` … once a file is full.

A sink of ``audit.trace_feed``. What it wrote is durable before it says so, and it can go back to any such mark, so every
trace is in the files exactly once even if the process died in the middle of a line. Format: OpenTelemetry protocol file
exporter (one signal, one ``TracesData`` a line).
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from audit import durable, otlp
from audit.spans import Span

CURRENT = "otlp.jsonl"
MAX_BYTES = 256 * 1024 * 1024
"""A file is closed once it is at least this long; a trace is never split."""

_ROTATED = re.compile(r"otlp\.[0-9]{6,}\.jsonl", re.ASCII)


class TraceFile:
    """Writer of the files. One process at a time: the cursor's owner."""

    name = "file"

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._file: BinaryIO | None = None
        self._part = 1
        self._size = 0

    def resume(self, mark: Mapping[str, int]) -> None:
        """Go back to a mark: what was written after it is cut off. An empty mark starts all files anew.

        Raises ``OSError``.
        """
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not mark:
            self._remove_all()
        self._part, size = mark.get("part", 1), mark.get("bytes", 0)
        if self._rotated().exists():
            # Died after the rename and before the cursor: whatever the new file holds was never confirmed.
            self._part, size = self._part + 1, 0
        self._open()
        if self._size > size:
            assert self._file is not None
            self._file.truncate(size)
            self._size = size

    def deliver(self, batch: Sequence[tuple[Span, ...]]) -> Mapping[str, int]:
        """Append one line per trace; durable when it returns the new mark. Raises ``OSError``."""
        if self._size >= self._max_bytes:
            self._rotate()
        if self._file is None:
            self._open()
        assert self._file is not None
        content = b"".join(otlp.line(spans) for spans in batch)
        self._file.write(content)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._size += len(content)
        return {"part": self._part, "bytes": self._size}

    def close(self) -> None:
        """Close the file; nothing is lost by not calling it."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()

    def _open(self) -> None:
        self._file = durable.appending(self._folder / CURRENT)
        self._size = os.fstat(self._file.fileno()).st_size
        durable.sync_folder(self._folder)

    def _rotate(self) -> None:
        self.close()
        (self._folder / CURRENT).rename(self._rotated())
        durable.sync_folder(self._folder)
        self._part += 1
        self._size = 0

    def _rotated(self) -> Path:
        return self._folder / f"otlp.{self._part:06}.jsonl"

    def _remove_all(self) -> None:
        for place in self._folder.iterdir():
            if place.name == CURRENT or _ROTATED.fullmatch(place.name):
                place.unlink()
