"""Records that this process rendered a moment ago, by the digest of their bytes: whoever meets the same bytes in the log need not
read them again.

Only that: what is in the log is looked up, never what should be in it, so another text finds nothing. Bounded; what is not here is
read. Safe under threads without a lock: a lost entry costs one reading, never a wrong record.
"""

import hashlib

from audit.statement import DecisionRecord, ResultRecord

KEPT = 1024
"""Records, about three megabytes: what a publish interval leaves to be read, under load."""

Record = DecisionRecord | ResultRecord


class Recent:
    """At most ``limit`` records, in two generations: the older one goes when the newer is full. 0 keeps none."""

    __slots__ = ("_fresh", "_limit", "_old")

    def __init__(self, limit: int = KEPT) -> None:
        self._limit = limit // 2
        self._fresh: dict[bytes, Record] = {}
        self._old: dict[bytes, Record] = {}

    def keep(self, content: bytes, record: Record) -> bytes:
        """Keep a record under the bytes that it was rendered as; gives them."""
        if self._limit:
            if len(self._fresh) >= self._limit:
                self._old, self._fresh = self._fresh, {}
            self._fresh[hashlib.sha256(content).digest()] = record
        return content

    def take(self, content: bytes) -> Record | None:
        """The record that was rendered as exactly these bytes; given once."""
        if not self._limit:
            return None
        digest = hashlib.sha256(content).digest()
        return self._fresh.pop(digest, None) or self._old.pop(digest, None)


NOTHING = Recent(0)
"""For whoever reads what others rendered."""
