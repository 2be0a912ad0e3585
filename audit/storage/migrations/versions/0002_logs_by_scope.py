"""A head for each log, and which records are in which; what there is becomes the main log, whose name is empty."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_STAGED = {
    "sqlite": "INSERT INTO staged (log, path, place, data) SELECT '', path, rowid, data FROM staged_0",
    "postgresql": "INSERT INTO staged (log, path, place, data)"
    " SELECT '', path, row_number() OVER (ORDER BY path), data FROM staged_0",
}
"""In the order in which they were staged, which only SQLite kept; no store on PostgreSQL is of that version."""


def upgrade() -> None:
    """Replace ``head`` and ``staged`` by tables that name the log, and add ``member``."""
    for table in ("head", "staged"):
        op.rename_table(table, f"{table}_0")
        if op.get_bind().dialect.name == "postgresql":  # there a table's key keeps its name, and would be in the way
            op.execute(f"ALTER INDEX {table}_pkey RENAME TO {table}_0_pkey")
    op.create_table(
        "head",
        sa.Column("log", sa.String(), primary_key=True),
        sa.Column("size", BIG, nullable=False),
        sa.Column("checkpoint", sa.String(), nullable=False),
    )
    op.execute("INSERT INTO head (log, size, checkpoint) SELECT '', size, checkpoint FROM head_0")
    op.create_table(
        "staged",
        sa.Column("log", sa.String(), primary_key=True),
        sa.Column("path", sa.String(), primary_key=True),
        sa.Column("place", BIG, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.execute(_STAGED[op.get_bind().dialect.name])
    op.drop_table("head_0")
    op.drop_table("staged_0")
    op.create_table(
        "member",
        sa.Column("log", sa.String(), primary_key=True),
        sa.Column("rec_id", BIG, sa.ForeignKey("rec.id"), primary_key=True),
        sa.Column("idx", BIG),
        sa.UniqueConstraint("log", "idx"),
        sqlite_with_rowid=False,
    )
    waiting = sa.text("idx IS NULL")
    op.create_index("ix_member_waiting", "member", ["log", "rec_id"], sqlite_where=waiting, postgresql_where=waiting)
