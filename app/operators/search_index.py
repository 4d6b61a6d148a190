"""The search index of operators in the database: FTS5 on SQLite, a tsvector with GIN on PostgreSQL.

The tables are made by migration 0003; no model stands for them. `index_operator` is the one function
that writes them: it is called in the transaction of every change of a name, code, department or device.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlmodel import col, select

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
    index_operators(session, [operator])


def index_operators(session: Session, operators: Sequence[Operator]) -> None:
    """The same for several, whose rows are flushed."""
    if not operators:
        return
    if dialect_name(session) == "postgresql":
        rows = [{"operator_id": one.id, "terms": _terms(one)} for one in operators]
        session.execute(_UPSERT_VECTOR, rows)
        return
    last = session.execute(_LAST_SEARCH_ID).scalar_one()
    for number, operator in enumerate((one for one in operators if one.search_id is None), 1):
        operator.search_id = last + number
    session.flush()
    lines = [{"search_id": one.search_id, "terms": _line(_terms(one))} for one in operators]
    session.execute(_UPSERT_TERMS, lines)


def rebuild(session: Session, *, batch: int = 1000) -> int:
    """Index every operator again, e.g. after a restore or a bulk load; returns how many.

    Constant memory: goes through the table in the order of its key.
    """
    done = 0
    last: UUID | None = None
    while True:
        query = select(Operator).order_by(col(Operator.id)).limit(batch)
        if last is not None:
            query = query.where(col(Operator.id) > last)
        operators = list(session.exec(query))
        index_operators(session, operators)
        done += len(operators)
        if len(operators) < batch:
            return done
        last = operators[-1].id
        session.expunge_all()


def _terms(operator: Operator) -> list[str]:
    return search_terms(
        code=operator.code,
        name=operator.name,
        department=operator.department,
        device_numbers=operator.device_numbers.split(),
    )


def found_by(session: Session, words: list[str]) -> sa.ColumnElement[bool]:
    """The condition that an operator has, for every word, a term that begins with it."""
    if dialect_name(session) == "postgresql":
        wanted = sa.cast(sa.literal(_tsquery(words)), TSQUERY)
        hits = sa.select(_VECTORS.c.operator_id).where(_VECTORS.c.terms.op("@@")(wanted))
        return col(Operator.id).in_(hits)
    hits = sa.select(_FTS.c.rowid).where(_FTS.c.operator_search.op("MATCH")(_fts_query(words)))
    return col(Operator.search_id).in_(hits)


def hits_up_to(session: Session, words: list[str], limit: int) -> int:
    """How many operators the words find, counted no further than `limit` (SQLite only)."""
    hits = (
        sa.select(_FTS.c.rowid)
        .where(_FTS.c.operator_search.op("MATCH")(_fts_query(words)))
        .limit(limit)
        .subquery()
    )
    return int(session.execute(sa.select(sa.func.count()).select_from(hits)).scalar_one())


def has_terms(words: list[str]) -> sa.ColumnElement[bool]:
    """The same condition, tested on one row of operators at a time (SQLite only)."""
    tests = [sa.func.instr(_TERMS.c.terms, f" {word}") > 0 for word in words]
    row = sa.select(sa.literal(1)).where(_TERMS.c.search_id == col(Operator.search_id), *tests)
    return sa.exists(row.correlate(Operator))


def _line(terms: list[str]) -> str:
    """As `has_terms` looks at it: a space before each term."""
    return "".join(f" {term}" for term in terms)


def _fts_query(words: list[str]) -> str:
    """Quoted strings are data to FTS5; words hold no quotes (search.query_words)."""
    return " AND ".join(f'"{word}" *' for word in words)


def _tsquery(words: list[str]) -> str:
    return " & ".join(f"'{word}':*" for word in words)
