"""clearing: which execution is in charge of a request

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Requests under way have no execution yet: the next one to claim them is the first."""
    op.add_column(
        "clearing_requests",
        sa.Column("execution_owner", sa.String(64), nullable=False, server_default=""),
    )
    op.add_column(
        "clearing_requests",
        sa.Column("execution_number", sa.Integer(), nullable=False, server_default="0"),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
