"""The tables of devices (税控设备), what was read from them per invoice type, and their agents.

Times named "device clock" are what the device itself shows: naive, Asia/Shanghai, possibly wrong. They
are never mixed with moments of the server.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.contracts.devices import DeviceKind, InvoiceType
from app.core.columns import EnumText, MoneyType, UtcDateTime, one_of
from app.core.ids import new_id

MOUNTED = "mounted:"
"""base_url of the agent that runs inside the server."""

DIAL = "dial:"
"""How the base_url of an agent that dials out begins; its id follows."""


class DeviceState(StrEnum):
    """How the device was seen last; `retired` (注销) is for good."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LOCKED = "locked"
    FAULT = "fault"
    RETIRED = "retired"


class AgentState(StrEnum):
    """How the agent was seen last."""

    NEW = "new"
    ONLINE = "online"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    INCOMPATIBLE = "incompatible"


class Agent(SQLModel, table=True):
    """A device agent.

    `sealed_token` is what the server shows an agent it calls: encrypted (core.crypto), never shown
    again. `token_hash` is all that is kept of the token of an agent that dials out.
    """

    __tablename__ = "agents"
    __table_args__ = (
        one_of("state", AgentState),
        sa.CheckConstraint("name <> ''", name="name"),
        sa.CheckConstraint("base_url <> ''", name="base_url"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("base_url"),
        sa.Index("uq_agents_token_hash", "token_hash", unique=True),
    )

    id: UUID = Field(default_factory=new_id, sa_column=sa.Column(sa.Uuid, primary_key=True))
    name: str = Field(sa_column=sa.Column(sa.String(100), nullable=False))
    base_url: str = Field(sa_column=sa.Column(sa.String(300), nullable=False))
    sealed_token: str = Field(sa_column=sa.Column(sa.String(1000), nullable=False))
    token_hash: str | None = Field(
        default=None, sa_column=sa.Column(sa.String(64), nullable=True), description="SHA-256"
    )
    pin: str = Field(
        default="",
        sa_column=sa.Column(sa.String(64), nullable=False, server_default=""),
        description="SHA-256 of the only certificate it may show; empty: an authority vouches",
    )
    version: str = Field(
        default="", sa_column=sa.Column(sa.String(40), nullable=False, server_default="")
    )
    simulated: bool = Field(
        default=False, sa_column=sa.Column(sa.Boolean, nullable=False, server_default=sa.false())
    )
    state: AgentState = Field(
        default=AgentState.NEW, sa_column=sa.Column(EnumText(AgentState), nullable=False)
    )
    last_seen_at: datetime | None = Field(
        default=None, sa_column=sa.Column(UtcDateTime, nullable=True)
    )
    revision: int = Field(default=1, sa_column=sa.Column(sa.Integer, nullable=False))
    created_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))


class AgentEnrollment(SQLModel, table=True):
    """A one-time code with which an agent registers itself; only its hash is kept."""

    __tablename__ = "agent_enrollments"
    __table_args__ = (
        sa.CheckConstraint("name <> ''", name="name"),
        sa.UniqueConstraint("code_hash"),
        sa.Index(None, "expires_at"),
    )

    id: UUID = Field(default_factory=new_id, sa_column=sa.Column(sa.Uuid, primary_key=True))
    name: str = Field(
        sa_column=sa.Column(sa.String(100), nullable=False), description="what the agent is called"
    )
    code_hash: str = Field(sa_column=sa.Column(sa.String(64), nullable=False))
    created_by: str = Field(sa_column=sa.Column(sa.String(120), nullable=False))
    created_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    used_at: datetime | None = Field(default=None, sa_column=sa.Column(UtcDateTime, nullable=True))
    used_token_hash: str = Field(
        default="",
        sa_column=sa.Column(sa.String(64), nullable=False, server_default=""),
        description="of the token it was used with: the same agent may ask again for its answer",
    )
    agent_id: UUID | None = Field(
        default=None,
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("agents.id", ondelete="CASCADE"), nullable=True),
    )


class AgentLease(SQLModel, table=True):
    """Which server process follows an agent's events, until when; with one process there are none."""

    __tablename__ = "agent_leases"

    agent_id: UUID = Field(
        sa_column=sa.Column(
            sa.Uuid, sa.ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
        )
    )
    owner: str = Field(sa_column=sa.Column(sa.String(64), nullable=False))
    until: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    relay_url: str = Field(
        default="",
        sa_column=sa.Column(sa.String(300), nullable=False, server_default=""),
        description="where other processes reach the connection an agent has opened to that one",
    )


_IN_USE = sa.text("state <> 'retired'")


class Device(SQLModel, table=True):
    """A registered device. `lock_date` is the earliest of its invoice types."""

    __tablename__ = "devices"
    __table_args__ = (
        one_of("kind", DeviceKind),
        one_of("state", DeviceState),
        sa.CheckConstraint("length(number) = 12", name="number"),
        sa.CheckConstraint("machine_no >= 0", name="machine_no"),
        sa.CheckConstraint("(state = 'retired') = (retired_at IS NOT NULL)", name="retired"),
        sa.Index(
            "uq_devices_number",
            "number",
            unique=True,
            sqlite_where=_IN_USE,
            postgresql_where=_IN_USE,
        ),
        sa.Index(
            "uq_devices_enterprise_id_machine_no",
            "enterprise_id",
            "machine_no",
            unique=True,
            sqlite_where=_IN_USE,
            postgresql_where=_IN_USE,
        ),
        sa.Index(None, "number", "id"),
        sa.Index(None, "operator_id", "state"),
        sa.Index(None, "enterprise_id", "number", "id"),
        sa.Index(None, "agent_id"),
        sa.Index(None, "lock_date"),
        sa.Index(None, "updated_at"),
    )

    id: UUID = Field(default_factory=new_id, sa_column=sa.Column(sa.Uuid, primary_key=True))
    number: str = Field(sa_column=sa.Column(sa.String(12), nullable=False))
    kind: DeviceKind = Field(sa_column=sa.Column(EnumText(DeviceKind), nullable=False))
    enterprise_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("enterprises.id"), nullable=False)
    )
    operator_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("operators.id"), nullable=False)
    )
    agent_id: UUID | None = Field(
        default=None, sa_column=sa.Column(sa.Uuid, sa.ForeignKey("agents.id"), nullable=True)
    )
    machine_no: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.Integer, nullable=True),
        description="开票机号: 0 main machine, 1.. sub machine; None until read or given",
    )
    version: str = Field(
        default="", sa_column=sa.Column(sa.String(40), nullable=False, server_default="")
    )
    state: DeviceState = Field(
        default=DeviceState.DISCONNECTED,
        sa_column=sa.Column(EnumText(DeviceState), nullable=False),
    )
    simulated: bool = Field(
        default=False, sa_column=sa.Column(sa.Boolean, nullable=False, server_default=sa.false())
    )
    can_set_clock: bool = Field(
        default=False,
        sa_column=sa.Column(sa.Boolean, nullable=False, server_default=sa.false()),
        description="whether its agent can set its clock",
    )
    clear_groups: list[list[str]] = Field(
        default_factory=list,
        sa_column=sa.Column(sa.JSON, nullable=False, server_default=sa.text("'[]'")),
        description="which of its types clear together, as its driver says",
    )
    tax_no: str = Field(
        default="",
        sa_column=sa.Column(sa.String(20), nullable=False, server_default=""),
        description="as the device says",
    )
    taxpayer_name: str = Field(
        default="",
        sa_column=sa.Column(sa.String(200), nullable=False, server_default=""),
        description="as the device says",
    )
    clock_at: datetime | None = Field(
        default=None,
        sa_column=sa.Column(sa.DateTime, nullable=True),
        description="device clock at read_at",
    )
    clock_drift_seconds: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.Integer, nullable=True),
        description="device clock minus server clock",
    )
    read_at: datetime | None = Field(default=None, sa_column=sa.Column(UtcDateTime, nullable=True))
    last_reported_at: datetime | None = Field(
        default=None, sa_column=sa.Column(UtcDateTime, nullable=True)
    )
    last_cleared_at: datetime | None = Field(
        default=None, sa_column=sa.Column(UtcDateTime, nullable=True)
    )
    lock_date: date | None = Field(default=None, sa_column=sa.Column(sa.Date, nullable=True))
    fault_code: str = Field(
        default="",
        sa_column=sa.Column(sa.String(60), nullable=False, server_default=""),
        description="why the last read failed, or what the device said of itself (contracts.faults)",
    )
    fault_message: str = Field(
        default="", sa_column=sa.Column(sa.String(500), nullable=False, server_default="")
    )
    retired_at: datetime | None = Field(
        default=None, sa_column=sa.Column(UtcDateTime, nullable=True)
    )
    revision: int = Field(default=1, sa_column=sa.Column(sa.Integer, nullable=False))
    created_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=sa.Column(UtcDateTime, nullable=False))

    @property
    def says_locked(self) -> bool:
        """Whether the device itself refuses: 已锁死 alone may mean no more than a past lock date."""
        return self.state is DeviceState.LOCKED and self.fault_code == "device.locked"


class DeviceMonitor(SQLModel, table=True):
    """监控数据 of one invoice type of a device, as read last (contracts.devices.Monitor)."""

    __tablename__ = "device_monitors"
    __table_args__ = (
        one_of("invoice_type", InvoiceType),
        sa.CheckConstraint("upload_due_day BETWEEN 1 AND 31", name="upload_due_day"),
    )

    device_id: UUID = Field(
        sa_column=sa.Column(
            sa.Uuid, sa.ForeignKey("devices.id", ondelete="CASCADE"), primary_key=True
        )
    )
    invoice_type: InvoiceType = Field(
        sa_column=sa.Column(EnumText(InvoiceType, 3), primary_key=True)
    )
    report_from: datetime = Field(sa_column=sa.Column(sa.DateTime, nullable=False))
    report_to: datetime | None = Field(
        default=None, sa_column=sa.Column(sa.DateTime, nullable=True)
    )
    last_reported_at: datetime | None = Field(
        default=None,
        sa_column=sa.Column(sa.DateTime, nullable=True),
        description="device clock",
    )
    lock_date: date = Field(sa_column=sa.Column(sa.Date, nullable=False))
    upload_due_day: int | None = Field(default=None, sa_column=sa.Column(sa.Integer, nullable=True))
    offline_hours: int | None = Field(default=None, sa_column=sa.Column(sa.Integer, nullable=True))
    offline_amount: Decimal | None = Field(
        default=None, sa_column=sa.Column(MoneyType, nullable=True)
    )
    single_limit: Decimal | None = Field(
        default=None, sa_column=sa.Column(MoneyType, nullable=True)
    )
    free_space: int | None = Field(default=None, sa_column=sa.Column(sa.BigInteger, nullable=True))
