"""A data directory whose log ended twice: requests of half a year in three logs, written by the product at a clock of its own."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from audit import founding, layout, rotation
from audit.log import Log
from audit.log_ending import Publishing
from audit.rotation_plan import Asked
from audit.signers.opening import KeyPlaces
from audit.tiles import CHECKPOINT_PATH
from audit.vocabulary import EndReason
from tests.simulators import appending

FIRST, SECOND, THIRD = "log.example/one", "log.example/two", "log.example/three"
PLACES = KeyPlaces()
OCTOBER, NOVEMBER, DECEMBER, JANUARY, FEBRUARY, MARCH = (
    datetime(2025 + (month < 10), month, 10, 12, tzinfo=UTC) for month in (10, 11, 12, 1, 2, 3)
)
"""One request of each month: ``r-10``, ``r-11``, ``r-12``, ``r-1``, ``r-2``, ``r-3``; two in each log."""


@dataclass(frozen=True)
class Chain:
    """The directory, and the log keys of the logs that ended, which their operator should have destroyed and did not."""

    root: Path
    keys: tuple[bytes, ...]

    def copy(self, place: Path) -> "Chain":
        """Another one like it, to be changed."""
        shutil.copytree(self.root, place)
        return Chain(place, self.keys)

    def use(self, at: datetime, *requests: str) -> None:
        """Append requests to the log that goes on."""
        use(self.root, at, *requests)

    def rotate(self, at: datetime, origin: str) -> None:
        """End the log and begin another."""
        rotate(self.root, at, origin)

    def log(self, number: int) -> Path:
        """The data directory of a log, 0 the oldest, 2 the one that goes on."""
        return self.root / f"{layout.ENDED}{number}" if number < 2 else self.root

    def checkpoint(self, number: int) -> bytes:
        """A log's checkpoint."""
        return (self.log(number) / layout.LOG / CHECKPOINT_PATH).read_bytes()

    def trust(self, place: Path) -> Path:
        """An auditor's folder with the keys of all logs."""
        place.mkdir()
        shutil.copy(self.root / layout.KEYS / layout.ROOT_CERTIFICATE, place)
        vkeys = [(self.log(n) / layout.KEYS / layout.LOG_VKEY).read_bytes() for n in range(3)]
        (place / layout.LOG_VKEY).write_bytes(b"".join(vkeys))
        return place


def made(root: Path) -> Chain:
    """Two requests, the end of a log, two requests, the end of a log, two requests."""
    founding.init(root, origin=FIRST, clock=lambda: OCTOBER)
    appending.keep_policies(root)
    use(root, OCTOBER, "r-10")
    use(root, NOVEMBER, "r-11")
    first = (root / "keys/log.key.pem").read_bytes()
    rotate(root, NOVEMBER, SECOND)
    use(root, DECEMBER, "r-12")
    use(root, JANUARY, "r-1")
    second = (root / "keys/log.key.pem").read_bytes()
    rotate(root, JANUARY, THIRD)
    use(root, FEBRUARY, "r-2")
    use(root, MARCH, "r-3")
    return Chain(root, (first, second))


def use(root: Path, at: datetime, *requests: str) -> None:
    """Append requests at a time, and close the log."""
    log = Log.open(root, clock=lambda: at, publish_interval_s=0.02)
    for each in requests:
        appending.request(log, each, at=at)
    log.close()


def rotate(root: Path, at: datetime, origin: str, reason: EndReason = EndReason.ROTATED) -> None:
    """End the log of a directory at a time."""
    rotation.rotate(root, Asked(origin=origin, reason=reason), PLACES, Publishing(clock=lambda: at))
