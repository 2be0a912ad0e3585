"""A sequence number is taken once, and the store says which instance an epoch is of."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Add the index that refuses a second record of a number, and ``epoch``."""
    op.create_index("ix_rec_number", "rec", ["epoch", "seq"], unique=True)
    op.create_table(
        "epoch",
        sa.Column("epoch", sa.String(), primary_key=True),
        sa.Column("instance", sa.String(), nullable=False),
    )
