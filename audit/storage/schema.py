"""Versions of the record store's schema, the same for both databases; the steps between them are in ``audit.storage.migrations``.

Needs no database library: a server checks that its store is of this version, and changes nothing.
"""

from collections.abc import Sequence

from audit.errors import HistoryError

REVISIONS = ("0001", "0002", "0003")
"""Revisions in their order: one log; logs by scope; numbers taken once, and whose epoch is whose."""
CURRENT = REVISIONS[-1]
TABLE = "alembic_version"
LEGACY = {0: "0001", 1: "0002"}
"""Revision of an SQLite store that has no such table, by its ``user_version``."""


def check(found: Sequence[str]) -> None:
    """Raise ``HistoryError`` unless a store is of this version: ``schema-missing``, ``schema-older``, ``schema-newer``."""
    if not found:
        raise HistoryError(
            "expected a record store, got a database without one: `apostille init` creates it", code="schema-missing"
        )
    if list(found) == [CURRENT]:
        return
    if set(found) <= set(REVISIONS):
        raise HistoryError(
            f"expected a record store of schema {CURRENT}, got {found[0]}: stop every server that uses it, make a backup, "
            "and run `apostille migrate`",
            code="schema-older",
        )
    raise HistoryError(
        f"expected a record store of schema {CURRENT}, got {found[0][:20]}: a later release wrote it",
        code="schema-newer",
    )
