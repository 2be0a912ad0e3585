"""From a score to how often answers with such a score were right: one rising step map for each way of ending a vote.

Pure. Fitted on recorded answers by pool-adjacent-violators (isotonic regression; Zadrozny and Elkan 2002) on one part of the
questions and judged on the other; a score that no map covers stays as it is, and the name of the method says which it was.
"""

import json
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from audit.canonical import digest
from audit.vocabulary import MILLIONTHS
from proxy.errors import ConfigurationError

FORMAT = 1
MAX_BYTES = 256 * 1024
MAX_STEPS = 200
RAW = "log-odds"
CALIBRATED = "isotonic"


@dataclass(frozen=True, slots=True)
class Steps:
    """Scores up to ``upto`` (rising, the last one is the whole) mean ``share``; millionths. Beyond the last: its share."""

    upto: tuple[int, ...]
    share: tuple[int, ...]

    def of(self, score: int) -> int:
        """The share at a score."""
        return self.share[min(bisect_left(self.upto, score), len(self.share) - 1)]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps by method, under the digest of their document; the empty one leaves everything as it is."""

    digest: str = ""
    maps: Mapping[str, Steps] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, method: str, score: int) -> int:
        """Confidence of a score that a method gave, millionths; nothing is certain."""
        known = self.maps.get(method)
        return score if known is None else min(known.of(score), MILLIONTHS - 1)

    def name(self, method: str) -> str:
        """What the confidence is, for the record."""
        return f"{CALIBRATED}:{self.digest}" if method in self.maps else RAW


NONE = Calibration()


def parse(content: bytes) -> Calibration:
    """The maps of a document. Raises ``ConfigurationError``."""
    try:
        raw = json.loads(content)
        if raw["format"] != FORMAT:
            raise ValueError(f"format {FORMAT}")
        maps = {str(method): _steps(found) for method, found in raw["maps"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise ConfigurationError(
            f"expected calibration maps of format {FORMAT}: {cause}", code="calibration-unreadable"
        ) from None
    return Calibration(digest=str(digest(content)), maps=MappingProxyType(maps))


def _steps(found: list[list[Any]]) -> Steps:
    upto, share = tuple(step[0] for step in found), tuple(step[1] for step in found)
    numbers = [n for n in (*upto, *share) if isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MILLIONTHS]
    if not 0 < len(upto) <= MAX_STEPS or len(numbers) != 2 * len(upto):
        raise ValueError(f"1 to {MAX_STEPS} steps of two whole numbers up to {MILLIONTHS}")
    if list(upto) != sorted(set(upto)) or list(share) != sorted(share):
        raise ValueError("steps that rise")
    return Steps(upto, share)
