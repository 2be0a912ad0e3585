"""Creating and migrating a store on PostgreSQL; a server does neither."""

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from audit.errors import EvidenceUnavailable, HistoryError
from audit.storage import link, migrating
from audit.storage.address import StoreAddress
from audit.storage.base import MAIN
from audit.storage.postgres import INSTANCES

LONGEST_S = 3600.0
"""A statement of a migration may rewrite a table."""


_USERS = (
    "SELECT DISTINCT coalesce(nullif(a.application_name, ''), 'another') FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " LEFT JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'advisory' AND l.classid = %s AND d.datname = current_database() ORDER BY 1"
)


def create(address: StoreAddress, checkpoint: str) -> None:
    """The tables, and the head of an empty log. Raises ``HistoryError`` (``log-exists``), ``EvidenceUnavailable``."""
    migrate(address)
    with link.writing(address, "apostille init", LONGEST_S) as connection:
        try:
            statement = "INSERT INTO head (log, size, checkpoint) VALUES (%s, 0, %s) ON CONFLICT DO NOTHING"
            done = connection.execute(statement, (MAIN, checkpoint))
        except psycopg.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be created: {link.told(cause)}") from None
    if done.rowcount != 1:
        raise HistoryError(
            "expected a database without a log, got one with one; it is never overwritten", code="log-exists"
        )


def migrate(address: StoreAddress) -> tuple[str, ...]:
    """Bring a database, perhaps an empty one, to the current schema; gives the steps taken.

    Raises ``HistoryError`` (``log-in-use``, ``schema-newer``) or ``EvidenceUnavailable``.
    """
    with link.writing(address, "apostille migrate", LONGEST_S) as connection:
        try:
            users = [str(name)[:80] for (name,) in connection.execute(_USERS, (INSTANCES,)).fetchall()]
        except psycopg.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be read: {link.told(cause)}") from None
    if users:
        named = ", ".join(f"`{each}`" for each in users if each.isprintable())
        raise HistoryError(
            f"expected no server to use the record store, got {named}: stop them first", code="log-in-use"
        )
    engine = create_engine("postgresql+psycopg://", creator=lambda: _manual(address), poolclass=NullPool)
    return migrating.upgraded(engine)


def _manual(address: StoreAddress) -> link.Bounded:
    """A connection that begins and ends transactions as SQLAlchemy wants it."""
    connection = link.writing(address, "apostille migrate", LONGEST_S)
    connection.autocommit = False
    return connection
