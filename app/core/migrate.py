"""Bring a database to the newest schema.

Alembic is imported only where there is something to migrate: it takes a tenth of a second at every start.
"""

from functools import cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from app.core.db import Database
from app.settings import ROOT

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = ROOT / "migrations"

_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))


def alembic_config(database: Database) -> "Config":
    """Alembic's configuration for this database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["database"] = database
    return config


def upgrade(database: Database) -> None:
    """Apply what is missing; does nothing on a current schema."""
    if current_revision(database) != newest_revision():
        from alembic import command

        command.upgrade(alembic_config(database), "head")


def current_revision(database: Database) -> str | None:
    """The schema the database has, or None for an empty one."""
    with database.engine.connect() as connection:
        if not sa.inspect(connection).has_table(_VERSION.name):
            return None
        return connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()


@cache
def newest_revision() -> str:
    """The schema this program wants: the last of the migrations it was started with, which are numbered."""
    numbers = [path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py")]
    if not numbers:
        raise RuntimeError("no migrations found")
    return max(numbers)
