"""What the log's writer tells whoever timestamps its checkpoints (``audit.timestamper``), and how that is doing."""

from dataclasses import dataclass
from datetime import datetime

from audit.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class StampStatus:
    """What is known of an authority. ``size``: entries under its newest token; ``at``: the time in it, if it is of this start;
    ``failing``: code of what is wrong, or ""; ``failures``: how often, since the start.
    """

    authority: str
    size: int
    at: datetime | None
    failing: str
    failures: int


class Stamper:
    """Nobody who timestamps."""

    def start(self) -> None:
        """Begin, before the first checkpoint. Raises ``OSError``."""

    def hold(self, note: str, tree: Checkpoint) -> None:
        """Take a checkpoint that is about to be published, maybe in several tries. Raises ``EvidenceUnavailable`` to hold it back."""

    @property
    def status(self) -> tuple[StampStatus, ...]:
        """What is known of each authority."""
        return ()

    def close(self) -> None:
        """End."""
