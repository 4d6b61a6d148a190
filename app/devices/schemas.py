"""What the API takes and gives for devices and agents.

Times of a device's own clock are shown with the zone they are meant in (+08:00), however wrong it is.
"""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.accounts.schemas import StepUpPassword
from app.contracts.devices import DeviceKind, InvoiceType, LinkState
from app.core.money import Money
from app.core.schemas import ABSENT, Input, Name, Patch
from app.core.tls import normal_pin
from app.devices.agent_addresses import REFUSED, is_refused, literal
from app.devices.models import MOUNTED, AgentState, Device, DeviceMonitor, DeviceState
from app.devices.states import TypeState, as_shown, clock_now, type_state, worst

DeviceNumber = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{12}$", min_length=12, max_length=12)
]
"""设备编号: 12 digits, no check digit; the beginning does not tell the kind."""

MachineNo = Annotated[int, Field(ge=0, le=99999, description="开票机号: 0 main, 1.. sub machine")]


def _checked_url(text: str) -> str:
    """http or https, a host, no credentials, no query; `mounted:` is the server's own."""
    text = text.strip().rstrip("/")
    if text == MOUNTED:
        return text
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError("地址不正确") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("地址应为 http://主机:端口 或 https://主机:端口")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("地址中不能含有账号、密码或参数")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("地址中不能含有空白字符")
    address = literal(parts.hostname)
    if address is not None and is_refused(address):
        raise ValueError(REFUSED)
    return text


BaseUrl = Annotated[str, StringConstraints(max_length=300), AfterValidator(_checked_url)]


def _checked_token(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not (16 <= len(text) <= 200) or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("令牌应为 16 至 200 个可见 ASCII 字符")
    return token


Token = Annotated[SecretStr, AfterValidator(_checked_token)]


class DeviceCreate(Input):
    """A new device. It belongs to the operator's enterprise."""

    number: DeviceNumber
    kind: DeviceKind
    operator_id: UUID
    enterprise_id: UUID | None = Field(default=None, description="must be the operator's")
    agent_id: UUID | None = None
    machine_no: MachineNo | None = None


class DeviceUpdate(Patch):
    """Changes of a device. `state` takes only `retired` (注销), which is for good."""

    nullable: ClassVar[frozenset[str]] = frozenset({"agent_id", "machine_no", "password"})

    kind: DeviceKind = ABSENT
    operator_id: UUID = ABSENT
    agent_id: UUID | None = None
    machine_no: MachineNo | None = None
    state: Literal["retired"] = ABSENT
    password: StepUpPassword = ABSENT


class MonitorPublic(BaseModel):
    """监控数据 of one invoice type, and its state by the device's clock of now."""

    invoice_type: InvoiceType
    state: TypeState
    report_from: datetime
    report_to: datetime | None
    last_reported_at: datetime | None
    lock_date: date
    upload_due_day: int | None
    offline_hours: int | None
    offline_amount: Money | None
    single_limit: Money | None
    free_space: int | None

    @classmethod
    def of(cls, monitor: DeviceMonitor, clock: datetime) -> Self:
        """The monitor, seen when the device's clock shows `clock`."""
        plain = monitor.model_dump(
            include={
                "invoice_type",
                "lock_date",
                "upload_due_day",
                "offline_hours",
                "offline_amount",
                "single_limit",
                "free_space",
            }
        )
        return cls(
            **plain,
            state=type_state(monitor.last_reported_at, monitor.lock_date, clock),
            report_from=as_shown(monitor.report_from),
            report_to=_shown(monitor.report_to),
            last_reported_at=_shown(monitor.last_reported_at),
        )


class DevicePublic(BaseModel):
    """A device as the API shows it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    number: str
    kind: DeviceKind
    enterprise_id: UUID
    operator_id: UUID
    agent_id: UUID | None
    machine_no: int | None
    version: str
    state: DeviceState
    can_set_clock: bool
    clearing_state: TypeState | None = Field(description="the worst of its types; null: never read")
    simulated: bool
    tax_no: str
    taxpayer_name: str
    clock_at: datetime | None = Field(description="the device's own clock when it was read")
    clock_drift_seconds: int | None
    read_at: datetime | None
    last_reported_at: datetime | None
    last_cleared_at: datetime | None
    lock_date: date | None
    fault_code: str
    fault_message: str
    retired_at: datetime | None
    monitors: list[MonitorPublic]

    @classmethod
    def of(cls, device: Device, monitors: list[DeviceMonitor], now: datetime) -> Self:
        """The device at `now` (UTC)."""
        clock = clock_now(now, device.clock_drift_seconds)
        shown = [MonitorPublic.of(monitor, clock) for monitor in monitors]
        derived = {"clearing_state", "clock_at", "monitors"}
        return cls(
            **device.model_dump(include=set(cls.model_fields) - derived),
            clearing_state=worst(monitor.state for monitor in shown),
            clock_at=_shown(device.clock_at),
            monitors=shown,
        )


class ChangePublic(BaseModel):
    """One difference between what was stored and what the device says."""

    model_config = ConfigDict(from_attributes=True)

    field: str
    label: str
    before: str
    after: str
    saved: bool = Field(description="false: kept as it was, because another device holds the value")


class RefreshResult(DevicePublic):
    """A device just read, and what was different."""

    changes: list[ChangePublic]
    saved: bool = Field(description="whether the register says the same by now")
    confirm: str = Field(description="what to send as `confirmed` to save these differences")


def _checked_pin(text: str) -> str:
    return normal_pin(text) if text.strip() else ""


Pin = Annotated[str, StringConstraints(max_length=100), AfterValidator(_checked_pin)]
"""SHA-256 of the only certificate an agent may show, in hex; empty: an authority vouches for it."""


class AgentCreate(Input):
    """A new agent. Without a token one is made, to be set on the agent."""

    name: Name
    base_url: BaseUrl
    token: Token | None = None
    pin: Pin = ""
    password: StepUpPassword = None


class AgentUpdate(Patch):
    """Changes of an agent."""

    nullable: ClassVar[frozenset[str]] = frozenset({"password"})

    name: Name = ABSENT
    base_url: BaseUrl = ABSENT
    token: Token = ABSENT
    pin: Pin = ABSENT
    password: StepUpPassword = ABSENT


class AgentRemove(Input):
    """Body of DELETE, needed by people only."""

    password: StepUpPassword = None


class AgentPublic(BaseModel):
    """An agent as the API shows it; its token never."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    base_url: str = Field(
        description="`mounted:` is inside the server, `dial:…` connects by itself"
    )
    pin: str
    version: str
    simulated: bool
    state: AgentState
    last_seen_at: datetime | None


class AgentCreated(AgentPublic):
    """An agent just registered, with its token: this once."""

    token: str


class EnrollmentCreate(Input):
    """A code for an agent to register itself with; an existing agent's name enrolls that one anew."""

    name: Name
    password: StepUpPassword = None


class EnrollmentCreated(BaseModel):
    """The code, this once."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    expires_at: datetime
    code: str


def _https(text: str) -> str:
    if not text.startswith("https://"):
        raise ValueError("代理的地址应为 https://主机:端口")
    return text


class EnrollRequest(Input):
    """What an agent registers itself with. Without `base_url` it dials out."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    token: Token
    version: Annotated[str, StringConstraints(max_length=40)]
    contract_version: int
    base_url: Annotated[BaseUrl, AfterValidator(_https)] | None = None
    pin: Pin = ""


class DiscoveredPublic(BaseModel):
    """A device an agent has that is not registered."""

    model_config = ConfigDict(from_attributes=True)

    agent_id: UUID
    agent_name: str
    number: str
    kind: DeviceKind
    driver: str
    transport: str
    state: LinkState
    simulated: bool


def _shown(clock: datetime | None) -> datetime | None:
    return None if clock is None else as_shown(clock)
