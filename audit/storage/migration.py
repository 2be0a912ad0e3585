"""Taking up a record store of an earlier version: the steps from each to the next, as they were, whatever the schema is now.

The version is SQLite's ``user_version``: 0 one log, 1 logs by scope. ``storage.tables`` is the schema of the last one.
"""

import sqlite3

from audit.errors import HistoryError

VERSION = 1

_STEPS = (
    (
        "ALTER TABLE head RENAME TO head_0",
        "CREATE TABLE head (log VARCHAR NOT NULL, size INTEGER NOT NULL, checkpoint VARCHAR NOT NULL, PRIMARY KEY (log))",
        "INSERT INTO head (log, size, checkpoint) SELECT '', size, checkpoint FROM head_0",
        "DROP TABLE head_0",
        "ALTER TABLE staged RENAME TO staged_0",
        "CREATE TABLE staged (log VARCHAR NOT NULL, path VARCHAR NOT NULL, place INTEGER NOT NULL, data BLOB NOT NULL,"
        " PRIMARY KEY (log, path))",
        "INSERT INTO staged (log, path, place, data) SELECT '', path, rowid, data FROM staged_0 ORDER BY rowid",
        "DROP TABLE staged_0",
        "CREATE TABLE member (log VARCHAR NOT NULL, rec_id INTEGER NOT NULL, idx INTEGER, PRIMARY KEY (log, rec_id),"
        " UNIQUE (log, idx), FOREIGN KEY(rec_id) REFERENCES rec (id)) WITHOUT ROWID",
        "CREATE INDEX ix_member_waiting ON member (log, rec_id) WHERE idx IS NULL",
    ),
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a store to ``VERSION``, inside a transaction of the caller's. Raises ``HistoryError`` (``store-version``)."""
    ((found,),) = connection.execute("PRAGMA user_version").fetchall()
    if found > VERSION:
        raise HistoryError(
            f"expected a record store of version {VERSION} at most, got {found}: a later release wrote it",
            code="store-version",
        )
    for statements in _STEPS[found:]:
        for statement in statements:
            connection.execute(statement)
    if found < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")
