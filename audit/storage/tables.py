"""Tables of the record store; what ``audit.datadir`` reads and ``docs/reference/data-directory.md`` lists.

The schema is stated once, as SQLModel classes; the writer executes statements that are compiled from it at import, because
no object-relational layer belongs on the way of every record.
"""

from sqlalchemy import (
    BigInteger,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Column, Field, SQLModel

from audit.storage import schema

BIG = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite's integers have 64 bits, and it numbers rows only where the type is called INTEGER."""


class Base(SQLModel):
    """Own metadata, so that another package's tables never come in here."""

    metadata = MetaData()


class Rec(Base, table=True):
    """A signed record. ``env``: envelope; ``leaf``: log entry; ``idx``: place in the log, null until sequenced."""

    __table_args__ = (Index("ix_rec_number", "epoch", "seq", unique=True),)

    id: int | None = Field(default=None, sa_column=Column(BIG, primary_key=True))
    request_id: str = Field(index=True)
    kind: str
    epoch: str
    seq: int = Field(sa_column=Column(BIG, nullable=False))
    env: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    idx: int | None = Field(default=None, sa_column=Column(BIG, unique=True))


class Member(Base, table=True):
    """That a record is in the log of a scope. ``idx``: its place there, null until sequenced.

    The partial index holds what waits for a place, however large the logs are.
    """

    __table_args__ = (
        UniqueConstraint("log", "idx"),
        Index(
            "ix_member_waiting",
            "log",
            "rec_id",
            sqlite_where=text("idx IS NULL"),
            postgresql_where=text("idx IS NULL"),
        ),
        {"sqlite_with_rowid": False},
    )

    log: str = Field(primary_key=True)
    rec_id: int = Field(sa_column=Column(BIG, ForeignKey("rec.id"), primary_key=True))
    idx: int | None = Field(default=None, sa_column=Column(BIG))


class Head(Base, table=True):
    """The row of each log that is compared and swapped: size and signed checkpoint. The main log's name is empty."""

    log: str = Field(primary_key=True)
    size: int = Field(sa_column=Column(BIG, nullable=False))
    checkpoint: str


class Staged(Base, table=True):
    """Files of a sequenced batch that may not be on disk yet. ``place``: the order in which to write them."""

    log: str = Field(primary_key=True)
    path: str = Field(primary_key=True)
    place: int = Field(sa_column=Column(BIG, nullable=False))
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Epoch(Base, table=True):
    """Which instance an epoch is of. Only PostgreSQL, where instances share a store, has rows here."""

    epoch: str = Field(primary_key=True)
    instance: str


class Meta(Base, table=True):
    """Facts about the store itself: instance id, how far recovery has looked."""

    key: str = Field(primary_key=True)
    value: str


_VERSION_TABLE = (
    f"CREATE TABLE {schema.TABLE} (version_num VARCHAR(32) NOT NULL,"
    f" CONSTRAINT {schema.TABLE}_pkc PRIMARY KEY (version_num))"
)
"""Alembic's own table, as Alembic makes it."""
_DIALECT: Dialect = sqlite.dialect()


def table(model: type[SQLModel]) -> Table:
    """The table of a model."""
    found = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
    assert isinstance(found, Table)
    return found


def ddl() -> tuple[str, ...]:
    """Statements that create everything, for SQLite, in the current version of the schema."""
    statements = []
    for each in Base.metadata.sorted_tables:
        statements.append(str(CreateTable(each).compile(dialect=_DIALECT)))
        statements += [str(CreateIndex(index).compile(dialect=_DIALECT)) for index in each.indexes]
    statements.append(_VERSION_TABLE)
    statements.append(f"INSERT INTO {schema.TABLE} (version_num) VALUES ('{schema.CURRENT}')")  # noqa: S608  # our own names
    return tuple(statements)
