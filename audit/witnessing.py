"""Cosignatures for our own checkpoints: ask every witness at once, wait a bounded time, come back to those that failed.

A checkpoint is committed in the record store before a witness sees it (``audit.sequencer``), so a witness that has more than the
store shows that the store is an older copy. At start that refuses to go on (``take_up``); later it is told, and does not stop
anything. One thread calls this at a time; each question runs on a thread of its own.
"""

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from audit import checkpoint, witness
from audit.checkpoint import Checkpoint, Signature, SignedNote, VerifierKey
from audit.errors import AuditError, EvidenceUnavailable, HistoryError
from audit.files import Read
from audit.tiles import TileReader
from audit.witness import AddCheckpoint
from audit.witness_client import Unreachable, WitnessClient

AHEAD = "witness-ahead"
DIFFERS = "witness-differs"
REFUSED = "witness-refused"
UNREACHABLE = "witness-unreachable"
QUORUM = "witness-quorum"

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 60.0
SHORTEST_PAUSE_S = 0.05
TRIES = 3
"""Questions for one checkpoint: the size that we believe, the size that it names, and once more if it moved meanwhile."""

_log = logging.getLogger(__name__)


class _Failure(Exception):
    """A witness did not cosign; its text is the code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessStatus:
    """How far a witness has cosigned, as far as we know, and the code of what is wrong ("" if nothing is)."""

    name: str
    cosigned_size: int
    failing: str


@dataclass(slots=True, kw_only=True, eq=False)
class Peer:
    """A witness that is asked. ``vkeys``: its keys, all of one name. The rest belongs to ``Witnesses``."""

    client: WitnessClient
    vkeys: tuple[VerifierKey, ...]
    size: int | None = None
    failing: str = ""
    failures: int = 0
    retry_at: float = 0.0
    asked: "Future[tuple[Signature, ...]] | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name of the witness."""
        return self.vkeys[0].name

    def signed(self, note: SignedNote) -> bool:
        """Whether a line of it is on the note."""
        return any((key.name, key.key_id) == (s.name, s.key_id) for key in self.vkeys for s in note.signatures)


class Witnesses:
    """All witnesses of a log. ``quorum``: how many must cosign before a checkpoint may be published; ``grace_s``: how long
    a checkpoint may wait for them before no new request is taken.
    """

    def __init__(
        self, peers: Sequence[Peer] = (), *, quorum: int = 0, timeout_s: float = 2.0, grace_s: float = 10.0
    ) -> None:
        self._peers = tuple(peers)
        self._quorum = quorum
        self._timeout_s = timeout_s
        self.grace_s = grace_s
        self._main: Witnesses | None = None
        self._bare = ""
        self._note: SignedNote | None = None

    def for_scope(self) -> "Witnesses":
        """The same witnesses for the log of a scope: none of them has to cosign it. One that the main log cannot reach is not
        asked."""
        peers = [Peer(client=peer.client.twin(), vkeys=peer.vkeys) for peer in self._peers]
        found = Witnesses(peers, timeout_s=self._timeout_s)
        found._main = self
        return found

    # --- for the log --------------------------------------------------------------------------------------------------

    def take_up(self, note: str, tree: Checkpoint, read: Read) -> str:
        """The checkpoint with which a log goes on after a start, with the lines that could be had.

        Raises ``HistoryError`` (``witness-ahead``, ``witness-differs``) if any witness knows another history than ``tree``, and
        ``EvidenceUnavailable`` (``witness-quorum``) if fewer than the quorum could be asked.
        """
        if not self._peers:
            return note
        self._held(note)
        self._ask(self._peers, tree, read)
        for peer in self._peers:
            if peer.failing in (AHEAD, DIFFERS):
                raise HistoryError(
                    f"the witness `{peer.name}` cosigned another history than the one of {tree.size} entries here: the data "
                    "was restored from a backup or is another log's; nothing is signed",
                    code=peer.failing,
                )
        return self._checked()

    def cosign(self, note: str, tree: Checkpoint, read: Read) -> str:
        """A checkpoint with the lines of every witness that answers in time. Raises ``EvidenceUnavailable`` (``witness-quorum``).

        Lines that were had for this checkpoint before are kept, and their witnesses are not asked again.
        """
        if not self._peers:
            return note
        held, now = self._held(note), time.monotonic()
        lost = self._main._unreachable() if self._main is not None else ()
        missing = [p for p in self._peers if not p.signed(held) and now >= p.retry_at]
        for peer in missing:
            if peer.name in lost:
                self._failed(peer, UNREACHABLE)
        self._ask([p for p in missing if p.name not in lost], tree, read)
        return self._checked()

    def hold(self, note: str) -> None:
        """A published checkpoint whose missing lines are wanted; ``again`` asks for them."""
        if self._peers:
            self._held(note)

    def _unreachable(self) -> frozenset[str]:
        return frozenset(p.name for p in self._peers if p.failing == UNREACHABLE)

    def again(self, tree: Checkpoint, read: Read) -> str | None:
        """The checkpoint that was asked for last, with further lines; None if it has no more than before."""
        before = self._note
        if before is None or before.text != checkpoint.text(tree):
            return None
        found = self.cosign(self._bare, tree, read)
        return None if found == before.raw else found

    def retry_in(self) -> float | None:
        """Seconds until a witness whose line is missing may be asked again; None if no line is missing."""
        note, now = self._note, time.monotonic()
        missing = [] if note is None else [p.retry_at - now for p in self._peers if not p.signed(note)]
        return max(SHORTEST_PAUSE_S, min(missing)) if missing else None

    @property
    def required(self) -> bool:
        """Whether a checkpoint has to be cosigned before it is published."""
        return self._quorum > 0

    @property
    def status(self) -> tuple[WitnessStatus, ...]:
        """What is known of each witness."""
        return tuple(WitnessStatus(name=p.name, cosigned_size=p.size or 0, failing=p.failing) for p in self._peers)

    def close(self) -> None:
        """Stop waiting for anyone, and close the connections."""
        for peer in self._peers:
            if peer.asked is not None and not peer.asked.done():
                peer.client.abort()  # its own thread closes it
            else:
                peer.client.close()

    # --- a round ------------------------------------------------------------------------------------------------------

    def _held(self, note: str) -> SignedNote:
        """The note, with the lines that we have for its text already."""
        parsed = checkpoint.parse(note)
        if self._note is not None and self._note.text == parsed.text:
            parsed = checkpoint.merged(parsed, self._note.signatures)
        self._bare, self._note = note, parsed
        return parsed

    def _ask(self, peers: Iterable[Peer], tree: Checkpoint, read: Read) -> None:
        """Ask some witnesses at once; whoever is late is cut off, and one that still hangs is not asked a second thing."""
        note = checkpoint.parse(self._bare)
        asked = {p: self._start(p, note, tree, read) for p in peers if p.asked is None or p.asked.done()}
        wait(asked.values(), timeout=self._timeout_s)
        for peer, future in asked.items():
            if future.done():
                self._settle(peer, future)
            else:
                peer.client.abort()
                self._failed(peer, UNREACHABLE)

    def _start(self, peer: Peer, note: SignedNote, tree: Checkpoint, read: Read) -> "Future[tuple[Signature, ...]]":
        future: Future[tuple[Signature, ...]] = Future()

        def run() -> None:
            try:
                future.set_result(_cosignatures(peer, note, tree, read, self._timeout_s))
            except BaseException as error:  # noqa: BLE001  # whoever asked gets it, a defect too
                future.set_exception(error)

        peer.asked = future
        threading.Thread(target=run, name=f"witness {peer.name}", daemon=True).start()
        return future

    def _settle(self, peer: Peer, future: "Future[tuple[Signature, ...]]") -> None:
        try:
            found = future.result()
        except _Failure as failure:
            self._failed(peer, str(failure))
        except AuditError as error:
            self._failed(peer, error.code)
        except Unreachable:
            self._failed(peer, UNREACHABLE)
        else:
            assert self._note is not None
            if peer.failing:
                _log.info("the witness `%s` cosigns again", peer.name)
            peer.failing, peer.failures, peer.retry_at = "", 0, 0.0
            self._note = checkpoint.merged(self._note, found)

    @staticmethod
    def _failed(peer: Peer, code: str) -> None:
        if peer.failing != code:
            level = logging.CRITICAL if code in (AHEAD, DIFFERS) else logging.WARNING
            _log.log(level, "the witness `%s` does not cosign: %s", peer.name, code)
        peer.failing = code
        peer.retry_at = time.monotonic() + min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(peer.failures, 10))
        peer.failures += 1

    def _checked(self) -> str:
        assert self._note is not None
        note = self._note
        cosigned = sum(peer.signed(note) for peer in self._peers)
        if cosigned < self._quorum:
            raise EvidenceUnavailable(
                f"expected cosignatures of {self._quorum} witnesses on the checkpoint, got {cosigned}", code=QUORUM
            )
        return note.raw


def _cosignatures(
    peer: Peer, note: SignedNote, tree: Checkpoint, read: Read, timeout_s: float
) -> tuple[Signature, ...]:
    """The lines of one witness. Raises ``_Failure``, ``AuditError`` or ``Unreachable``."""
    end = time.monotonic() + timeout_s
    old = tree.size if peer.size is None else min(peer.size, tree.size)
    for _ in range(TRIES):
        proof = TileReader(read, tree.size).consistency_proof(old)
        request = witness.format_request(AddCheckpoint(old=old, proof=proof, note=note))
        status, body = peer.client.post(request, max(0.01, end - time.monotonic()))
        if status == 200:
            found = witness.accept(body, note, peer.vkeys)
            peer.size = tree.size
            return found
        if status != 409:
            raise _Failure(DIFFERS if status == 422 else REFUSED if 400 <= status < 500 else UNREACHABLE)
        has = witness.parse_size(body)
        peer.size = has
        if has > tree.size:
            raise _Failure(AHEAD)
        if has == old:  # of one size with another root, or a witness that contradicts itself
            raise _Failure(DIFFERS if old == tree.size else REFUSED)
        old = has
    raise _Failure(REFUSED)
