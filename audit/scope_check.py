"""What a verification checks about scopes: records say where they are, and a scope's log is the main log, filtered.

Pure. ``Membership`` looks at one log, entry by entry. Given the checkpoints of scopes' logs, it makes their trees again from the
main log's entries; memory holds one edge a scope.
"""

from collections.abc import Mapping

from audit import merkle, scope
from audit.checkpoint import Checkpoint
from audit.errors import VerificationError
from audit.examine import Trust
from audit.merkle import Frontier
from audit.obligations import SCOPE, Sheet
from audit.statement import Position
from audit.vocabulary import RecordKind


class Membership:
    """State of one pass. ``own``: the scope whose log it is, None for the main one; ``logs``: those to be made again."""

    def __init__(self, own: str | None, logs: Mapping[str, Checkpoint] | None, sheet: Sheet) -> None:
        self.own = own
        self._logs = logs
        self._sheet = sheet
        self._edges: dict[str, Frontier] = {}

    def entry(self, where: str, kind: RecordKind, content: bytes, scopes: tuple[str, ...]) -> None:
        """Any record: ``content`` is its entry, ``scopes`` are those of its request."""
        if self.own is not None and kind not in (RecordKind.DECISION, RecordKind.RESULT):
            self._sheet.fail(
                SCOPE, f"{where}: expected records of requests only in the log of a scope, got {kind.value}"
            )
        if self._logs is None or not scopes:
            return
        leaf = merkle.leaf_hash(content)
        for name in scopes:
            edge = self._edges[name] = self._edges.get(name, Frontier()).append(leaf)
            tree = self._logs.get(name)
            if tree is not None and tree.size == edge.size and tree.root != edge.root():
                self._sheet.fail(SCOPE, f"the log of `{name}` is not made of the records here that belong to it")

    def finish(self) -> None:
        """Settle what only the end can settle."""
        waiting = {name: edge.size - self._size(name) for name, edge in self._edges.items()}
        late = sum(each for each in waiting.values() if each > 0)
        for name, tree in (self._logs or {}).items():
            if tree.size > self._edges.get(name, Frontier()).size:
                self._sheet.fail(
                    SCOPE, f"the log of `{name}` has more entries than there are records here of that scope"
                )
        if self._logs is not None and late:
            self._sheet.undecided(SCOPE, f"{late} entries are not in the published logs of their scopes yet")
        self._sheet.ok(SCOPE)

    def _size(self, name: str) -> int:
        tree = (self._logs or {}).get(name)
        return 0 if tree is None else tree.size


class Rising:
    """Watches positions in the log of a scope, where records of other scopes are missing: numbers rise."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}

    def add(self, position: Position) -> None:
        """Take one more record's position; raises ``VerificationError`` unless it comes after those of its epoch."""
        epoch = (position.instance, position.epoch)
        if position.seq <= self._last.get(epoch, -1):
            raise VerificationError(
                f"sequence number {position.seq} of epoch `{position.epoch}` comes late or twice",
                code="sequence-repeated",
            )
        self._last[epoch] = position.seq

    @property
    def epochs(self) -> frozenset[tuple[str, str]]:
        """Instances and their epochs that have records."""
        return frozenset(self._last)

    def finish(self) -> None:
        """Gaps are the other scopes' records; the main log shows whether there are others."""


def of_origin(origin: str, trust: Trust) -> str | None:
    """The scope whose log has an origin, under one of the trusted keys; None: none has."""
    names = (scope.of_origin(key.name, origin) for key in trust.log_keys)
    return next((each for each in names if each is not None), None)
