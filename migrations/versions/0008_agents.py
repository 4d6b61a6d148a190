"""agents elsewhere: enrollment, pins, tokens of agents that dial out, who follows whose events

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _agents()
    _agent_enrollments()
    _agent_leases()
    op.add_column(
        "devices",
        sa.Column("can_set_clock", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.create_index("ix_devices_updated_at", "devices", ["updated_at"], unique=False)


def _agents() -> None:
    op.add_column("agents", sa.Column("pin", sa.String(64), nullable=False, server_default=""))
    op.add_column("agents", sa.Column("token_hash", sa.String(64), nullable=True))
    op.create_index("uq_agents_token_hash", "agents", ["token_hash"], unique=True)


def _agent_enrollments() -> None:
    op.create_table(
        "agent_enrollments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("expires_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("used_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("used_token_hash", sa.String(length=64), server_default="", nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("name <> ''", name=op.f("ck_agent_enrollments_name")),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["agents.id"],
            name=op.f("fk_agent_enrollments_agent_id_agents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_enrollments")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_agent_enrollments_code_hash")),
    )
    op.create_index(
        "ix_agent_enrollments_expires_at", "agent_enrollments", ["expires_at"], unique=False
    )


def _agent_leases() -> None:
    op.create_table(
        "agent_leases",
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("until", column_types.UtcDateTime(), nullable=False),
        sa.Column("relay_url", sa.String(length=300), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["agents.id"],
            name=op.f("fk_agent_leases_agent_id_agents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_agent_leases")),
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
