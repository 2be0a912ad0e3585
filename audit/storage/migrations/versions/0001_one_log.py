"""Records, the head of one log, files on their way to disk, facts about the store."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "rec",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("epoch", sa.String(), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("env", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("idx", BIG, unique=True),
    )
    op.create_index("ix_rec_request_id", "rec", ["request_id"])
    op.create_table(
        "head",
        sa.Column("id", BIG, primary_key=True),
        sa.Column("size", BIG, nullable=False),
        sa.Column("checkpoint", sa.String(), nullable=False),
    )
    op.create_table(
        "staged",
        sa.Column("path", sa.String(), primary_key=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("value", sa.String(), nullable=False),
    )
