"""Which process sequences, where several share a record store: one at a time, for a term; the others read what it publishes.

The store's lock says whose term it is, and its compare-and-swap keeps a process that is behind from doing harm. Whoever begins a
term trusts nothing that it remembers: it reads the head, finishes what was staged, and goes on from the published files. With the
embedded store there is one process and one term. Belongs to the writer's thread.
"""

from dataclasses import dataclass

from audit import sequencer
from audit.checkpoint import Checkpoint
from audit.keys import LogSigner
from audit.scope_logs import ScopeLogs
from audit.sequencer import Cosign, Publication
from audit.storage.base import RecordStore, TileStore
from audit.tiles import TreeEdge


@dataclass(kw_only=True)
class Tenure:
    """The main log's right edge while this process sequences. ``term`` 0: another process does."""

    store: RecordStore
    directory: TileStore
    signer: LogSigner
    scopes: ScopeLogs
    term: int = 0
    edge: TreeEdge | None = None

    def start(self, cosign: Cosign) -> Checkpoint:
        """The published checkpoint with which a process starts, the term begun if nobody else has it.

        Raises ``HistoryError`` or ``EvidenceUnavailable``, as ``sequencer.resume`` and ``sequencer.published`` do.
        """
        term = self.store.lead()
        if term == 0:
            return self.published()
        edge, tree = sequencer.resume(self.store, self.directory, self.signer, cosign)
        self.scopes.resume()
        self.term, self.edge = term, edge
        return tree

    def lost(self) -> bool:
        """Whether the term that this process had is over. Raises ``EvidenceUnavailable``."""
        return self.term != 0 and self.store.lead() != self.term

    def resign(self) -> None:
        """Forget the term and all that was known in it."""
        self.term, self.edge = 0, None
        self.scopes.forget()

    def begun(self) -> list[Publication] | None:
        """Begin a term if it is ours to begin: what is left to publish from the one before; None if nothing began.

        Raises ``HistoryError`` as ``sequencer.resume``, ``EvidenceUnavailable`` or ``OSError``.
        """
        term = self.store.lead()
        if term in (0, self.term):
            if term == 0 and self.term:
                self.resign()
            return None
        self.resign()
        left = sequencer.take_up(self.store, self.directory, self.signer)
        self.scopes.resume()
        self.term = term
        return left

    def sequence(self) -> Publication | None:
        """Steps 1 to 3 of the main log; nothing of it may be unpublished. None if every visible row has its place."""
        if self.edge is None:
            self.edge = sequencer.edge_of(self.store, self.directory, self.signer)
        found = sequencer.sequence(self.store, self.edge, self.signer)
        if found is None:
            return None
        self.edge = found[0]
        return found[1]

    def published(self) -> Checkpoint:
        """What is published, and not ahead of the store. Raises ``HistoryError`` (``log-ahead``), ``OSError``."""
        return sequencer.published(self.store, self.directory, self.signer)
