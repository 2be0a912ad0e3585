"""Tables of the record store; what ``audit.datadir`` reads and ``docs/reference/data-directory.md`` lists.

The schema is stated once, as SQLModel classes; the writer executes statements that are compiled from it at import, because
no object-relational layer belongs on the way of every record.
"""

from sqlalchemy import Dialect, LargeBinary, MetaData, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Column, Field, SQLModel


class Base(SQLModel):
    """Own metadata, so that another package's tables never come in here."""

    metadata = MetaData()


class Rec(Base, table=True):
    """A signed record. ``env``: envelope; ``leaf``: log entry; ``idx``: place in the log, null until sequenced."""

    id: int | None = Field(default=None, primary_key=True)
    request_id: str = Field(index=True)
    kind: str
    epoch: str
    seq: int
    env: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    leaf: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    idx: int | None = Field(default=None, unique=True)


class Head(Base, table=True):
    """The one row that is compared and swapped: size and signed checkpoint of the log."""

    id: int = Field(default=1, primary_key=True)
    size: int
    checkpoint: str


class Staged(Base, table=True):
    """Files of a sequenced batch that may not be on disk yet."""

    path: str = Field(primary_key=True)
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Meta(Base, table=True):
    """Facts about the store itself: instance id, how far recovery has looked."""

    key: str = Field(primary_key=True)
    value: str


_DIALECT: Dialect = sqlite.dialect()


def table(model: type[SQLModel]) -> Table:
    """The table of a model."""
    found = model.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
    assert isinstance(found, Table)
    return found


def ddl() -> tuple[str, ...]:
    """Statements that create everything, for SQLite."""
    statements = []
    for each in Base.metadata.sorted_tables:
        statements.append(str(CreateTable(each).compile(dialect=_DIALECT)))
        statements += [str(CreateIndex(index).compile(dialect=_DIALECT)) for index in each.indexes]
    return tuple(statements)
