"""Rows of tables as JSON and back, without loss: what a backup holds of the database."""

import base64
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from app.core.columns import MoneyType, UtcDateTime
from app.core.db import Session, dialect_name

Row = Mapping[str, Any]
_BATCH = 1000
_AS_IT_IS = frozenset({str, int, bool, type(None)})


def row_of(instance: SQLModel) -> dict[str, Any]:
    """Every column of a row: what a restore needs to bring it back exactly."""
    return {name: encode(getattr(instance, name)) for name in _names(type(instance))}


@cache
def _names(model: type[SQLModel]) -> tuple[str, ...]:
    return tuple(sorted(model.model_fields))


def encode(value: Any) -> Any:
    """A column's value as JSON can hold it."""
    if type(value) in _AS_IT_IS or isinstance(value, int | dict | list):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def decode(column: sa.ColumnElement[Any], value: Any) -> Any:
    """What `encode` was given, for this column."""
    kind = column.type
    if isinstance(kind, sa.JSON):
        return sa.null() if value is None else value
    if value is None:
        return None
    if isinstance(kind, UtcDateTime | sa.DateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, sa.Date):
        return date.fromisoformat(value)
    if isinstance(kind, sa.Uuid):
        return UUID(value)
    if isinstance(kind, MoneyType):
        return Decimal(value)
    return base64.b64decode(value) if isinstance(kind, sa.LargeBinary) else value


def values_of(table: sa.Table, row: Row) -> dict[str, Any]:
    """The columns of this table that the row holds, ready to be written."""
    return {
        column.name: decode(column, row[column.name])
        for column in table.columns
        if column.name in row
    }


def encoded(values: Row) -> dict[str, Any]:
    """A row as the database gave it, as JSON, with the keys in order."""
    return {name: encode(values[name]) for name in sorted(values)}


@cache
def stored(table: sa.Table) -> sa.Table:
    """The table with texts as they are stored, so that one nobody can read any more is kept as well."""
    columns = [
        sa.Column(column.name, _stored_type(column.type), primary_key=column.primary_key)
        for column in table.columns
    ]
    return sa.Table(table.name, sa.MetaData(), *columns)


def _stored_type(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    text = isinstance(kind, sa.types.TypeDecorator) and isinstance(kind.impl_instance, sa.String)
    return sa.String() if text else kind


def table_rows(session: Session, table: sa.Table) -> Iterator[dict[str, Any]]:
    """Every row in the order of the primary key, with constant memory."""
    table = stored(table)
    statement = sa.select(table).order_by(*_order(session, table))
    result = session.execute(statement.execution_options(yield_per=_BATCH))
    for row in result.mappings():
        yield encoded({str(name): value for name, value in row.items()})


def _order(session: Session, table: sa.Table) -> Iterator[sa.ColumnElement[Any]]:
    """Text by its code points, which is the order of SQLite, whatever the database's locale is."""
    postgresql = dialect_name(session) == "postgresql"
    for column in table.primary_key:
        text = isinstance(column.type, sa.String)
        yield sa.collate(column, "C") if postgresql and text else column
