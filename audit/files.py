"""A set of files as a value: a way to read one by its path, and to list them. What is verified comes in this form.

Paths are relative, with ``/``. Nothing here does I/O by itself: ``audit.datadir`` makes these from directories,
``in_memory`` from a mapping.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from audit import canonical
from audit.vocabulary import Sha256Hex

Read = Callable[[str], bytes]
"""Bytes of a file; raises ``FileNotFoundError`` where there is none."""


def _nothing() -> Iterable[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files below one place. ``listing`` may be slow and may stay empty where files cannot be listed.

    ``digest_of``: SHA-256 of a file without holding it in memory; None: from ``read``.
    """

    read: Read
    listing: Callable[[], Iterable[str]] = _nothing
    digest_of: Callable[[str], Sha256Hex] | None = None

    def below(self, prefix: str) -> "Files":
        """The files whose paths begin with ``prefix``, by the rest of their paths."""

        def listed() -> Iterator[str]:
            return (path[len(prefix) :] for path in self.listing() if path.startswith(prefix))

        digest_of = self.digest_of
        return Files(
            read=lambda path: self.read(prefix + path),
            listing=listed,
            digest_of=None if digest_of is None else lambda path: digest_of(prefix + path),
        )

    def without(self, prefix: str) -> "Files":
        """The files whose paths do not begin with ``prefix``."""
        return Files(
            read=self.read,
            listing=lambda: (path for path in self.listing() if not path.startswith(prefix)),
            digest_of=self.digest_of,
        )

    def digest(self, path: str) -> Sha256Hex:
        """SHA-256 of a file; raises ``FileNotFoundError``."""
        return self.digest_of(path) if self.digest_of else canonical.digest(self.read(path))


def in_memory(files: Mapping[str, bytes]) -> Files:
    """Files of a mapping from path to bytes."""

    def read(path: str) -> bytes:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    return Files(read=read, listing=lambda: tuple(files))
