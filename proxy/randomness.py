"""Random bytes from the operating system, drawn in larger pieces: each draw lets go of the interpreter's lock, and waits for it."""

import os

PIECE = 4096


class Randomness:
    """Bytes of ``os.urandom``, each handed out once. For one thread."""

    __slots__ = ("_at", "_piece")

    def __init__(self) -> None:
        self._piece = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Fresh bytes, at most ``PIECE``."""
        if self._at + size > len(self._piece):
            self._piece, self._at = os.urandom(PIECE), 0
        self._at += size
        return self._piece[self._at - size : self._at]
