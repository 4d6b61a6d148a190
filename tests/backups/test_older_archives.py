"""An archive made before a column existed is restored as it was, and upgraded afterwards."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from app.backups import archive
from app.backups.archive import ArchiveDamaged
from app.backups.service import tables
from app.core import migrate
from app.core.db import Database

BEFORE_OUTCOMES = "0013"
BATCH = (
    "INSERT INTO clearing_batches (id, number, state, period, reason, skipped, created_by,"
    " created_by_name, created_at, updated_at) VALUES ('0190b5a27c3e7d119f4e2f1c8a6b0d56',"
    " 'PL202611-000001', 'running', '2026-10', '征期', '[]', 'lin', '林会计',"
    " '2026-11-10 02:00:00.000000', '2026-11-10 02:00:00.000000')"
)
NONE = (0, archive.digest_lines(iter(()))[1])


def test_tables_of_an_older_archive_are_compared_in_the_columns_they_had(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    try:
        command.upgrade(migrate.alembic_config(database), BEFORE_OUTCOMES)
        with database.transaction() as session:
            session.connection().execute(sa.text(BATCH))
        grown = ("clearing_requests", "clearing_records", "clearing_targets")
        with database.reading() as session:
            assert tables.compare(session, dict.fromkeys(grown, NONE)) == 0
            with pytest.raises(ArchiveDamaged):
                tables.compare(session, {"clearing_batches": NONE})
        migrate.upgrade(database)
        assert migrate.current_revision(database) == migrate.newest_revision()
        with database.reading() as session:
            assert tables.compare(session, dict.fromkeys(grown, NONE)) == 0
    finally:
        database.dispose()
