"""One guard of the table."""

from typing import NamedTuple


class Guard(NamedTuple):
    """``instead`` replaces ``text``, which is in ``file`` once; ``test`` must fail then."""

    name: str
    file: str
    text: str
    instead: str
    test: str
