"""reconciliation: runs and the differences they found

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _reconciliation_runs()
    _reconciliation_differences()


def _reconciliation_runs() -> None:
    op.create_table(
        "reconciliation_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("operator_name", sa.String(length=80), nullable=False),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("bureau_message", sa.String(length=500), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.String(length=80), nullable=False),
        sa.Column("started_by_name", sa.String(length=120), nullable=False),
        sa.Column("started_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("length(period) = 7", name=op.f("ck_reconciliation_runs_period")),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operators.id"],
            name=op.f("fk_reconciliation_runs_operator_id_operators"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_runs")),
    )
    op.create_index(
        "ix_reconciliation_runs_period_id", "reconciliation_runs", ["period", "id"], unique=False
    )
    op.create_index(
        "ix_reconciliation_runs_operator_id_id",
        "reconciliation_runs",
        ["operator_id", "id"],
        unique=False,
    )


def _reconciliation_differences() -> None:
    op.create_table(
        "reconciliation_differences",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("device_number", sa.String(length=12), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("invoice_type", sa.String(length=3), nullable=True),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("handling", sa.String(length=32), nullable=True),
        sa.Column("handled_by", sa.String(length=80), nullable=False),
        sa.Column("handled_by_name", sa.String(length=120), nullable=False),
        sa.Column("handled_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        *_checks(),
        *_keys(),
    )
    for name, columns in (
        ("ix_reconciliation_differences_run_id_id", ["run_id", "id"]),
        ("ix_reconciliation_differences_fingerprint_id", ["fingerprint", "id"]),
        (op.f("ix_reconciliation_differences_enterprise_id"), ["enterprise_id"]),
    ):
        op.create_index(name, "reconciliation_differences", columns, unique=False)


def _checks() -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(
            "kind IN ('number_gap', 'amount_mismatch', 'status_not_updated', "
            "'duplicate_clearing', 'unauthorised_clearing')",
            name=op.f("ck_reconciliation_differences_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('open', 'handled')", name=op.f("ck_reconciliation_differences_state")
        ),
        sa.CheckConstraint(
            "handling IN ('accepted', 'corrected')",
            name=op.f("ck_reconciliation_differences_handling"),
        ),
        sa.CheckConstraint(
            "(state = 'handled') = (handled_at IS NOT NULL AND handling IS NOT NULL)",
            name=op.f("ck_reconciliation_differences_handled"),
        ),
    ]


def _keys() -> list[sa.Constraint]:
    parents = (
        ("run_id", "reconciliation_runs"),
        ("enterprise_id", "enterprises"),
        ("operator_id", "operators"),
        ("device_id", "devices"),
    )
    foreign = [
        sa.ForeignKeyConstraint(
            [column],
            [f"{table}.id"],
            name=op.f(f"fk_reconciliation_differences_{column}_{table}"),
        )
        for column, table in parents
    ]
    return [*foreign, sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation_differences"))]


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
