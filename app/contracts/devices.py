"""What an agent tells about tax-control devices (税控设备)."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from app.contracts.periods import Period


class Message(BaseModel):
    """Base of all messages: immutable; unknown fields are ignored so that versions can meet."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class DeviceKind(StrEnum):
    """Kinds of tax-control device."""

    TAX_DISK = "tax_disk"  # 税控盘
    GOLDEN_TAX_DISK = "golden_tax_disk"  # 金税盘
    UKEY = "ukey"  # 税务UKey
    TAX_SERVER = "tax_server"  # 税控服务器


class InvoiceType(StrEnum):
    """发票类型代码 (fplxdm)."""

    SPECIAL_PAPER = "004"
    VEHICLE = "005"
    USED_VEHICLE = "006"
    ORDINARY_PAPER = "007"
    ROLL = "025"
    ORDINARY_ELECTRONIC = "026"
    SPECIAL_ELECTRONIC = "028"


class LinkState(StrEnum):
    """How the agent sees a device right now."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LOCKED = "locked"
    FAULT = "fault"


class InvoiceStatus(StrEnum):
    """发票状态 (fpzt)."""

    NORMAL = "normal"
    RED = "red"
    VOID_BLANK = "void_blank"
    VOID = "void"
    VOID_RED = "void_red"


class DeviceSummary(Message):
    """One line of the agent's list of devices."""

    number: str = Field(description="设备编号, 12 digits; empty while it could not be read yet")
    kind: DeviceKind
    driver: str
    transport: str = Field(description="where it is reached, e.g. a URL or a port; no secrets")
    state: LinkState
    simulated: bool = False
    checked_at: datetime | None = Field(default=None, description="UTC")
    error_code: str | None = None
    error_message: str | None = None
    can_set_clock: bool = Field(default=False, description="whether its clock can be set from here")
    minimum_version: str = Field(
        default="", description="oldest device version the agent is configured to work with"
    )


class DeviceInfo(Message):
    """设备信息 (SKPXXCX). Times are the device's own clock: naive Asia/Shanghai."""

    number: str
    tax_no: str
    taxpayer_name: str
    tax_authority_code: str = ""
    tax_authority_name: str = ""
    invoice_types: tuple[InvoiceType, ...]
    clock_at: datetime
    enabled_at: datetime | None = None
    version: str = ""
    machine_no: int = Field(ge=0, description="开票机号 (kpjh): 0 main machine, 1.. sub machine")
    locked: bool = Field(
        default=False, description="it says of itself that it is locked (已锁死 in qtkzxx)"
    )


class Monitor(Message):
    """监控数据 of one invoice type (JKSJCX). Times are the device's own clock."""

    invoice_type: InvoiceType
    lock_date: date = Field(description="锁死日期 (kpjzsj)")
    report_from: datetime = Field(description="报送起始 (bsqsrq)")
    report_to: datetime | None = None
    last_reported_at: datetime | None = Field(default=None, description="最近报税 (zxbsrq)")
    single_limit: Decimal | None = Field(default=None, description="yuan")
    free_space: int | None = None
    upload_due_day: int | None = None
    offline_hours: int | None = None
    offline_amount: Decimal | None = Field(default=None, description="yuan")


class DeviceReading(Message):
    """Everything read from one device in one go. `read_at` is the agent's UTC time of the read."""

    summary: DeviceSummary
    info: DeviceInfo
    monitors: tuple[Monitor, ...]
    read_at: datetime
    sent_at: datetime | None = Field(
        default=None,
        description="agent's UTC time taken in the middle of the clock read, to compute the drift",
    )
    bureau_reachable: bool | None = Field(
        default=None,
        description="whether the tax bureau can be reached; None: the hardware talks to it by itself",
    )
    clear_groups: tuple[tuple[InvoiceType, ...], ...] = Field(
        default=(),
        description="which authorised types clear together; one in no group clears alone",
    )


class StatisticsPeriod(Message):
    """统计 of one period of one invoice type (TJXXCX). Amounts in yuan."""

    period_from: date
    period_to: date
    opening_stock: int
    bought: int
    returned: int
    issued: int
    void: int
    red: int
    void_red: int
    void_blank: int
    closing_stock: int
    issued_amount: Decimal
    issued_tax: Decimal
    void_amount: Decimal
    void_tax: Decimal
    red_amount: Decimal
    red_tax: Decimal
    void_red_amount: Decimal
    void_red_tax: Decimal


class Statistics(Message):
    """统计 of one invoice type."""

    invoice_type: InvoiceType
    periods: tuple[StatisticsPeriod, ...]


class DeviceInvoice(Message):
    """An invoice as the device stores it (FPCX). `issued_at` is the device's own clock."""

    invoice_type: InvoiceType
    code: str
    number: str
    status: InvoiceStatus
    uploaded: bool
    issued_at: datetime
    seller_tax_no: str = ""
    seller_name: str = ""
    buyer_tax_no: str = ""
    buyer_name: str = ""
    amount: Decimal
    tax: Decimal
    total: Decimal
    note: str = ""
    original_code: str = ""
    original_number: str = ""


class BureauState(StrEnum):
    """Where the bureau stands with one invoice type for the period reported last."""

    READY = "ready"  # filed and matching: it would give the clearing ciphertext
    NOT_REPORTED = "not_reported"
    NOT_FILED = "not_filed"
    MISMATCH = "mismatch"
    PENDING = "pending"
    CLEARED = "cleared"
    UNKNOWN = "unknown"  # it said something else; `message` has it


class BureauTypeView(Message):
    """The bureau's view of one invoice type. `code` is ours (contracts.faults), the rest its own words."""

    invoice_type: InvoiceType
    state: BureauState
    period: Period | None = Field(
        default=None, description="the period the device reported last, which the answer is about"
    )
    code: str = Field(default="", description="why it would refuse now; empty when it would not")
    bureau_code: str = ""
    message: str = ""


class BureauView(Message):
    """The bureau's view of a device: of every authorised type."""

    number: str
    asked_at: datetime = Field(description="UTC")
    types: tuple[BureauTypeView, ...]


class AgentStatus(Message):
    """GET /agent/v1/status."""

    version: str
    contract_version: int
    drivers: tuple[str, ...]
    uptime_seconds: float
    devices: int
    simulated: bool = False


class AgentEventKind(StrEnum):
    """Kinds of server-sent events of GET /agent/v1/events."""

    CONNECTED = "device.connected"
    DISCONNECTED = "device.disconnected"
    CHANGED = "device.changed"


class AgentEvent(Message):
    """A change of a device the agent noticed by itself."""

    kind: AgentEventKind
    device: DeviceSummary
    at: datetime
