"""A store and a directory that die at a step of sequencing, before or after doing it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audit import keyring, keys, layout
from audit.log import utc_now
from audit.signers.opening import KeyPlaces
from audit.storage.base import MAIN, Sequenced
from audit.storage.directory import TileDirectory
from audit.storage.sqlite import Store


class Died(Exception):
    """The process is gone."""


@dataclass
class Failing:
    """Fails at a step, before or after doing it."""

    step: str
    after: bool
    seen: list[str] = field(default_factory=list)

    def around(self, name: str, act: Callable[[], None]) -> None:
        self.seen.append(name)
        if name == self.step and not self.after:
            raise Died
        act()
        if name == self.step:
            raise Died


class Disk(TileDirectory):
    """A directory whose writes may fail."""

    def __init__(self, root: Path, failing: Failing) -> None:
        super().__init__(root)
        self._failing = failing

    def write_tile(self, path: str, content: bytes) -> None:
        parent = super()
        self._failing.around("tile", lambda: parent.write_tile(path, content))

    def replace_checkpoint(self, note: str) -> None:
        parent = super()
        self._failing.around("checkpoint", lambda: parent.replace_checkpoint(note))


class Base(Store):
    """A store whose commits may fail."""

    def arm(self, failing: Failing) -> None:
        self._failing = failing

    def sequence(self, batches: Sequence[Sequenced]) -> None:
        parent = super()
        self._failing.around("sequence", lambda: parent.sequence(batches))

    def unstage(self, logs: Sequence[str] = (MAIN,)) -> None:
        parent = super()
        self._failing.around("unstage", lambda: parent.unstage(logs))


def opened_keys(root: Path) -> tuple[keys.LogSigner, object]:
    """The keys of a log."""
    return keyring.open_keys(root / layout.KEYS, KeyPlaces(), utc_now())
