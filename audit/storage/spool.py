"""The spool: groups of rows, durable in one local file, until the record store takes them (format: ``audit.storage.frames``).

Append-only and bounded. A group is one frame, on disk when ``append`` returns. What dies in the middle of that leaves a torn
last frame, which the next ``open`` cuts: nobody was told of it. A damaged frame before the last is another matter: there were
records, and starting without them would hide it.

After a failed ``fsync`` nobody knows what is on disk, so the spool takes nothing more until a new process has read it again.
"""

import fcntl
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from audit import durable
from audit.errors import EvidenceUnavailable, HistoryError
from audit.storage import frames
from audit.storage.base import Row

_log = logging.getLogger(__name__)


class Spool:
    """One file, one process. Not safe under threads, but ``peek`` may run beside ``append``."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        """Open or create the file, and cut a torn end.

        Raises ``HistoryError``: ``spool-in-use``, ``spool-damaged``; ``EvidenceUnavailable`` (``spool-unwritable``).
        """
        self._max = max_bytes
        self._failed = False
        self._peeked = (0, 0)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as cause:
            raise EvidenceUnavailable(
                f"the spool `{path}` cannot be opened: {cause.strerror}", code="spool-unwritable"
            ) from cause
        try:
            self._take(path)
        except BaseException:
            os.close(self._file)
            raise

    def _take(self, path: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            raise HistoryError(
                f"expected to be the only user of the spool `{path}`, got another process (`fuser` tells which)",
                code="spool-in-use",
            ) from cause
        try:
            self._start, self._end, self._rows = 0, *self._recovered(path)
            durable.sync_folder(path.parent)
        except OSError as cause:
            raise EvidenceUnavailable(
                f"the spool `{path}` cannot be read: {cause.strerror}", code="spool-unwritable"
            ) from cause

    def _recovered(self, path: Path) -> tuple[int, int]:
        """End of the last whole frame, and the number of rows up to it; what is after it is cut."""
        size, place, rows = os.fstat(self._file).st_size, 0, 0
        while (frame := self._frame(place, size)) is not None:
            place += len(frame)
            rows += len(frames.decode(frame))
        if place < size:
            self._check_torn(path, place, size)
            _log.warning("the spool ended in the middle of a group that nobody was told of: %d bytes cut", size - place)
            os.ftruncate(self._file, place)
            os.fsync(self._file)
        return place, rows

    def _frame(self, place: int, end: int) -> bytes | None:
        """The whole frame at a place before ``end``, or None."""
        length = frames.length_of(os.pread(self._file, frames.HEADER.size, place))
        if length is None or place + length > end:
            return None
        frame = os.pread(self._file, length, place)
        return frame if frames.is_whole(frame) else None

    def _check_torn(self, path: Path, place: int, size: int) -> None:
        """Raise unless the rest is one torn frame: a whole one after it was durable later than the one that is damaged."""
        rest = os.pread(self._file, size - place, place)
        found = rest.find(frames.MAGIC, 1)
        while found >= 0:
            if self._frame(place + found, size) is not None:
                raise HistoryError(
                    f"expected whole groups of records in the spool `{path}`, got a damaged one at byte {place}; "
                    "keep a copy, and see what is missing",
                    code="spool-damaged",
                )
            found = rest.find(frames.MAGIC, found + 1)

    @property
    def rows(self) -> int:
        """Rows that the record store does not have yet."""
        return self._rows

    def append(self, rows: Sequence[Row]) -> None:
        """Make a group durable. Raises ``EvidenceUnavailable``: ``spool-full``, ``spool-unwritable``; then it is not there.

        Raises ``HistoryError`` (``spool-failed``) once nobody knows any more what is on disk.
        """
        if self._failed:
            raise HistoryError("expected a spool whose content is known; a restart reads it again", code="spool-failed")
        frame = frames.encode(rows)
        if self._end + len(frame) > self._max:
            raise EvidenceUnavailable("the spool has reached its limit", code="spool-full")
        try:
            self._write(frame)
        except OSError as cause:
            self._cut(cause)
            raise EvidenceUnavailable(
                f"the spool cannot be written: {cause.strerror}", code="spool-unwritable"
            ) from cause
        try:
            os.fdatasync(self._file)
        except OSError as cause:
            self._failed = True
            raise HistoryError(f"the spool cannot be made durable: {cause.strerror}", code="spool-failed") from cause
        self._end += len(frame)
        self._rows += len(rows)

    def _write(self, frame: bytes) -> None:
        view, place = memoryview(frame), self._end
        while view:
            done = os.pwrite(self._file, view, place)
            view, place = view[done:], place + done

    def _cut(self, cause: OSError) -> None:
        """Take back a frame that was written in part: read again, it must not be there."""
        try:
            os.ftruncate(self._file, self._end)
        except OSError:
            self._failed = True
            raise HistoryError(f"the spool cannot be taken back: {cause.strerror}", code="spool-failed") from cause

    def peek(self, limit: int) -> list[Row]:
        """The oldest rows, about ``limit`` of them, in whole groups; raises ``EvidenceUnavailable``."""
        rows: list[Row] = []
        place = self._start
        try:
            while len(rows) < limit and (frame := self._frame(place, self._end)) is not None:
                rows += frames.decode(frame)
                place += len(frame)
        except OSError as cause:
            raise EvidenceUnavailable(f"the spool cannot be read: {cause.strerror}", code="spool-unwritable") from cause
        if not rows and self._rows:
            raise HistoryError(f"expected a whole group of records in the spool at byte {place}", code="spool-damaged")
        self._peeked = (place, len(rows))
        return rows

    def drop_peeked(self) -> None:
        """The store has what ``peek`` gave last; an empty spool gives its space back."""
        self._start, taken = self._peeked
        self._rows -= taken
        self._peeked = (self._start, 0)
        if self._start == self._end:
            # Dying before this is on disk leaves rows that the store has: it takes none of them twice.
            try:
                os.ftruncate(self._file, 0)
            except OSError as cause:
                _log.warning("the spool cannot give its space back: %s", cause.strerror)
                return
            self._start = self._end = 0

    def close(self) -> None:
        """Let go of the file; what is in it stays."""
        os.close(self._file)
