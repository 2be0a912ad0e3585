"""The logs of scopes, beside the main one: opened at first use, sequenced together, published one by one.

A scope's log is the main log, filtered: a record comes into it after it has its place in the main one, in that order. So it can be
made again from the store at any time, and its own witnesses are asked and never waited for: what a record is worth rests on the
main log's quorum, and completeness on what the signed decisions say.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit import checkpoint, scope, sequencer
from audit.checkpoint import Checkpoint
from audit.keys import LogSigner, Named
from audit.sequencer import Publication
from audit.storage.base import MAIN, RecordStore, Sequenced, TileStore
from audit.storage.directory import TileDirectory
from audit.tiles import CHECKPOINT_PATH, TreeEdge
from audit.witnessing import Witnesses

PlaceOf = Callable[[Path], TileStore]
"""Where the files of a log are, of their folder."""
MOST_BEGUN = 4
"""Most logs that are begun at once: each takes several writes to disk, during which no record becomes durable."""
MOST_OPEN = 64
"""Logs whose right edge is kept in memory (up to 130 kB each), and most logs that are sequenced at once."""


@dataclass(slots=True, kw_only=True)
class OpenLog:
    """A scope's log that can be continued. ``published``: the checkpoint on disk."""

    signer: LogSigner
    directory: TileStore
    witnesses: Witnesses
    edge: TreeEdge
    published: Checkpoint


class ScopeLogs:
    """All scopes' logs below ``root``. ``sequence`` belongs to the writer's thread, ``publish`` and ``catch_up`` to the
    publishing one; no scope is sequenced while one of before is still to be published.
    """

    def __init__(
        self, store: RecordStore, root: Path, signer: LogSigner, witnesses: Witnesses, place_of: PlaceOf = TileDirectory
    ) -> None:
        self._store = store
        self._root = root
        self._signer = signer
        self._witnesses = witnesses
        self._place_of = place_of
        self._open: OrderedDict[str, OpenLog] = OrderedDict()
        self._lock = threading.Lock()
        self._after = ""

    def resume(self) -> None:
        """Finish what was cut short, in every log. Raises as ``sequencer.resume``."""
        for name in self._store.logs():
            if name != MAIN:
                self._keep(name, self._resumed(name))

    def forget(self) -> None:
        """Another process may have gone on with these logs: each is resumed when it is needed."""
        with self._lock:
            self._open.clear()

    def sequence(self) -> list[Publication]:
        """Steps 1 to 3 of every log with records that wait for a place, in one transaction.

        Raises ``EvidenceUnavailable`` or ``HistoryError``; then nothing is sequenced.
        """
        found: list[tuple[OpenLog, TreeEdge, Publication, Sequenced]] = []
        for name, log in self._ready():
            prepared = sequencer.prepare(self._store, log.edge, log.signer, name)
            if prepared is not None:
                found.append((log, *prepared))
        if not found:
            return []
        try:
            self._store.sequence([batch for *_, batch in found])
        except BaseException:
            with self._lock:
                self._open.clear()  # whether it was committed is the store's to say
            raise
        for log, edge, *_ in found:
            log.edge = edge
        return [publication for *_, publication, _ in found]

    def _ready(self) -> Iterator[tuple[str, OpenLog]]:
        """The logs of this turn, opened; a new year lets many begin, a few at a time."""
        names = self._waiting()
        known = set(self._store.logs()) if any(name not in self._open for name in names) else set(names)
        fresh = [name for name in names if name not in known]
        for name in names:
            if name not in fresh[MOST_BEGUN:]:
                log = self._open.get(name) or (self._resumed(name) if name in known else self._begun(name))
                self._keep(name, log)
                yield name, log

    def _waiting(self) -> list[str]:
        """Some of the logs with records that wait; each has its turn, however many there are."""
        names = sorted(self._store.pending(), key=lambda name: (name <= self._after, name))[:MOST_OPEN]
        self._after = names[-1] if names else ""
        return names

    def publish(self, publication: Publication) -> None:
        """Steps 4 and 5 of one log that is open (else ``KeyError``). Raises ``OSError`` or ``HistoryError``; may be called again."""
        log = self._open[publication.log]
        sequencer.publish(
            publication, log.directory, lambda note, tree: log.witnesses.cosign(note, tree, log.directory.read)
        )
        log.published = publication.tree

    def retry_in(self) -> float | None:
        """Seconds until some witness of some log may be asked again; None if no line is missing."""
        waits = [each for log in self._logs() if (each := log.witnesses.retry_in()) is not None]
        return min(waits, default=None)

    def catch_up(self) -> None:
        """Ask the witnesses whose lines are missing on published checkpoints. Raises ``OSError`` or ``HistoryError``."""
        for log in self._logs():
            note = log.witnesses.again(log.published, log.directory.read)
            if note is not None:
                log.directory.replace_checkpoint(note)

    def close(self) -> None:
        """Close the connections to witnesses."""
        for log in self._logs():
            log.witnesses.close()

    def _logs(self) -> list[OpenLog]:
        with self._lock:
            return list(self._open.values())

    def _keep(self, name: str, log: OpenLog) -> None:
        with self._lock:
            self._open[name] = log
            self._open.move_to_end(name)
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)

    def _begun(self, name: str) -> OpenLog:
        """The log of a scope that had none. The file comes first: a head without one is a broken history."""
        signer, directory = self._place(name)
        tree = Checkpoint(origin=signer.name, size=0, root=TreeEdge().root())
        note = checkpoint.sign(tree, signer)
        directory.replace_checkpoint(note)
        self._store.open_log(name, note)
        return self._log(signer, directory, TreeEdge(), tree)

    def _resumed(self, name: str) -> OpenLog:
        signer, directory = self._place(name)
        edge, tree = sequencer.resume(self._store, directory, signer, log=name)
        log = self._log(signer, directory, edge, tree)
        if tree.size:
            log.witnesses.hold(directory.read(CHECKPOINT_PATH).decode())
        return log

    def _place(self, name: str) -> tuple[LogSigner, TileStore]:
        signer = Named(name=scope.origin(self._signer.name, name), held=self._signer)
        return signer, self._place_of(self._root / name)

    def _log(self, signer: LogSigner, directory: TileStore, edge: TreeEdge, tree: Checkpoint) -> OpenLog:
        return OpenLog(
            signer=signer,
            directory=directory,
            witnesses=self._witnesses.for_scope(),
            edge=edge,
            published=tree,
        )
