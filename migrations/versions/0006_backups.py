"""backups: copies on several targets, encryption, retention, drills, whole-system backups

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_CHECKS = {
    "kind": ("pre_clearing", "post_clearing", "on_demand", "system"),
    "state": ("verified", "damaged", "deleted"),
}


def upgrade() -> None:
    op.add_column(
        "backups", sa.Column("encryption", sa.String(20), nullable=False, server_default="")
    )
    op.add_column("backups", sa.Column("key_id", sa.String(16), nullable=False, server_default=""))
    op.add_column("backups", sa.Column("deleted_at", column_types.UtcDateTime(), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        _widen_checks_sqlite()
    else:
        _widen_checks()
    _backup_copies()
    _backup_drills()


def _condition(column: str) -> str:
    values = ", ".join(f"'{value}'" for value in _CHECKS[column])
    return f"{column} IN ({values})"


def _widen_checks() -> None:
    for column in _CHECKS:
        name = op.f(f"ck_backups_{column}")
        op.drop_constraint(name, "backups", type_="check")
        op.create_check_constraint(name, "backups", _condition(column))


def _widen_checks_sqlite() -> None:
    """In place, as sqlite.org/lang_altertable.html (section 7) describes for CHECK constraints.

    A new table in place of the old one would need foreign keys off, which a transaction cannot do.
    """
    connection = op.get_bind()
    sql = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'backups'"
    ).scalar_one()
    for column in _CHECKS:
        start = sql.index(f"CHECK ({column} IN (")
        end = sql.index("))", start) + 2
        sql = f"{sql[:start]}CHECK ({_condition(column)}){sql[end:]}"
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = 'backups'", (sql,)
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


def _backup_copies() -> None:
    op.create_table(
        "backup_copies",
        sa.Column("backup_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("verified_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.CheckConstraint(
            "state IN ('verified', 'damaged', 'failed', 'deleted')",
            name=op.f("ck_backup_copies_state"),
        ),
        sa.ForeignKeyConstraint(
            ["backup_id"], ["backups.id"], name=op.f("fk_backup_copies_backup_id_backups")
        ),
        sa.PrimaryKeyConstraint("backup_id", "target", name=op.f("pk_backup_copies")),
    )
    op.execute(
        "INSERT INTO backup_copies (backup_id, target, position, path, state, verified_at, message) "
        "SELECT id, target, 0, path, state, verified_at, check_message FROM backups"
    )


def _backup_drills() -> None:
    op.create_table(
        "backup_drills",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("backup_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("finished_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("engine", sa.String(length=20), nullable=False),
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("tables", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("started_by", sa.String(length=120), nullable=False),
        sa.ForeignKeyConstraint(
            ["backup_id"], ["backups.id"], name=op.f("fk_backup_drills_backup_id_backups")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_drills")),
    )
    op.create_index(
        "ix_backup_drills_backup_id_id", "backup_drills", ["backup_id", "id"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
