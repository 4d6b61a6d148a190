"""who asks: kept answers by principal, limits and owners of API keys, who first asked for a clearing

Revision ID: 0015
Revises: 0014
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KEYS = sa.table(
    "api_keys",
    sa.column("id", sa.Uuid()),
    sa.column("created_by", sa.Uuid()),
    sa.column("responsible_id", sa.Uuid()),
)
_REQUESTS = sa.table(
    "clearing_requests",
    sa.column("requested_by", sa.String()),
    sa.column("requested_by_name", sa.String()),
    sa.column("asked_by", sa.String()),
    sa.column("asked_by_name", sa.String()),
    sa.column("asked_by_kind", sa.String()),
    sa.column("asked_for", sa.JSON()),
)
_TRAIL = sa.table(
    "audit_records",
    sa.column("action", sa.String()),
    sa.column("actor_kind", sa.String()),
    sa.column("actor_id", sa.String()),
    sa.column("object_id", sa.String()),
)


def upgrade() -> None:
    _kept_answers()
    _limits_of_keys()
    _first_asker()
    makers = _makers()
    _fill_keys(makers)
    _fill_requests(makers)


def _kept_answers() -> None:
    """What was kept by the text of a header belongs to nobody now; it was kept for a day only."""
    op.drop_table("idempotency_keys")
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("rights", sa.String(length=64), nullable=False),
        sa.Column("answered_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_answered_at"), "idempotency_keys", ["answered_at"], unique=False
    )


def _limits_of_keys() -> None:
    op.add_column("api_keys", sa.Column("responsible_id", sa.Uuid(), nullable=True))
    op.add_column(
        "api_keys",
        sa.Column("all_enterprises", sa.Boolean(), nullable=False, server_default=sa.true()),
    )
    op.create_table(
        "api_key_enterprises",
        sa.Column("api_key_id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["api_key_id"], ["api_keys.id"], name=op.f("fk_api_key_enterprises_api_key_id_api_keys")
        ),
        sa.PrimaryKeyConstraint("api_key_id", "enterprise_id", name=op.f("pk_api_key_enterprises")),
    )


def _first_asker() -> None:
    for name, length in (("asked_by", 80), ("asked_by_name", 120), ("asked_by_kind", 16)):
        op.add_column(
            "clearing_requests",
            sa.Column(name, sa.String(length=length), nullable=False, server_default=""),
        )
    op.add_column(
        "clearing_requests",
        sa.Column("asked_for", sa.JSON(), nullable=False, server_default=sa.text("'[]'")),
    )


def _makers() -> dict[str, Any]:
    """The person behind each key, as text → UUID or None; of a key made by a key, that one's."""
    connection = op.get_bind()
    makers = {str(row.id): row.created_by for row in connection.execute(sa.select(_KEYS))}
    made_by_keys = connection.execute(
        sa.select(_TRAIL.c.object_id, _TRAIL.c.actor_id).where(
            _TRAIL.c.action == "api_key.created", _TRAIL.c.actor_kind == "api_key"
        )
    )
    parents = {row.object_id: row.actor_id for row in made_by_keys}
    return {key: _first_of(key, makers, parents) for key in makers}


def _first_of(key: str, makers: Mapping[str, Any], parents: Mapping[str, str]) -> Any:
    for _ in range(len(makers)):
        if makers.get(key) is not None or key not in parents:
            break
        key = parents[key]
    return makers.get(key)


def _fill_keys(makers: Mapping[str, Any]) -> None:
    connection = op.get_bind()
    for row in connection.execute(sa.select(_KEYS)).all():
        maker = makers[str(row.id)]
        connection.execute(
            sa.update(_KEYS)
            .where(_KEYS.c.id == row.id)
            .values(created_by=maker, responsible_id=maker)
        )


def _fill_requests(makers: Mapping[str, Any]) -> None:
    """Who asks now is the best that is known of who asked first."""
    connection = op.get_bind()
    askers = connection.execute(sa.select(_REQUESTS.c.requested_by).distinct()).scalars().all()
    for asker in askers:
        kind, persons = "account", [asker]
        if asker in makers:
            kind, persons = "api_key", [str(makers[asker])] if makers[asker] else []
        connection.execute(
            sa.update(_REQUESTS)
            .where(_REQUESTS.c.requested_by == asker)
            .values(
                asked_by=asker,
                asked_by_name=_REQUESTS.c.requested_by_name,
                asked_by_kind=kind,
                asked_for=persons,
            )
        )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
