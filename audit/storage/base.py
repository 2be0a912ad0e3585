"""What a record store offers to the writer: records, the scopes they belong to, and the head of every log.

A log is named: ``MAIN`` holds every record, each other one the records of its scope, in the order of the main log. A record
and its memberships are one transaction, so no record is ever without the logs that it says it is in.
Every method raises ``EvidenceUnavailable`` if the store cannot do it now. One thread owns a store.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from audit.vocabulary import Kept

MAIN = ""
"""Name of the log of every record. Others are named after their scope."""


class Row(NamedTuple):
    """A record as it is stored. ``leaf``: its log entry; ``scopes``: names of the logs it is in besides the main one."""

    request_id: str
    kind: str
    epoch: str
    seq: int
    envelope: bytes
    leaf: bytes
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequenced:
    """A batch that gets its place in one log: rows in order from index ``old_size``, files, the new checkpoint."""

    log: str = MAIN
    ids: Sequence[int]
    old_size: int
    size: int
    checkpoint: str
    files: Sequence[tuple[str, bytes]]


class RecordStore(Protocol):
    """The writing side of a record store."""

    def reopen(self) -> None:
        """Forget the connection and what it may hold in memory; what was committed is durable after it."""
        ...

    def close(self) -> None:
        """Close the connection; nothing is lost by it."""
        ...

    @property
    def away(self) -> bool:
        """Whether rows are kept on this machine, because the store does not answer; then nothing but ``insert`` works."""
        ...

    @property
    def spooled(self) -> int:
        """Rows that are durable on this machine and not in the store yet."""
        ...

    def lead(self) -> int:
        """Become, or stay, the one process that sequences: the number of its term, or 0 where another process is.

        A new number says that others may have sequenced since the last one.
        """
        ...

    def step_down(self) -> None:
        """Let another process sequence, where there can be one."""
        ...

    def insert(self, rows: Sequence[Row]) -> Kept:
        """Make rows durable with their memberships, all or none."""
        ...

    def logs(self) -> list[str]:
        """Names of the logs that have a head, the main one first."""
        ...

    def pending(self) -> list[str]:
        """Names of the scopes' logs that have records without a place; ``MAIN`` is never among them."""
        ...

    def open_log(self, log: str, checkpoint: str) -> None:
        """Give a scope its log, empty, with its signed checkpoint. One that has a head keeps it."""
        ...

    def unsequenced(self, log: str, limit: int) -> list[tuple[int, bytes]]:
        """Id and entry of rows without a place in a log: oldest first in the main log, in its order in another.

        A row is offered to a scope's log once it has its place in the main one.
        """
        ...

    def sequence(self, batches: Sequence[Sequenced]) -> None:
        """Give rows their places, stage files and swap the heads, in one transaction; at most one batch a log.

        Raises ``HistoryError`` (``head-moved``) if a head is not where its batch began: another writer was here.
        """
        ...

    def staged(self, log: str) -> list[tuple[str, bytes]]:
        """Files of a log that may not be on disk yet, in the order in which to write them."""
        ...

    def unstage(self, logs: Sequence[str] = (MAIN,)) -> None:
        """The staged files of these logs are on disk."""
        ...

    def head(self, log: str) -> tuple[int, str]:
        """Size and signed checkpoint of a log. Raises ``HistoryError`` (``head-missing``)."""
        ...

    def next_seq(self, epoch: str, after_id: int) -> int:
        """Sequence number that the epoch's next record takes. ``after_id``: a row older than the epoch."""
        ...

    def of_epoch(self, epoch: str, after_id: int, first_seq: int) -> list[bytes]:
        """Envelopes of an epoch's records from a number on, in their order; as ``next_seq`` otherwise."""
        ...

    def orphans(self, after_id: int) -> list[tuple[str, bytes]]:
        """Request id and envelope of decisions after a row that have no result."""
        ...

    def last_id(self) -> int:
        """Id of the newest row; 0 if there is none."""
        ...

    def last_kind(self) -> str:
        """Kind of the newest row; "" if there is none."""
        ...

    def meta(self, key: str) -> str | None:
        """A fact about the store."""
        ...

    def set_meta(self, key: str, value: str) -> None:
        """State a fact about the store."""
        ...


class TileStore(Protocol):
    """Where the files of one log are: tiles that never change, and its checkpoint. Methods raise ``OSError``."""

    def read(self, path: str) -> bytes:
        """Content of a file; raises ``FileNotFoundError``."""
        ...

    def write_tile(self, path: str, content: bytes) -> None:
        """Write one immutable file, durably. Raises ``HistoryError`` (``tile-changed``) if it is there with another content."""
        ...

    def replace_checkpoint(self, note: str) -> None:
        """Publish a checkpoint. Raises ``HistoryError`` (``log-ahead``) if a larger one, or another of that size, is published.

        Compared and replaced as one, whoever else does the same. Signature lines that the same checkpoint carries stay on it.
        """
        ...

    def drop_partials(self, path: str) -> None:
        """Delete the partial forms of a full tile, if this store keeps them."""
        ...
