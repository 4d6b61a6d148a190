"""clearing: requests, batches, stages, log, records; backups; idempotency keys; number series

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types
from app.core import immutable

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _clearing_batches()
    _idempotency_keys()
    _number_series()
    _engine_processes()
    _backups()
    _clearing_requests()
    _clearing_attachments()
    _clearing_events()
    _clearing_records()
    _clearing_stages()
    _clearing_targets()
    _clearing_cleared_types()
    _make_append_only("clearing_records", "id", "request_id,device_id,attempt")
    _make_append_only("clearing_cleared_types", "device_id,period,invoice_type")


def _make_append_only(table: str, *keys: str) -> None:
    """What was done to a device stays on record: the database itself refuses changes."""
    for statement in immutable.statements(table, op.get_bind().dialect.name, keys=keys):
        op.execute(statement)


def _clearing_batches() -> None:
    op.create_table(
        "clearing_batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("skipped", sa.JSON(), nullable=False),
        sa.Column("created_by", sa.String(length=80), nullable=False),
        sa.Column("created_by_name", sa.String(length=120), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('running', 'paused')", name=op.f("ck_clearing_batches_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing_batches")),
        sa.UniqueConstraint("number", name=op.f("uq_clearing_batches_number")),
    )


def _idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("started_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_started_at"), "idempotency_keys", ["started_at"], unique=False
    )


def _engine_processes() -> None:
    op.create_table(
        "engine_processes",
        sa.Column("executor_id", sa.String(length=64), nullable=False),
        sa.Column("seen_at", column_types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("executor_id", name=op.f("pk_engine_processes")),
    )


def _number_series() -> None:
    op.create_table(
        "number_series",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_number_series")),
    )


def _backups() -> None:
    op.create_table(
        "backups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("enterprise_id", sa.Uuid(), nullable=True),
        sa.Column("operator_id", sa.Uuid(), nullable=True),
        sa.Column("operator_name", sa.String(length=80), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=True),
        sa.Column("target", sa.String(length=40), nullable=False),
        sa.Column("path", sa.String(length=400), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.String(length=20), nullable=False),
        sa.Column("invoices", sa.Integer(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("verified_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("check_message", sa.String(length=500), nullable=False),
        sa.CheckConstraint(
            "kind IN ('pre_clearing', 'post_clearing', 'on_demand')", name=op.f("ck_backups_kind")
        ),
        sa.CheckConstraint("state IN ('verified', 'damaged')", name=op.f("ck_backups_state")),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["enterprises.id"], name=op.f("fk_backups_enterprise_id_enterprises")
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_backups_operator_id_operators")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backups")),
    )
    op.create_index("ix_backups_created_at_id", "backups", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_backups_enterprise_id"), "backups", ["enterprise_id"], unique=False)
    op.create_index(op.f("ix_backups_operator_id"), "backups", ["operator_id"], unique=False)
    op.create_index(op.f("ix_backups_request_id"), "backups", ["request_id"], unique=False)


def _clearing_requests() -> None:
    op.create_table(
        "clearing_requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("invoice_types", sa.JSON(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("clearing_date", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("contact_name", sa.String(length=80), nullable=False),
        sa.Column("contact_phone", sa.String(length=40), nullable=False),
        sa.Column("scheduled_for", column_types.UtcDateTime(), nullable=True),
        sa.Column("override_window", sa.Boolean(), nullable=False),
        sa.Column("exceptional", sa.Boolean(), nullable=False),
        sa.Column("checklist", sa.JSON(), nullable=False),
        sa.Column("accepted_warnings", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(length=32), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("requested_by", sa.String(length=80), nullable=False),
        sa.Column("requested_by_name", sa.String(length=120), nullable=False),
        sa.Column("reviewed_by", sa.String(length=80), nullable=True),
        sa.Column("reviewed_by_name", sa.String(length=120), nullable=True),
        sa.Column("review_comment", sa.String(length=500), nullable=True),
        sa.Column("reviewed_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("executed_by", sa.String(length=80), nullable=True),
        sa.Column("executed_by_name", sa.String(length=120), nullable=True),
        sa.Column("started_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("finished_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("error_code", sa.String(length=80), nullable=True),
        sa.Column("error_message", sa.String(length=500), nullable=True),
        sa.Column("error_remedy", sa.String(length=500), nullable=True),
        sa.Column("error_device_code", sa.String(length=80), nullable=True),
        sa.Column("error_device_message", sa.String(length=500), nullable=True),
        sa.Column("backup_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('device', 'tax')", name=op.f("ck_clearing_requests_kind")),
        sa.CheckConstraint(
            "mode IN ('first', 'update', 'regular')", name=op.f("ck_clearing_requests_mode")
        ),
        sa.CheckConstraint("scope IN ('full', 'partial')", name=op.f("ck_clearing_requests_scope")),
        sa.CheckConstraint(
            "stage IN ('init', 'backup', 'clear', 'done')", name=op.f("ck_clearing_requests_stage")
        ),
        sa.CheckConstraint(
            "state IN ('submitted', 'approved', 'rejected', 'scheduled', 'running', 'succeeded', 'confirmed', 'failed', 'needs_attention', 'cancelled')",
            name=op.f("ck_clearing_requests_state"),
        ),
        sa.CheckConstraint(
            "progress BETWEEN 0 AND 100", name=op.f("ck_clearing_requests_progress")
        ),
        sa.ForeignKeyConstraint(
            ["backup_id"], ["backups.id"], name=op.f("fk_clearing_requests_backup_id_backups")
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"],
            ["clearing_batches.id"],
            name=op.f("fk_clearing_requests_batch_id_clearing_batches"),
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["enterprises.id"],
            name=op.f("fk_clearing_requests_enterprise_id_enterprises"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operators.id"],
            name=op.f("fk_clearing_requests_operator_id_operators"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing_requests")),
        sa.UniqueConstraint("number", name=op.f("uq_clearing_requests_number")),
    )
    op.create_index(
        "ix_clearing_requests_batch_id", "clearing_requests", ["batch_id", "id"], unique=False
    )
    op.create_index(
        "ix_clearing_requests_due",
        "clearing_requests",
        ["state", "scheduled_for", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_clearing_requests_enterprise_id"),
        "clearing_requests",
        ["enterprise_id"],
        unique=False,
    )
    op.create_index(
        "ix_clearing_requests_operator_id", "clearing_requests", ["operator_id", "id"], unique=False
    )
    op.create_index(
        "ix_clearing_requests_state_id", "clearing_requests", ["state", "id"], unique=False
    )


def _clearing_attachments() -> None:
    op.create_table(
        "clearing_attachments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.String(length=80), nullable=False),
        sa.Column("added_at", column_types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["clearing_requests.id"],
            name=op.f("fk_clearing_attachments_request_id_clearing_requests"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing_attachments")),
    )
    op.create_index(
        op.f("ix_clearing_attachments_request_id"),
        "clearing_attachments",
        ["request_id"],
        unique=False,
    )


def _clearing_events() -> None:
    op.create_table(
        "clearing_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("at", column_types.UtcDateTime(), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("text", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["clearing_requests.id"],
            name=op.f("fk_clearing_events_request_id_clearing_requests"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing_events")),
    )
    op.create_index(
        "ix_clearing_events_request_id_id", "clearing_events", ["request_id", "id"], unique=False
    )


def _clearing_records() -> None:
    op.create_table(
        "clearing_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("operator_name", sa.String(length=80), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("device_number", sa.String(length=12), nullable=False),
        sa.Column("mode", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("invoice_types", sa.JSON(), nullable=False),
        sa.Column("result", sa.String(length=32), nullable=False),
        sa.Column("already", sa.Boolean(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("error_code", sa.String(length=80), nullable=True),
        sa.Column("error_message", sa.String(length=500), nullable=True),
        sa.Column("started_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("finished_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("executed_by", sa.String(length=80), nullable=False),
        sa.Column("executed_by_name", sa.String(length=120), nullable=False),
        sa.Column("approved_by", sa.String(length=80), nullable=True),
        sa.Column("approved_by_name", sa.String(length=120), nullable=True),
        sa.Column("lock_date_before", sa.Date(), nullable=True),
        sa.Column("lock_date_after", sa.Date(), nullable=True),
        sa.Column("invoices_cleared", sa.Integer(), nullable=False),
        sa.Column("amount", column_types.MoneyType(), nullable=False),
        sa.Column("tax", column_types.MoneyType(), nullable=False),
        sa.Column("backup_id", sa.Uuid(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.CheckConstraint("kind IN ('device', 'tax')", name=op.f("ck_clearing_records_kind")),
        sa.CheckConstraint(
            "mode IN ('first', 'update', 'regular')", name=op.f("ck_clearing_records_mode")
        ),
        sa.CheckConstraint(
            "result IN ('succeeded', 'failed', 'unknown')", name=op.f("ck_clearing_records_result")
        ),
        sa.CheckConstraint("scope IN ('full', 'partial')", name=op.f("ck_clearing_records_scope")),
        sa.ForeignKeyConstraint(
            ["backup_id"], ["backups.id"], name=op.f("fk_clearing_records_backup_id_backups")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_clearing_records_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["enterprises.id"],
            name=op.f("fk_clearing_records_enterprise_id_enterprises"),
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"],
            ["operators.id"],
            name=op.f("fk_clearing_records_operator_id_operators"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["clearing_requests.id"],
            name=op.f("fk_clearing_records_request_id_clearing_requests"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clearing_records")),
        sa.UniqueConstraint(
            "request_id",
            "device_id",
            "attempt",
            name=op.f("uq_clearing_records_request_id_device_id_attempt"),
        ),
    )
    op.create_index(
        "ix_clearing_records_device_id_id", "clearing_records", ["device_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_clearing_records_enterprise_id"),
        "clearing_records",
        ["enterprise_id"],
        unique=False,
    )
    op.create_index(
        "ix_clearing_records_operator_id_id",
        "clearing_records",
        ["operator_id", "id"],
        unique=False,
    )
    op.create_index(
        "ix_clearing_records_period_id", "clearing_records", ["period", "id"], unique=False
    )


def _clearing_stages() -> None:
    op.create_table(
        "clearing_stages",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("started_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("finished_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.CheckConstraint(
            "name IN ('init', 'backup', 'clear', 'done')", name=op.f("ck_clearing_stages_name")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed')",
            name=op.f("ck_clearing_stages_state"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["clearing_requests.id"],
            name=op.f("fk_clearing_stages_request_id_clearing_requests"),
        ),
        sa.PrimaryKeyConstraint("request_id", "name", name=op.f("pk_clearing_stages")),
    )


def _clearing_targets() -> None:
    op.create_table(
        "clearing_targets",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("device_number", sa.String(length=12), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("started_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("report_operation_id", sa.Uuid(), nullable=True),
        sa.Column("clear_operation_id", sa.Uuid(), nullable=True),
        sa.Column("already", sa.Boolean(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'cleared', 'succeeded', 'failed')",
            name=op.f("ck_clearing_targets_state"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_clearing_targets_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["clearing_requests.id"],
            name=op.f("fk_clearing_targets_request_id_clearing_requests"),
        ),
        sa.PrimaryKeyConstraint("request_id", "device_id", name=op.f("pk_clearing_targets")),
    )
    op.create_index(
        "uq_clearing_targets_open_device",
        "clearing_targets",
        ["device_id"],
        unique=True,
        sqlite_where=sa.text("open"),
        postgresql_where=sa.text("open"),
    )


def _clearing_cleared_types() -> None:
    op.create_table(
        "clearing_cleared_types",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("invoice_type", sa.String(length=3), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_clearing_cleared_types_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["record_id"],
            ["clearing_records.id"],
            name=op.f("fk_clearing_cleared_types_record_id_clearing_records"),
        ),
        sa.PrimaryKeyConstraint(
            "device_id", "period", "invoice_type", name=op.f("pk_clearing_cleared_types")
        ),
    )
    op.create_index(
        op.f("ix_clearing_cleared_types_record_id"),
        "clearing_cleared_types",
        ["record_id"],
        unique=False,
    )


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
