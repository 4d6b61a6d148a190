"""The migration widens a table that is in use, and gives backups made before it their copies."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from app.core import migrate
from app.core.db import Database

_OLD = """
INSERT INTO backups (id, kind, state, operator_name, target, path, size, sha256, algorithm,
  invoices, summary, created_at, verified_at, check_message)
VALUES ('01a20bd2e0137c01baaaace4ffa1d66c', 'pre_clearing', 'verified', '王晓梅', 'local',
  '2026-11/a.zip', 7, 'aa', 'SHA-256', 3, '{}', '2026-11-01 00:00:00', '2026-11-01 00:00:00', '一致')
"""
_SYSTEM = _OLD.replace("01a20bd2e013", "01a20bd2e014").replace("pre_clearing", "system")


def test_sqlite_table_in_use_is_widened_in_place(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    command.upgrade(migrate.alembic_config(database), "0005")
    writer = database.engine.execution_options(qingka_writes=True)
    with writer.begin() as connection:
        connection.exec_driver_sql(_OLD)
    migrate.upgrade(database)
    with writer.begin() as connection:
        connection.exec_driver_sql(_SYSTEM)
        copies = connection.exec_driver_sql(
            "SELECT target, path, state, message FROM backup_copies"
        ).all()
        check = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
    assert copies == [("local", "2026-11/a.zip", "verified", "一致")]
    assert check == "ok"
    wrong = _SYSTEM.replace("01a20bd2e014", "01a20bd2e015").replace("'system'", "'weekly'")
    with writer.connect() as connection, pytest.raises(sa.exc.IntegrityError, match="backups_kind"):
        connection.exec_driver_sql(wrong)
    database.dispose()
