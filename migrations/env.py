"""Alembic's environment: migrates the database the settings (or the caller) name."""

from alembic import context
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

import app.models  # noqa: F401  (registers every table)
from app.core.clock import utc_now
from app.core.db import Database, Session
from app.proof import evidence
from app.settings import load_settings

WITHOUT_EVIDENCE = "0013"
"""The last schema of the releases that kept no digests of records, approvals and decisions in the chain."""

_LOCK = 0x51494E47  # one migration at a time on PostgreSQL


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=False,
        compare_type=True,
        user_module_prefix="column_types.",
        include_name=_include_name,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = context.get_context().get_current_revision()
        context.run_migrations()
        if before is not None and before <= WITHOUT_EVIDENCE:
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                evidence.adopt(session, at=utc_now())
                session.commit()


def _include_name(name: str | None, kind: str, parents: object) -> bool:
    """The full-text index of SQLite is made of tables that no model stands for."""
    return not (kind == "table" and name is not None and name.startswith("operator_search"))


given: Database | None = context.config.attributes.get("database")
database = given or Database(load_settings().resolved_database_url)
with database.engine.execution_options(qingka_writes=True).connect() as connection:
    _run(connection)
if given is None:
    database.dispose()
