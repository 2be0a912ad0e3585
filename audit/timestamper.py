"""Timestamps for our own checkpoints: ask each authority now and then, check what comes back, keep it beside the log.

Off the path of every request: one thread asks, and a checkpoint that is published meanwhile replaces the one that waits. Only an
authority that is *required* is asked before a checkpoint is published, and then holds it back. What is asked for next is decided by
time and by checkpoints since the last token. A token is kept only if it holds (``audit.timestamping``).
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from audit import durable, stamps, timestamping
from audit.checkpoint import Checkpoint
from audit.errors import AuditError, EvidenceUnavailable, VerificationError
from audit.http_post import PostClient, Unreachable
from audit.stamper import Stamper, StampStatus
from audit.stamps import Stamped

UNAVAILABLE = "timestamp-unavailable"
UNREACHABLE = "timestamp-unreachable"
REFUSED = "timestamp-refused"

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 300.0

_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Authority:
    """A timestamp authority that is asked. ``root``: DER. ``every_checkpoints`` 0: by time alone. The rest is ``Timestamper``'s."""

    client: PostClient
    root: bytes
    every_s: float
    every_checkpoints: int = 0
    required: bool = False
    size: int = 0
    at: datetime | None = None
    failing: str = ""
    failures: int = 0
    since: int = 0
    asked_at: float | None = None
    retry_at: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S

    def due(self, tree: Checkpoint, now: float) -> bool:
        """Whether a checkpoint should get a token of it."""
        if tree.size <= self.size or now < self.retry_at:
            return False
        by_count = 0 < self.every_checkpoints <= self.since
        return self.asked_at is None or by_count or now - self.asked_at >= self.every_s


@dataclass(kw_only=True)
class Timestamper(Stamper):
    """All authorities of a log. ``folder``: where tokens are kept. ``timeout_s``: for one answer."""

    authorities: Sequence[Authority]
    folder: Path
    timeout_s: float = 10.0
    _wake: threading.Condition = field(default_factory=threading.Condition)
    _waiting: tuple[str, Checkpoint] | None = None
    _counted: int = -1
    _closing: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Take up what is on disk, and start asking. Raises ``OSError``."""
        if not self.authorities:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        durable.sync_folder(self.folder.parent)
        known = [each for path in self.folder.iterdir() if (each := stamps.parse(path.name)) is not None]
        for authority in self.authorities:
            name = stamps.authority_id(authority.root)
            authority.size = max((each.size for each in known if each.authority == name), default=0)
        self._thread = threading.Thread(target=self._run, name="timestamps", daemon=True)
        self._thread.start()

    def hold(self, note: str, tree: Checkpoint) -> None:
        """Take a checkpoint that is about to be published; on the publishing thread.

        Raises ``EvidenceUnavailable`` (``timestamp-unavailable``) if a required authority is due and gives no token for it.
        """
        if not self.authorities or tree.size == 0:
            return
        if tree.size != self._counted:  # a checkpoint may be published in several tries
            self._counted = tree.size
            with self._wake:
                for authority in self.authorities:
                    authority.since += 1
        for authority in self.authorities:
            if authority.required and authority.due(tree, time.monotonic()):
                self._ask(authority, note, tree)
            if authority.required and authority.failing and tree.size > authority.size:
                raise EvidenceUnavailable(
                    f"expected a timestamp of `{authority.client.host}` for the checkpoint, got none", code=UNAVAILABLE
                )
        with self._wake:
            self._waiting = note, tree
            self._wake.notify()

    @property
    def status(self) -> tuple[StampStatus, ...]:
        """What is known of each authority."""
        return tuple(
            StampStatus(authority=a.client.host, size=a.size, at=a.at, failing=a.failing, failures=a.failures)
            for a in self.authorities
        )

    def close(self) -> None:
        """Stop asking. A question that is under way is cut off."""
        if self._thread is None:
            return
        with self._wake:
            self._closing = True
            self._wake.notify()
        for authority in self.authorities:
            authority.client.abort()
        self._thread.join(self.timeout_s)
        self._thread = None
        for authority in self.authorities:
            authority.client.close()

    # --- the asking thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._closing and not self._due():
                    self._wake.wait(self._pause())
                if self._closing or self._waiting is None:
                    return
                note, tree = self._waiting
            for authority in self._due():
                self._ask(authority, note, tree)

    def _due(self) -> list[Authority]:
        if self._waiting is None:
            return []
        now = time.monotonic()
        return [a for a in self.authorities if not a.required and a.due(self._waiting[1], now)]

    def _pause(self) -> float | None:
        """Seconds until the waiting checkpoint may be due; None: the next one decides."""
        if self._waiting is None:
            return None
        now, tree = time.monotonic(), self._waiting[1]
        later = [
            max(a.retry_at, 0.0 if a.asked_at is None else a.asked_at + a.every_s)
            for a in self.authorities
            if not a.required and tree.size > a.size
        ]
        return max(0.05, min(later) - now) if later else None

    def _ask(self, authority: Authority, note: str, tree: Checkpoint) -> None:
        """One question, and its answer on disk."""
        counted = authority.since
        try:
            authority.at = self._stamp(authority, note, tree)
        except Unreachable as error:
            self._failed(authority, UNREACHABLE, error)
        except AuditError as error:
            self._failed(authority, error.code, error)
        else:
            if authority.failing:
                _log.info("the timestamp authority `%s` answers again", authority.client.host)
            authority.failing, authority.backoff_s = "", FIRST_BACKOFF_S
            authority.size, authority.asked_at = tree.size, time.monotonic()
            with self._wake:
                authority.since -= counted  # others may have come while it was asked

    def _stamp(self, authority: Authority, note: str, tree: Checkpoint) -> datetime:
        stamped = Stamped(size=tree.size, authority=stamps.authority_id(authority.root))
        place = self.folder / stamped.checkpoint
        message = place.read_bytes() if place.exists() else note.encode()
        question = timestamping.request(message)
        status, answer = authority.client.post(question.as_bytes(), self.timeout_s)
        if status != 200:
            raise VerificationError(f"expected a token, got status {status}", code=REFUSED)
        found = timestamping.check(answer, message, (authority.root,), question)
        if not place.exists():
            durable.replace(place, message)
        durable.replace(self.folder / stamped.token, answer)
        return found

    @staticmethod
    def _failed(authority: Authority, code: str, why: Exception) -> None:
        if authority.failing != code:
            _log.warning("the timestamp authority `%s` gives no token: %s: %s", authority.client.host, code, why)
        authority.failing = code
        authority.failures += 1
        authority.retry_at = time.monotonic() + authority.backoff_s
        authority.backoff_s = min(LONGEST_BACKOFF_S, authority.backoff_s * 2)


def client(url: str) -> PostClient:
    """The connection to an authority; raises ``MalformedError`` (code ``timestamp-url``)."""
    return PostClient(
        url,
        what="a timestamp authority",
        code="timestamp-url",
        media_type=timestamping.MEDIA_TYPE,
        limit=timestamping.MAX_TOKEN_BYTES,
    )
