"""What the REST API takes and gives about agents, their enrolment, and the devices they have found."""

from datetime import datetime
from typing import Annotated, ClassVar
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from app.accounts.schemas import StepUpPassword
from app.contracts.devices import DeviceKind, LinkState
from app.core.schemas import ABSENT, Input, Name, Patch
from app.core.tls import normal_pin
from app.devices.agent_addresses import REFUSED, is_refused, literal
from app.devices.models import MOUNTED, AgentState
from app.devices.states import as_shown


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
