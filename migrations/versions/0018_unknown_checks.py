"""clearing: a pre-check that nothing has looked at yet is neither passed nor failed

Revision ID: 0018
Revises: 0017
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_NAME = "ck_clearing_checks_severity"
_BEFORE = "severity IN ('ok', 'warning', 'blocking')"
_NOW = "severity IN ('ok', 'unknown', 'warning', 'blocking')"


def upgrade() -> None:
    """Checks kept before stay as they were shown."""
    if op.get_bind().dialect.name == "sqlite":
        _widen_sqlite()
    else:
        op.drop_constraint(op.f(_NAME), "clearing_checks", type_="check")
        op.create_check_constraint(op.f(_NAME), "clearing_checks", _NOW)


def _widen_sqlite() -> None:
    """A new table in place of the old one; no other refers to it, so foreign keys may stay on."""
    connection = op.get_bind()
    sql = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'clearing_checks'"
    ).scalar_one()
    if sql.count(_BEFORE) != 1:
        raise RuntimeError("clearing_checks is not as migration 0013 left it")
    wider = sql.replace(_BEFORE, _NOW).replace("clearing_checks", "clearing_checks_new", 1)
    for statement in (
        wider,
        "INSERT INTO clearing_checks_new SELECT * FROM clearing_checks",
        "DROP TABLE clearing_checks",
        "ALTER TABLE clearing_checks_new RENAME TO clearing_checks",
    ):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
