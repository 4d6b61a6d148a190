"""The search index of operators in the database: FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

The tables are made by migration 0003; no model stands for them. `index_operator` is the one function
that writes them: it is called in the transaction of every change of a name, code, department or device.
"""

from collections.abc import Sequence
from itertools import count
from math import isqrt
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlmodel import col

from app.core.db import Session, dialect_name
from app.operators.models import Operator
from app.operators.search import search_terms

_FTS = sa.table("operator_search", sa.column("rowid", sa.BigInteger), sa.column("operator_search"))
_TERMS = sa.table(
    "operator_search_terms", sa.column("search_id", sa.BigInteger), sa.column("terms", sa.Text)
)
_VECTORS = sa.table("operator_search", sa.column("operator_id", sa.Uuid), sa.column("terms"))

_UPSERT_VECTOR = sa.text(
    """
    INSERT INTO operator_search (operator_id, terms)
    VALUES (:operator_id, array_to_tsvector(CAST(:terms AS text[])))
    ON CONFLICT (operator_id) DO UPDATE SET terms = excluded.terms
    """
).bindparams(sa.bindparam("operator_id", type_=sa.Uuid))
_LAST_SEARCH_ID = sa.text("SELECT coalesce(max(search_id), 0) FROM operator_search_terms")
_UPSERT_TERMS = sa.text(
    """
    INSERT INTO operator_search_terms (search_id, terms) VALUES (:search_id, :terms)
    ON CONFLICT (search_id) DO UPDATE SET terms = excluded.terms WHERE terms <> excluded.terms
    """
)


def index_operator(session: Session, operator: Operator) -> None:
    """Make the operator found by what stands in its row now; flushes the row."""
    session.flush()
    (search_id,) = _write(session, [operator])
    if operator.search_id != search_id:
        operator.search_id = search_id
        session.flush()


def rebuild(session: Session, *, batch: int = 2000) -> int:
    """Index every operator again, e.g. after a restore or a bulk load; returns how many.

    Constant memory: goes through the table in the order of its key.
    """
    done = 0
    last: UUID | None = None
    while True:
        query = _INDEXED.order_by(col(Operator.id)).limit(batch)
        if last is not None:
            query = query.where(col(Operator.id) > last)
        rows = session.execute(query).all()
        new = [
            {"operator_id": row.id, "new_search_id": search_id}
            for row, search_id in zip(rows, _write(session, rows), strict=True)
            if row.search_id != search_id
        ]
        if new:
            session.connection().execute(_KEEP_SEARCH_ID, new)
        done += len(rows)
        if len(rows) < batch:
            session.expire_all()
            return done
        last = rows[-1].id


_Indexed: TypeAlias = "Operator | sa.Row[*tuple[Any, ...]]"
"""The row of an operator, or the columns of it that are indexed."""


def _write(session: Session, operators: Sequence[_Indexed]) -> list[int | None]:
    """Write the terms of the operators; returns their search ids (None on PostgreSQL)."""
    if not operators:
        return []
    if dialect_name(session) == "postgresql":
        rows = [{"operator_id": one.id, "terms": _terms(one)} for one in operators]
        session.execute(_UPSERT_VECTOR, rows)
        return [None] * len(operators)
    fresh = count(session.execute(_LAST_SEARCH_ID).scalar_one() + 1)
    ids = [next(fresh) if one.search_id is None else one.search_id for one in operators]
    lines = [
        {"search_id": search_id, "terms": _line(_terms(one))}
        for search_id, one in zip(ids, operators, strict=True)
    ]
    session.execute(_UPSERT_TERMS, lines)
    return list(ids)


def _terms(operator: _Indexed) -> list[str]:
    return search_terms(
        code=operator.code,
        name=operator.name,
        department=operator.department,
        device_numbers=operator.device_numbers.split(),
    )


_INDEXED = sa.select(
    col(Operator.id),
    col(Operator.code),
    col(Operator.name),
    col(Operator.department),
    col(Operator.device_numbers),
    col(Operator.search_id),
)
_KEEP_SEARCH_ID = (
    sa.update(Operator.__table__)  # type: ignore[attr-defined]
    .where(col(Operator.id) == sa.bindparam("operator_id"))
    .values(search_id=sa.bindparam("new_search_id"))
)


def found_by(session: Session, words: list[str]) -> sa.ColumnElement[bool]:
    """The condition that an operator has, for every word, a term that begins with it."""
    if dialect_name(session) == "postgresql":
        matches = _VECTORS.c.terms.op("@@")(_wanted(words))
        hits = sa.select(_VECTORS.c.operator_id).where(matches)
        return col(Operator.id).in_(hits)
    hits = sa.select(_FTS.c.rowid).where(_FTS.c.operator_search.op("MATCH")(_fts_query(words)))
    return col(Operator.search_id).in_(hits)


def finds_many(session: Session, words: list[str]) -> bool:
    """Whether the words find so many operators that a page of them is met soon on a walk by urgency.

    SQLite counts no further than the number h of hits at which both ways cost the same: sorting costs
    about 4 µs a hit, walking about 10 µs an operator, 51 / h of all of them. PostgreSQL would go
    through every term that begins with a word before it knew, so there short words are taken to find
    many.
    """
    if dialect_name(session) == "postgresql":
        return all(len(word) <= _SHORT[_kind(word)] for word in words)
    limit = isqrt(_EVEN * session.execute(_LAST_SEARCH_ID).scalar_one()) + 1
    hits = (
        sa.select(_FTS.c.rowid)
        .where(_FTS.c.operator_search.op("MATCH")(_fts_query(words)))
        .limit(limit)
        .subquery()
    )
    return bool(session.execute(sa.select(sa.func.count()).select_from(hits)).scalar_one() >= limit)


_EVEN = 10 * 51 // 4
_SHORT = {"digits": 7, "letters": 3, "other": 2}
"""Up to this length a word may well find every tenth operator."""


def _kind(word: str) -> str:
    if not word.isascii():
        return "other"
    return "digits" if word.isdigit() else "letters"


def has_terms(session: Session, words: list[str]) -> sa.ColumnElement[bool]:
    """The same condition, tested on one row of operators at a time, without the search index."""
    if dialect_name(session) == "postgresql":
        matches = sa.func.ts_match_vq(_VECTORS.c.terms, _wanted(words))
        row = sa.select(sa.literal(1)).where(_VECTORS.c.operator_id == col(Operator.id), matches)
    else:
        tests = [sa.func.instr(_TERMS.c.terms, f" {word}") > 0 for word in words]
        row = sa.select(sa.literal(1)).where(_TERMS.c.search_id == col(Operator.search_id), *tests)
    return sa.exists(row.correlate(Operator))


def _wanted(words: list[str]) -> sa.ColumnElement[Any]:
    return sa.cast(sa.literal(_tsquery(words)), TSQUERY)


def _line(terms: list[str]) -> str:
    """As `has_terms` looks at it: a space before each term."""
    return "".join(f" {term}" for term in terms)


def _fts_query(words: list[str]) -> str:
    """Quoted strings are data to FTS5; words hold no quotes (search.query_words)."""
    return " AND ".join(f'"{word}" *' for word in words)


def _tsquery(words: list[str]) -> str:
    return " & ".join(f"'{word}':*" for word in words)
