"""clearing: how it came out (cleared, partly, done before), what is left, and the amounts of both sides

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_OUTCOMES = "('cleared', 'partial', 'already')"


def upgrade() -> None:
    """Rows of before say nothing in the new columns: what they did not note down stays unknown."""
    for table in ("clearing_requests", "clearing_records"):
        # Column and check in one statement: SQLite can't add a constraint to a table that is there,
        # and rebuilding it would take the triggers that keep records as they are.
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN outcome VARCHAR(32) "
            f"CONSTRAINT ck_{table}_outcome CHECK (outcome IN {_OUTCOMES})"
        )
        op.add_column(table, sa.Column("remaining", sa.JSON(none_as_null=True), nullable=True))
        op.add_column(table, sa.Column("next_lock_date", sa.Date(), nullable=True))
    op.add_column(
        "clearing_requests", sa.Column("cleared", sa.JSON(none_as_null=True), nullable=True)
    )
    for table, name in (
        ("clearing_targets", "device_totals"),
        ("clearing_records", "device_totals"),
        ("clearing_records", "ledger_totals"),
    ):
        op.add_column(table, sa.Column(name, sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
