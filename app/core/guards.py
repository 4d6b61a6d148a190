"""Whether the database still guards its append-only tables: every trigger there, as the migrations made it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.core import immutable
from app.core.db import Session, dialect_name


@dataclass(frozen=True, slots=True)
class Guard:
    """A table that takes no change. `keys` as in `immutable.statements`; `serial`: the column that counts up."""

    table: str
    keys: tuple[str, ...] = ("id",)
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A trigger that is `missing`, `altered`, or one that nobody of us made (`foreign`)."""

    table: str
    trigger: str
    what: str


def faults(session: Session, guards: Sequence[Guard]) -> list[Fault]:
    """What does not stand guard as it should, by table and trigger."""
    sqlite = dialect_name(session) == "sqlite"
    wanted_of, found_of = (_wanted_sqlite, _found_sqlite) if sqlite else (_wanted_pg, _found_pg)
    found: list[Fault] = []
    for guard in guards:
        wanted, there = wanted_of(guard), found_of(session, guard.table)
        for name in sorted(wanted.keys() | there.keys()):
            if wanted.get(name) != there.get(name):
                what = (
                    "missing" if name not in there else "altered" if name in wanted else "foreign"
                )
                found.append(Fault(guard.table, name, what))
    return found


def _statements(guard: Guard, dialect: str) -> Iterator[str]:
    yield from immutable.statements(guard.table, dialect, keys=guard.keys)
    if guard.serial:
        yield from immutable.contiguous(guard.table, guard.serial, dialect)


def _plain(definition: str) -> str:
    """Without quotes and with single spaces: SQLite writes names anew when a table is altered."""
    return " ".join(re.sub(r"[\"`\[\]]", "", definition).split()).rstrip(";")


def _wanted_sqlite(guard: Guard) -> dict[str, Any]:
    return {text.split()[2]: _plain(text) for text in _statements(guard, "sqlite")}


def _found_sqlite(session: Session, table: str) -> dict[str, Any]:
    rows = session.execute(
        sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table"),
        {"table": table},
    )
    return {name: _plain(sql) for name, sql in rows}


_ROW, _BEFORE, _INSERT, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 4, 8, 16, 32
"""Bits of pg_trigger.tgtype."""
_BODY = re.compile(r"CREATE(?: OR REPLACE)? FUNCTION (\w+)\(\).*?\$\$(.*?)\$\$", re.DOTALL)


def _wanted_pg(guard: Guard) -> dict[str, Any]:
    """Events, function and its text, enabled always, without a condition."""
    bodies = {
        match[1]: _plain(match[2])
        for text in _statements(guard, "postgresql")
        if (match := _BODY.search(text))
    }
    refusing, counting = "refuse_change", f"{guard.table}_contiguous"
    changes = _BEFORE | _DELETE | _UPDATE | _TRUNCATE
    wanted = {
        f"{guard.table}_append_only": (changes, refusing, bodies[refusing], "A", True),
    }
    if guard.serial:
        wanted[counting] = (_ROW | _BEFORE | _INSERT, counting, bodies[counting], "A", True)
    return wanted


def _found_pg(session: Session, table: str) -> dict[str, Any]:
    rows = session.execute(
        sa.text(
            "SELECT t.tgname, t.tgtype, p.proname, p.prosrc, t.tgenabled, t.tgqual IS NULL"
            " AND COALESCE(array_length(t.tgattr::int2[], 1), 0) = 0"
            " FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE t.tgrelid = to_regclass(:table) AND NOT t.tgisinternal"
        ),
        {"table": table},
    )
    return {
        name: (kind, function, _plain(body), _text(enabled), whole)
        for name, kind, function, body, enabled, whole in rows
    }


def _text(value: str | bytes) -> str:
    """PostgreSQL's one-byte char comes as bytes from some drivers."""
    return value.decode() if isinstance(value, bytes) else value
