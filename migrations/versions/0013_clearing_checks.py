"""clearing: the pre-checks of every execution, with what they looked at

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clearing_checks",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.String(length=32), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("remedy", sa.String(length=500), nullable=False),
        sa.Column("device_number", sa.String(length=12), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "severity IN ('ok', 'warning', 'blocking')",
            name=op.f("ck_clearing_checks_severity"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["clearing_requests.id"],
            name=op.f("fk_clearing_checks_request_id_clearing_requests"),
        ),
        sa.PrimaryKeyConstraint(
            "request_id", "attempt", "position", name=op.f("pk_clearing_checks")
        ),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
