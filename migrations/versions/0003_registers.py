"""registers: enterprises, operators with their search index, devices, agents, invoices

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from app.core import columns as column_types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _enterprises()
    _operators()
    _agents()
    _devices()
    _device_monitors()
    _invoices()
    _operator_search()


def _enterprises() -> None:
    op.create_table(
        "enterprises",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tax_no", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("tax_authority_code", sa.String(length=11), server_default="", nullable=False),
        sa.Column("tax_authority_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("filing_cycle", sa.String(32), nullable=False),
        sa.Column("contact_name", sa.String(length=100), server_default="", nullable=False),
        sa.Column("contact_phone", sa.String(length=40), server_default="", nullable=False),
        sa.Column("contact_email", sa.String(length=254), server_default="", nullable=False),
        sa.Column("review_required", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "filing_cycle IN ('monthly', 'quarterly')", name=op.f("ck_enterprises_filing_cycle")
        ),
        sa.CheckConstraint("name <> ''", name=op.f("ck_enterprises_name")),
        sa.CheckConstraint(
            "length(tax_no) IN (15, 17, 18, 20)", name=op.f("ck_enterprises_tax_no")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enterprises")),
        sa.UniqueConstraint("tax_no", name=op.f("uq_enterprises_tax_no")),
    )
    op.create_index(op.f("ix_enterprises_name_id"), "enterprises", ["name", "id"], unique=False)


def _operators() -> None:
    op.create_table(
        "operators",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("department", sa.String(length=100), server_default="", nullable=False),
        sa.Column("phone", sa.String(length=40), server_default="", nullable=False),
        sa.Column("email", sa.String(length=254), server_default="", nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("attention", sa.String(32), nullable=False),
        sa.Column("lock_date", sa.Date(), nullable=True),
        sa.Column("urgency", sa.Date(), nullable=False),
        sa.Column("last_cleared_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("device_count", sa.Integer(), nullable=False),
        sa.Column("device_numbers", sa.Text(), server_default="", nullable=False),
        sa.Column("search_id", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "attention IN ('none', 'running', 'failed')", name=op.f("ck_operators_attention")
        ),
        sa.CheckConstraint("code <> ''", name=op.f("ck_operators_code")),
        sa.CheckConstraint("lock_date < '9999-12-31'", name=op.f("ck_operators_lock_date")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_operators_name")),
        sa.CheckConstraint(
            "urgency = coalesce(lock_date, '9999-12-31')", name=op.f("ck_operators_urgency")
        ),
        sa.CheckConstraint("device_count >= 0", name=op.f("ck_operators_device_count")),
        sa.ForeignKeyConstraint(
            ["enterprise_id"],
            ["enterprises.id"],
            name=op.f("fk_operators_enterprise_id_enterprises"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operators")),
        sa.UniqueConstraint("code", name=op.f("uq_operators_code")),
    )
    op.create_index(
        "ix_operators_attention",
        "operators",
        ["attention", "urgency", "id", "active", "enterprise_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_operators_enterprise_id_urgency_id"),
        "operators",
        ["enterprise_id", "urgency", "id"],
        unique=False,
    )
    op.create_index(
        "ix_operators_search_id",
        "operators",
        ["search_id", "urgency", "id", "attention", "enterprise_id", "active"],
        unique=False,
    )
    op.create_index(op.f("ix_operators_urgency_id"), "operators", ["urgency", "id"], unique=False)


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("base_url", sa.String(length=300), nullable=False),
        sa.Column("sealed_token", sa.String(length=1000), nullable=False),
        sa.Column("version", sa.String(length=40), server_default="", nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("last_seen_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("base_url <> ''", name=op.f("ck_agents_base_url")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_agents_name")),
        sa.CheckConstraint(
            "state IN ('new', 'online', 'unreachable', 'unauthorized', 'incompatible')",
            name=op.f("ck_agents_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("base_url", name=op.f("uq_agents_base_url")),
        sa.UniqueConstraint("name", name=op.f("uq_agents_name")),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("enterprise_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("machine_no", sa.Integer(), nullable=True),
        sa.Column("version", sa.String(length=40), server_default="", nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("tax_no", sa.String(length=20), server_default="", nullable=False),
        sa.Column("taxpayer_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("clock_at", sa.DateTime(), nullable=True),
        sa.Column("clock_drift_seconds", sa.Integer(), nullable=True),
        sa.Column("read_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("last_reported_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("last_cleared_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("lock_date", sa.Date(), nullable=True),
        sa.Column("fault_code", sa.String(length=60), server_default="", nullable=False),
        sa.Column("fault_message", sa.String(length=500), server_default="", nullable=False),
        sa.Column("retired_at", column_types.UtcDateTime(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "(state = 'retired') = (retired_at IS NOT NULL)", name=op.f("ck_devices_retired")
        ),
        sa.CheckConstraint(
            "kind IN ('tax_disk', 'golden_tax_disk', 'ukey', 'tax_server')",
            name=op.f("ck_devices_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('connected', 'disconnected', 'locked', 'fault', 'retired')",
            name=op.f("ck_devices_state"),
        ),
        sa.CheckConstraint("length(number) = 12", name=op.f("ck_devices_number")),
        sa.CheckConstraint("machine_no >= 0", name=op.f("ck_devices_machine_no")),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_devices_agent_id_agents")
        ),
        sa.ForeignKeyConstraint(
            ["enterprise_id"], ["enterprises.id"], name=op.f("fk_devices_enterprise_id_enterprises")
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_devices_operator_id_operators")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
    )
    op.create_index(op.f("ix_devices_agent_id"), "devices", ["agent_id"], unique=False)
    op.create_index(
        op.f("ix_devices_enterprise_id_number_id"),
        "devices",
        ["enterprise_id", "number", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_devices_lock_date"), "devices", ["lock_date"], unique=False)
    op.create_index(op.f("ix_devices_number_id"), "devices", ["number", "id"], unique=False)
    op.create_index(
        op.f("ix_devices_operator_id_state"), "devices", ["operator_id", "state"], unique=False
    )
    op.create_index(
        "uq_devices_enterprise_id_machine_no",
        "devices",
        ["enterprise_id", "machine_no"],
        unique=True,
        sqlite_where=sa.text("state <> 'retired'"),
        postgresql_where=sa.text("state <> 'retired'"),
    )
    op.create_index(
        "uq_devices_number",
        "devices",
        ["number"],
        unique=True,
        sqlite_where=sa.text("state <> 'retired'"),
        postgresql_where=sa.text("state <> 'retired'"),
    )


def _device_monitors() -> None:
    op.create_table(
        "device_monitors",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_type", sa.String(3), nullable=False),
        sa.Column("report_from", sa.DateTime(), nullable=False),
        sa.Column("report_to", sa.DateTime(), nullable=True),
        sa.Column("last_reported_at", sa.DateTime(), nullable=True),
        sa.Column("lock_date", sa.Date(), nullable=False),
        sa.Column("upload_due_day", sa.Integer(), nullable=True),
        sa.Column("offline_hours", sa.Integer(), nullable=True),
        sa.Column("offline_amount", sa.BigInteger(), nullable=True),
        sa.Column("single_limit", sa.BigInteger(), nullable=True),
        sa.Column("free_space", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "invoice_type IN ('004', '005', '006', '007', '025', '026', '028')",
            name=op.f("ck_device_monitors_invoice_type"),
        ),
        sa.CheckConstraint(
            "upload_due_day BETWEEN 1 AND 31", name=op.f("ck_device_monitors_upload_due_day")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"],
            ["devices.id"],
            name=op.f("fk_device_monitors_device_id_devices"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("device_id", "invoice_type", name=op.f("pk_device_monitors")),
    )


def _invoices() -> None:
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("invoice_type", sa.String(3), nullable=False),
        sa.Column("code", sa.String(length=12), server_default="", nullable=False),
        sa.Column("number", sa.String(length=20), server_default="", nullable=False),
        sa.Column("issued_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("period", sa.String(length=7), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("uploaded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("draft", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("buyer_tax_no", sa.String(length=20), server_default="", nullable=False),
        sa.Column("buyer_name", sa.String(length=200), server_default="", nullable=False),
        sa.Column("clearing_status", sa.String(32), nullable=False),
        sa.Column("cleared_by_record_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("created_at", column_types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", column_types.UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "NOT (draft AND clearing_status = 'cleared')", name=op.f("ck_invoices_draft")
        ),
        sa.CheckConstraint(
            "cleared_by_record_id IS NULL OR clearing_status = 'cleared'",
            name=op.f("ck_invoices_cleared_by_record_id"),
        ),
        sa.CheckConstraint(
            "clearing_status IN ('uncleared', 'cleared')", name=op.f("ck_invoices_clearing_status")
        ),
        sa.CheckConstraint("draft OR number <> ''", name=op.f("ck_invoices_number")),
        sa.CheckConstraint(
            "invoice_type IN ('004', '005', '006', '007', '025', '026', '028')",
            name=op.f("ck_invoices_invoice_type"),
        ),
        sa.CheckConstraint(
            "status IN ('normal', 'red', 'void_blank', 'void', 'void_red')",
            name=op.f("ck_invoices_status"),
        ),
        sa.CheckConstraint("length(period) = 7", name=op.f("ck_invoices_period")),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_invoices_device_id_devices")
        ),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_invoices_operator_id_operators")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
    )
    op.create_index(
        op.f("ix_invoices_cleared_by_record_id"), "invoices", ["cleared_by_record_id"], unique=False
    )
    op.create_index(
        op.f("ix_invoices_device_id_issued_at_id"),
        "invoices",
        ["device_id", "issued_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_invoices_device_id_period_invoice_type_clearing_status"),
        "invoices",
        ["device_id", "period", "invoice_type", "clearing_status"],
        unique=False,
    )
    op.create_index(op.f("ix_invoices_issued_at_id"), "invoices", ["issued_at", "id"], unique=False)
    op.create_index(op.f("ix_invoices_number"), "invoices", ["number"], unique=False)
    op.create_index(
        op.f("ix_invoices_operator_id_issued_at_id"),
        "invoices",
        ["operator_id", "issued_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_invoices_device_id_invoice_type_code_number",
        "invoices",
        ["device_id", "invoice_type", "code", "number"],
        unique=True,
        sqlite_where=sa.text("NOT draft"),
        postgresql_where=sa.text("NOT draft"),
    )


def _operator_search() -> None:
    """The search index of operators: app/operators/search_index.py reads and writes it."""
    statements = {"sqlite": _SQLITE_SEARCH, "postgresql": _POSTGRESQL_SEARCH}
    for statement in statements[op.get_bind().dialect.name]:
        op.execute(statement)


# Terms are separated by spaces and hold only letters and digits. The ascii tokenizer takes every
# other character for a letter, so that Chinese characters of any plane are kept as they are.
_SQLITE_SEARCH = (
    """
    CREATE TABLE operator_search_terms (
        search_id INTEGER PRIMARY KEY,
        terms TEXT NOT NULL
    )
    """,
    """
    CREATE VIRTUAL TABLE operator_search USING fts5(
        terms, content='operator_search_terms', content_rowid='search_id',
        tokenize='ascii', prefix='1 2 3', detail=none, columnsize=0
    )
    """,
    """
    CREATE TRIGGER operator_search_added AFTER INSERT ON operator_search_terms BEGIN
        INSERT INTO operator_search (rowid, terms) VALUES (new.search_id, new.terms);
    END
    """,
    """
    CREATE TRIGGER operator_search_changed AFTER UPDATE ON operator_search_terms BEGIN
        INSERT INTO operator_search (operator_search, rowid, terms)
            VALUES ('delete', old.search_id, old.terms);
        INSERT INTO operator_search (rowid, terms) VALUES (new.search_id, new.terms);
    END
    """,
    """
    CREATE TRIGGER operator_search_removed AFTER DELETE ON operator_search_terms BEGIN
        INSERT INTO operator_search (operator_search, rowid, terms)
            VALUES ('delete', old.search_id, old.terms);
    END
    """,
)

_POSTGRESQL_SEARCH = (
    """
    CREATE TABLE operator_search (
        operator_id UUID PRIMARY KEY REFERENCES operators (id) ON DELETE CASCADE,
        terms TSVECTOR NOT NULL
    )
    """,
    "CREATE INDEX ix_operator_search_terms ON operator_search USING gin (terms)",
)


def downgrade() -> None:
    raise RuntimeError("migrations go forward only; restore a backup to go back")
