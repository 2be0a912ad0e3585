"""Time at the edge: the one place that asks the machine, so that everything else takes it as an argument."""

import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """The machine's clocks, in microseconds."""

    def unix_us(self) -> int:
        """Since 1970, UTC: the machine's own claim."""
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        """Of a clock that never steps."""
        return time.monotonic_ns() // 1000


def timestamp(unix_us: int) -> str:
    """RFC 3339 in UTC with six digits, as records carry it."""
    return instant(unix_us).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def instant(unix_us: int) -> datetime:
    """The same as an aware datetime."""
    return _EPOCH + timedelta(microseconds=unix_us)
