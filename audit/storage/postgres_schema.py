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


_IN_USE = (
    "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
    " WHERE locktype = 'advisory' AND classid = %s AND d.datname = current_database()"
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
            used = connection.execute(_IN_USE, (INSTANCES,)).fetchone()
        except psycopg.Error as cause:
            raise EvidenceUnavailable(f"the record store cannot be read: {link.told(cause)}") from None
    if used != (0,):
        raise HistoryError("expected no server to use the record store, got some: stop them first", code="log-in-use")
    engine = create_engine("postgresql+psycopg://", creator=lambda: _manual(address), poolclass=NullPool)
    return migrating.upgraded(engine)


def _manual(address: StoreAddress) -> link.Bounded:
    """A connection that begins and ends transactions as SQLAlchemy wants it."""
    connection = link.writing(address, "apostille migrate", LONGEST_S)
    connection.autocommit = False
    return connection
