"""The thread that keeps content: parcels are sealed and made durable in groups, away from the requests that wait for them.

Keys are durable before ciphertexts, so that whatever is on disk can be found and erased. The queue is bounded; a parcel that it
does not take, or that a store does not take in time, is not kept, and the result on record does not say that it was. Between groups
the thread carries out orders, a batch at a time, and ends what expired (``audit.content.steward``).
"""

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

from audit.content import parcels
from audit.content.steward import Steward
from audit.errors import AuditError, EvidenceUnavailable
from audit.parcel import Parcel

_log = logging.getLogger(__name__)

MAX_WAITING = 256
MAX_WAITING_BYTES = 256 << 20
MAX_GROUP = 64
TICK_S = 0.5
"""How often orders of another process are looked for."""
EXPIRY_S = 3_600.0
OK = "ok"

_Waiting = tuple[Parcel, "Future[tuple[str, ...]]"]


class Keeper:
    """Keeps content and carries out orders about it, from ``start`` to ``stop``."""

    def __init__(self, steward: Steward) -> None:
        self._steward = steward
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._wake = threading.Condition()
        self._closing = False
        self._expired_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="content-keeper", daemon=True)
        self.state = OK

    def start(self) -> None:
        """Begin, with what was ordered and not finished."""
        self._thread.start()

    def put(self, parcel: Parcel) -> "Future[tuple[str, ...]]":
        """Keep a parcel; the future gives the labels of the content that is durable, or fails with ``EvidenceUnavailable``."""
        future: Future[tuple[str, ...]] = Future()
        with self._wake:
            full = len(self._queue) >= MAX_WAITING or self._bytes + parcel.size > MAX_WAITING_BYTES
            if full or self._closing:
                future.set_exception(EvidenceUnavailable("no room to keep content now", code="content-queue-full"))
                return future
            self._queue.append((parcel, future))
            self._bytes += parcel.size
            self._wake.notify()
        return future

    def stop(self) -> None:
        """Keep what waits, and end. Safe to call twice."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()
        self._steward.stores.close()

    def _run(self) -> None:
        tend_at = 0.0
        while True:
            if time.monotonic() >= tend_at and not self._tend():
                tend_at = time.monotonic() + TICK_S
            group = self._next_group(max(0.0, tend_at - time.monotonic()))
            if group:
                self._keep([each for each in group if each[1].set_running_or_notify_cancel()])
            elif self._closing:
                return

    def _next_group(self, wait_s: float) -> list[_Waiting]:
        with self._wake:
            if not self._queue and not self._closing:
                self._wake.wait(wait_s)
            group = [self._queue.popleft() for _ in range(min(MAX_GROUP, len(self._queue)))]
            self._bytes -= sum(parcel.size for parcel, _ in group)
        return group

    def _tend(self) -> bool:
        """Some of what is ordered, and now and then what expired; whether there may be more. A failure is told, and tried again."""
        try:
            if self._expired_at is None or time.monotonic() - self._expired_at >= EXPIRY_S:
                self._steward.expire(f"erasure-{secrets.token_hex(16)}")
                self._expired_at = time.monotonic()
            more = self._steward.step()
        except Exception as error:  # noqa: BLE001  # a thread that ends would hold up every request that keeps something
            self._failed(error)
            return False
        self.state = OK
        return more

    def _keep(self, group: Sequence[_Waiting]) -> None:
        """Keep a group; if that fails, each parcel by itself, so that one alone that cannot be kept does not take others with it."""
        try:
            stores = self._steward.stores
            stores.keys.put([parcel.owner for parcel, _ in group])
            stores.items.put(item for parcel, _ in group for item in parcels.sealed(parcel))
        except Exception as error:  # noqa: BLE001  # as above
            if len(group) > 1:
                for each in group:
                    self._keep([each])
                return
            self._failed(error)
            for _, future in group:
                future.set_exception(EvidenceUnavailable("the content cannot be kept now", code="content-unavailable"))
            return
        self.state = OK
        for parcel, future in group:
            future.set_result(tuple(sorted(parcel.contents)))

    def _failed(self, error: Exception) -> None:
        if self.state == OK:
            _log.error("content is not kept, or orders about it wait: %s", error)
        self.state = error.code if isinstance(error, AuditError) else "internal-error"
