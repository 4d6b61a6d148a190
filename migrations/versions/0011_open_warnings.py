"""clearing requests: the warnings nobody accepted, at which a run stopped

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "clearing_requests",
        sa.Column("open_warnings", sa.JSON(), nullable=False, server_default=sa.text("'[]'")),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
