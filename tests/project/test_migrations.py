"""The migrations make what the models say, on both databases, and in one line."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

import app.models  # noqa: F401  (registers every table)
from app.core import migrate
from app.core.db import Database
from app.settings import ROOT

APPEND_ONLY = (
    "audit_records",
    "audit_checkpoints",
    "clearing_records",
    "clearing_cleared_types",
)

_TRIGGERS = {
    "sqlite": "SELECT name, upper(sql) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :t",
    # tgenabled A: always, also for a session that calls itself a replica
    "postgresql": """
        SELECT tgname, upper(pg_get_triggerdef(oid)) FROM pg_trigger
        WHERE tgrelid = CAST(:t AS regclass) AND NOT tgisinternal AND tgenabled = 'A'
    """,
}
_REFUSED = {"sqlite": ("UPDATE", "DELETE"), "postgresql": ("UPDATE", "DELETE", "TRUNCATE")}


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(ROOT / "migrations"))


def test_migrations_form_one_line_numbered_in_order() -> None:
    scripts = _scripts()
    assert len(scripts.get_heads()) == 1
    revisions = [script.revision for script in reversed(list(scripts.walk_revisions()))]
    assert all(len(revision) == 4 and revision.isdigit() for revision in revisions)
    assert revisions == sorted(set(revisions))


def test_file_names_begin_with_their_number() -> None:
    for script in _scripts().walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")
        assert script.doc


def test_migrated_database_is_current(any_database: Database) -> None:
    assert migrate.current_revision(any_database) == migrate.newest_revision()


def test_nothing_is_left_to_migrate(any_database: Database) -> None:
    """Alembic compares tables, columns, types, indexes, unique constraints and foreign keys."""
    command.check(migrate.alembic_config(any_database))


def test_check_constraints_are_those_of_the_models(any_database: Database) -> None:
    """Alembic does not compare these."""
    found = sa.inspect(any_database.engine)
    for table in SQLModel.metadata.sorted_tables:
        wanted = {
            str(any_database.engine.dialect.identifier_preparer.format_constraint(constraint))
            for constraint in table.constraints
            if isinstance(constraint, sa.CheckConstraint)
        }
        there = {str(one["name"]) for one in found.get_check_constraints(table.name)}
        assert there == wanted, table.name


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_database_keeps_append_only_tables(any_database: Database, table: str) -> None:
    dialect = any_database.engine.dialect.name
    with any_database.engine.connect() as connection:
        rows = connection.execute(sa.text(_TRIGGERS[dialect]), {"t": table}).all()
    definitions = [definition for _, definition in rows]
    for verb in _REFUSED[dialect]:
        assert any(
            verb in text.partition("BEFORE")[2].partition(" ON ")[0] for text in definitions
        ), f"{table} takes {verb}"
