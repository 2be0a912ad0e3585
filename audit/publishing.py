"""What stands around a log besides its directory and its keys: clock, witnesses, timestamp authorities, a bucket."""

from dataclasses import dataclass, field
from pathlib import Path

from audit.log import Clock, Log, utc_now
from audit.signers.opening import KeyPlaces
from audit.stamper import Stamper
from audit.storage.copying import BucketAddress
from audit.witnessing import Witnesses


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """Who sees a log's checkpoints before anyone else, for commands that end one log and begin another."""

    clock: Clock = utc_now
    witnesses: Witnesses = field(default_factory=Witnesses)
    stamper: Stamper = field(default_factory=Stamper)
    bucket: BucketAddress | None = None

    def opened(self, root: Path, places: KeyPlaces, *, rotating: bool = False) -> Log:
        """The log of a data directory; closing it closes the connections of this. Raises as ``Log.open``."""
        return Log.open(
            root,
            places=places,
            clock=self.clock,
            publish_interval_s=0.05,
            witnesses=self.witnesses,
            stamper=self.stamper,
            bucket=self.bucket,
            rotating=rotating,
        )
