"""clearing: what is ordered of a batch is kept and carried out in portions

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Batches of before were made in one go: they have no orders left to carry out."""
    op.create_table(
        "clearing_batch_orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.String(length=32), nullable=False),
        sa.Column("asked_by", sa.JSON(), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.JSON(), nullable=False),
        sa.Column("refused", sa.JSON(), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("finished_at", column_types.UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "task IN ('create', 'retry')", name=op.f("ck_clearing_batch_orders_task")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["clearing_batches.id"],
            name=op.f("fk_clearing_batch_orders_batch_id_clearing_batches"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing_batch_orders")),
    )
    op.create_index(
        op.f("ix_clearing_batch_orders_batch_id"), "clearing_batch_orders", ["batch_id"]
    )
    op.create_index(
        "ix_clearing_batch_orders_finished_at", "clearing_batch_orders", ["finished_at", "id"]
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
