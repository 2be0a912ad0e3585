"""Times of records as integers: RFC 3339 text to microseconds since 1970 (UTC).

A record's time is the writer's own claim. Refuses text without a time zone, because the same text would then mean
another moment on another machine.
"""

from datetime import UTC, datetime, timedelta

from audit.errors import MalformedError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment(text: str) -> datetime:
    """Moment of an RFC 3339 text, in UTC; raises ``MalformedError`` (code ``instant``)."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is UTC:
            return found
        if found.tzinfo is None:
            raise MalformedError("expected a time with a zone, got one without", code="instant")
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as cause:
        raise MalformedError("expected an RFC 3339 time", code="instant") from cause


def micros(text: str) -> int:
    """Microseconds since 1970 of an RFC 3339 text; raises ``MalformedError`` (code ``instant``), also before 1970."""
    found = (moment(text) - _EPOCH) // _MICROSECOND
    if found < 0:
        raise MalformedError("expected a time after 1970", code="instant")
    return found
