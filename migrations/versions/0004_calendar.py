"""calendar

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calendar_overrides",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.String(7), nullable=False),
        sa.Column("region", sa.String(11), nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
        sa.Column("notice", sa.String(200), nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(month) = 7", name=op.f("ck_calendar_overrides_month")),
        sa.CheckConstraint("notice <> ''", name=op.f("ck_calendar_overrides_notice")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar_overrides")),
        sa.UniqueConstraint("month", "region", name=op.f("uq_calendar_overrides_month_region")),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
