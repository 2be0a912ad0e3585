"""Connections to PostgreSQL: bounded in time, to a server that can be written, committed only once it is on disk.

One connection has one owner. Whatever goes wrong is told by PostgreSQL's own first line, without values of rows.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo

from audit.errors import EvidenceUnavailable
from audit.storage.address import StoreAddress

CONNECT_S = 2
"""Longest wait for a connection, each host; libpq takes no shorter one."""
_PROBES = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"
"""A server lets go of the locks of a machine that is gone after about ten seconds."""
_WRITING = f"-c synchronous_commit=on -c idle_in_transaction_session_timeout=10s {_PROBES}"
_READING = f"-c default_transaction_read_only=on {_PROBES}"

T = TypeVar("T")
Connection = psycopg.Connection[tuple[Any, ...]]


class Bounded(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose every wait ends. One that did is closed: its answer could come later and be taken for another's."""

    limit_s = 1.0
    _until: float | None = None

    @contextmanager
    def within_limit(self) -> Iterator[None]:
        """What is done here ends within ``limit_s`` as a whole, not each wait of it."""
        self._until = time.monotonic() + self.limit_s
        try:
            yield
        finally:
            self._until = None

    def wait(self, gen: Any, interval: float = 0.05, timeout: float | None = None) -> Any:
        """As the base class, within ``limit_s``; raises ``psycopg.OperationalError``."""
        bound = self.limit_s if timeout is None else min(timeout, self.limit_s)
        if self._until is not None:
            bound = min(bound, max(self._until - time.monotonic(), 0.0))
        try:
            return super().wait(gen, interval, bound)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


def writing(address: StoreAddress, name: str, limit_s: float) -> Bounded:
    """A connection to the server that takes writes; ``synchronous_commit`` is on whatever the server's default is.

    Raises ``EvidenceUnavailable``.
    """
    more = {"target_session_attrs": "read-write", "options": _WRITING, "tcp_user_timeout": "10000"}
    connection = _connect(Bounded, address, name, more)
    connection.limit_s = limit_s
    return connection


def reading(address: StoreAddress) -> Connection:
    """A connection that cannot write, to any server of the address; raises ``EvidenceUnavailable``."""
    return _connect(psycopg.Connection[tuple[Any, ...]], address, "apostille reader", {"options": _READING})


L = TypeVar("L", bound=psycopg.Connection[tuple[Any, ...]])


def _connect(kind: type[L], address: StoreAddress, name: str, more: dict[str, str]) -> L:
    try:
        given: dict[str, Any] = conninfo.conninfo_to_dict(address.url)
        given |= {"application_name": name[:63], "connect_timeout": CONNECT_S}
        given |= {key: value for key, value in more.items() if key == "options" or key not in given}
        secret = address.password
        if secret is not None:
            given["password"] = secret
        return kind.connect(autocommit=True, **given)
    except OSError as cause:
        raise EvidenceUnavailable(f"the file with the store's password cannot be read: {cause.strerror}") from None
    except psycopg.Error as cause:
        raise EvidenceUnavailable(f"the record store cannot be reached: {told(cause)}") from None


def told(error: psycopg.Error) -> str:
    """What PostgreSQL said, on one line, and no detail: details quote rows."""
    primary = error.diag.message_primary or str(error).strip()
    return (primary.splitlines() or [type(error).__name__])[0][:300]
