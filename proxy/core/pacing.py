"""How often somebody may do something: a bucket of tokens for each, refilled evenly. Pure: time is given."""

from collections.abc import Hashable

MINUTE_US = 60_000_000
MAX_KNOWN = 10_000
"""Buckets that are kept; beyond, those that have been full again for longest are forgotten first."""


class Pace:
    """``per_minute`` acts for each of any number of keys, as many at once."""

    def __init__(self, per_minute: int) -> None:
        self._most = per_minute * MINUTE_US
        self._rate = per_minute
        self._left: dict[Hashable, tuple[int, int]] = {}

    def wait_us(self, key: Hashable, now_us: int) -> int:
        """Take one act; 0 if it may be done, else how long to wait, microseconds. ``now_us``: of a clock that never steps."""
        left, since = self._left.pop(key, (self._most, now_us))
        left = min(self._most, left + (now_us - since) * self._rate)
        allowed = left >= MINUTE_US
        self._left[key] = (left - MINUTE_US if allowed else left, now_us)
        if len(self._left) > MAX_KNOWN:
            del self._left[next(iter(self._left))]
        return 0 if allowed else -(-(MINUTE_US - left) // self._rate)
