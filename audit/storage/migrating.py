"""Bringing a record store to the current schema: one history of steps for SQLite and PostgreSQL, run by Alembic.

A store is changed in one transaction, or not at all. Whoever calls sees to it that nobody writes meanwhile: the lock of the
data directory for SQLite; for PostgreSQL an advisory lock keeps two of these apart, and servers refuse another schema.
"""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from audit.errors import EvidenceUnavailable
from audit.storage import schema

_STEPS = Path(__file__).parent / "migrations"
_MIGRATING = "SELECT pg_advisory_xact_lock(x'61706f736d696772'::bigint)"


def sqlite(path: Path) -> tuple[str, ...]:
    """Bring an SQLite store to the current schema; gives the steps taken. Raises ``EvidenceUnavailable``, ``HistoryError``."""
    engine = create_engine("sqlite://", creator=lambda: _file(path), poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # The driver would begin before the first change of a row only, and leave changes of tables outside.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return upgraded(engine)


def _file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def upgraded(engine: Engine) -> tuple[str, ...]:
    """Bring a database to the current schema in one transaction; gives the steps taken. Raises as ``sqlite`` does."""
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(_MIGRATING))
            before = _revision(connection)
            if before is not None:
                later = schema.REVISIONS[schema.REVISIONS.index(before) + 1 :] if before in schema.REVISIONS else None
                if later is None:
                    schema.check([before])
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(_STEPS))
            if before is not None and not inspect(connection).has_table(schema.TABLE):
                command.stamp(config, before)
            command.upgrade(config, schema.CURRENT)
            return schema.REVISIONS if before is None else tuple(later or ())
    except SQLAlchemyError as cause:
        said = str(cause.__cause__ or cause).splitlines()[0][:300]
        raise EvidenceUnavailable(f"the record store cannot be migrated: {said}") from None
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    """Revision that a store has; None where the database is empty."""
    found = inspect(connection)
    if found.has_table(schema.TABLE):
        return str(connection.execute(text(f"SELECT version_num FROM {schema.TABLE}")).scalar_one())  # noqa: S608
    if not found.has_table("rec"):
        return None
    return schema.LEGACY.get(int(connection.execute(text("PRAGMA user_version")).scalar_one()), "0002")
