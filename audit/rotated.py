"""What came of a rotation: the value that ``audit.rotation`` gives. Pure, so that telling about it needs no store."""

from dataclasses import dataclass

from audit.checkpoint import Checkpoint
from audit.vocabulary import EndReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The old log's final checkpoint and where it is now; the new log's origin, verifier key, and URI of its key.

    ``trusted``: text of the newest checkpoint that the operator vouches for, of a log whose key may be in other hands; else "".
    """

    final: Checkpoint
    ended: str
    origin: str
    vkey: str
    log_key: str
    reason: EndReason
    trusted: str
