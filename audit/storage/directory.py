"""Tiles and the checkpoint on a directory: every file durable before its name can be read (C2SP tlog-tiles, "Parameters").

Tiles never change: writing one that is there compares, and another content is a broken history. The checkpoint is replaced
by larger ones only. All methods raise ``OSError`` where the disk does not do it.
"""

import contextlib
import fcntl
import os
import re
import socket
from pathlib import Path

from audit import checkpoint, durable, layout, reading, tiles
from audit.errors import HistoryError, MalformedError
from audit.tiles import CHECKPOINT_PATH, WIDTH

LOCK = "lock"
"""File of a data directory that its one writing process holds locked."""
_GUARD = ".checkpoint.lock"
"""Who holds it compares and replaces the checkpoint: of two processes, the slower must not put back an older one."""

_LONGEST_HOLDER = 300
_HOLDER = re.compile(rb"([0-9]{1,10}) ([A-Za-z0-9._-]{1,255})\n", re.ASCII)


class TileDirectory:
    """The files of one log below ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: set[Path] = set()

    def read(self, path: str) -> bytes:
        """Content of a file; raises ``FileNotFoundError``, ``MalformedError`` for one that is too long."""
        return reading.bounded(self._root / layout.safe_path(path), layout.longest(path), path)

    def write_tile(self, path: str, content: bytes) -> None:
        """Write one immutable file, durably. Raises ``HistoryError`` if it is there with another content."""
        place = self._root / layout.safe_path(path)
        if place.exists():
            if not is_file_of(place, content):
                raise HistoryError(f"expected `{path}` as it was signed, got another content", code="tile-changed")
            return
        self._make(place.parent)
        durable.replace(place, content)

    def replace_checkpoint(self, note: str) -> None:
        """Publish a checkpoint. Raises ``HistoryError`` if a larger one, or another of that size, is published.

        Signature lines that the same checkpoint carries already stay on it.
        """
        self._make(self._root)
        # Closed to others: whoever can open a file can hold its lock, and nothing would be published again.
        guard = os.open(self._root / _GUARD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(guard, 0o600)  # an earlier release left it open
            fcntl.flock(guard, fcntl.LOCK_EX)
            self._compare_and_replace(note)
        finally:
            os.close(guard)

    def _compare_and_replace(self, note: str) -> None:
        place = self._root / CHECKPOINT_PATH
        following = succeeding(self.read(CHECKPOINT_PATH), note) if place.exists() else note
        if following is not None:
            durable.replace(place, following.encode())

    def drop_partials(self, path: str) -> None:
        """Delete the partial forms of a full tile that is on disk; readers fall back to the full one."""
        folder = self._root / f"{layout.safe_path(path)}.p"
        if tiles.parse_path(path).width == WIDTH:
            remove_folder(folder)

    def _make(self, folder: Path) -> None:
        """Create a folder with its parents, durably; remembered, as every publication asks."""
        if folder in self._made:
            return
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in missing:
            durable.sync_folder(each.parent)
        self._made.add(folder)


def succeeding(published: bytes, note: str) -> str | None:
    """What to publish in place of a checkpoint; None if it stays. Raises ``HistoryError`` (``log-ahead``, ``log-differs``,
    ``history-broken`` for what is no checkpoint).

    Signature lines that the same checkpoint carries already stay on it.
    """
    given = checkpoint.parse(note)
    new = checkpoint.parse_text(given.text)
    try:
        found = checkpoint.parse_bytes(published)
        current = checkpoint.parse_text(found.text)
    except MalformedError as cause:
        raise HistoryError(
            f"expected the published checkpoint of `{new.origin}`, got something else: {cause}"
        ) from cause
    if current.origin != new.origin:
        raise HistoryError(f"expected the published log `{new.origin}`, got `{current.origin}`", code="log-differs")
    if current.size > new.size or (current.size == new.size and current.root != new.root):
        raise HistoryError(
            f"expected the published log below {new.size} entries, it has {current.size}", code="log-ahead"
        )
    if found.text != given.text:
        return note
    merged = checkpoint.merged(found, given.signatures).raw
    return None if merged == found.raw else merged


def is_file_of(place: Path, content: bytes) -> bool:
    """Whether a place is a regular file with a content; a pipe there is not waited for."""
    return place.is_file() and place.stat().st_size == len(content) and place.read_bytes() == content


def remove_folder(folder: Path) -> None:
    """Delete a folder of files, if it is there; of a link the link, and nothing where it leads."""
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        for each in folder.iterdir():
            each.unlink(missing_ok=True)
        folder.rmdir()


def lock(path: Path) -> int:
    """Descriptor of an exclusively locked file; the lock ends with the process. Raises ``HistoryError`` (``log-in-use``).

    Whoever holds it says so in the file, for people: what another process reads there decides nothing.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        holder = _holder(handle)
        os.close(handle)
        raise HistoryError(
            f"expected to be the only process that writes `{path.parent}`, {holder} does: stop it, or wait for its end",
            code="log-in-use",
        ) from cause
    with contextlib.suppress(OSError):  # a full disk is no reason not to hold it
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()} {socket.gethostname()}\n".encode()[:_LONGEST_HOLDER], 0)
    return handle


def _holder(handle: int) -> str:
    found = _HOLDER.fullmatch(os.pread(handle, _LONGEST_HOLDER, 0))
    return f"process {found[1].decode()} on `{found[2].decode()}`" if found else "another one"
