"""What the API takes and gives for channels: e-mail by fields or one address, group robots by what is pasted."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints, model_validator

from app.accounts.schemas import StepUpPassword
from app.core.schemas import ABSENT, Email, Input, Line, Name, Patch
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, ChannelKind
from app.notifications.schemas import Addresses, Confirmation, Kinds, Url
from app.notifications.sending.mail_servers import SENDER_NAME, Encryption, Server
from app.notifications.sending.robot_addresses import EXAMPLES, Robot, RobotKind
from app.notifications.service.channels import ChannelDraft, Way


def _plain(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value().isprintable():
        raise ValueError("不能含有控制字符")
    return secret


Host = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        max_length=253,
        pattern=r"^([A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$",
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]
Sender = Annotated[Email, Field(min_length=3)]
MailPassword = Annotated[SecretStr, Field(max_length=200), AfterValidator(_plain)]
Pasted = Annotated[
    Url,
    StringConstraints(strip_whitespace=True),
    Field(
        description=f"a robot's webhook address as its product gives it ({EXAMPLES}), or smtp://…"
    ),
]
SigningSecret = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200),
    Field(description="加签 of 钉钉, 签名校验 of 飞书; empty: none"),
]


class SmtpCreate(Input):
    """A mail server. Without `port` the usual one of the encryption: 465, 587, 25."""

    host: Host
    port: Port | None = None
    encryption: Encryption = Encryption.STARTTLS
    user: Line = ""
    password: MailPassword = SecretStr("")
    sender: Sender
    sender_name: Line = SENDER_NAME

    def fields(self) -> dict[str, Any]:
        """For the service, the password in the clear."""
        return self.model_dump() | {"password": self.password.get_secret_value()}


class SmtpUpdate(Patch):
    """Changes of a mail server. The password is kept when it is not sent, or empty.

    It is asked for again when the host changes: what is kept goes to no other server.
    """

    host: Host = ABSENT
    port: Port = ABSENT
    encryption: Encryption = ABSENT
    user: Line = ABSENT
    password: MailPassword = ABSENT
    sender: Sender = ABSENT
    sender_name: Line = ABSENT

    def fields(self) -> dict[str, Any]:
        """For the service, the password in the clear."""
        sent = self.changes()
        if "password" in sent:
            sent["password"] = self.password.get_secret_value()
        return sent


class SmtpPublic(BaseModel):
    """A mail server; `has_password` is all there is to know of its password."""

    host: str
    port: int
    encryption: Encryption
    user: str
    has_password: bool
    sender: str
    sender_name: str

    @classmethod
    def of(cls, server: Server) -> "SmtpPublic":
        """From what is kept."""
        return cls(
            host=server.host,
            port=server.port,
            encryption=server.encryption,
            user=server.user,
            has_password=bool(server.password),
            sender=server.sender,
            sender_name=server.sender_name,
        )


class ChannelCreate(Confirmation):
    """A new channel: e-mail with `smtp` (or one `url`), a robot with `url` and perhaps `secret`."""

    name: Name
    kind: ChannelKind
    url: Pasted | None = None
    secret: SigningSecret | None = None
    smtp: SmtpCreate | None = None
    kinds: Kinds
    finance: Addresses = Field(default_factory=list)
    business: Addresses = Field(default_factory=list)
    to_operator: bool = False
    to_accounts: bool = True

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.kind is ChannelKind.ROBOT and (self.url is None or self.smtp is not None):
            raise ValueError("群机器人需要 url（Webhook 地址），没有 smtp")
        if self.kind is ChannelKind.EMAIL and (self.url is None) == (self.smtp is None):
            raise ValueError("邮件渠道需要 smtp（服务器各项）或 url 之一")
        if self.kind is ChannelKind.EMAIL and self.secret is not None:
            raise ValueError("邮件渠道没有 secret")
        return self

    def draft(self) -> ChannelDraft:
        """For the service."""
        return ChannelDraft(
            self.name,
            self.kind,
            self.url or "",
            tuple(self.kinds),
            tuple(self.finance),
            tuple(self.business),
            self.to_operator,
            self.to_accounts,
            self.secret,
            self.smtp.fields() if self.smtp else None,
        )


class ChannelUpdate(Patch):
    """Changes of a channel. A new `url` of a robot comes with its `secret`, or there is none."""

    nullable: ClassVar[frozenset[str]] = frozenset({"password"})

    name: Name = ABSENT
    url: Pasted = ABSENT
    secret: SigningSecret = ABSENT
    smtp: SmtpUpdate = ABSENT
    kinds: Kinds = ABSENT
    finance: Addresses = ABSENT
    business: Addresses = ABSENT
    to_operator: bool = ABSENT
    to_accounts: bool = ABSENT
    enabled: bool = ABSENT
    password: StepUpPassword = ABSENT

    def wanted(self) -> dict[str, Any]:
        """For the service: what was sent, but the password of who sends it."""
        sent = self.changes()
        sent.pop("password", None)
        return sent | ({"smtp": self.smtp.fields()} if "smtp" in sent else {})


class ChannelPublic(BaseModel):
    """A channel; `address` says where it leads, without secrets.

    `smtp` of e-mail, `robot` and `signed` of a robot; none of them when what is kept cannot be read.
    """

    id: UUID
    name: str
    kind: ChannelKind
    address: str
    smtp: SmtpPublic | None
    robot: RobotKind | None
    signed: bool
    kinds: list[EventKind]
    finance: list[str]
    business: list[str]
    to_operator: bool
    to_accounts: bool
    enabled: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Channel, way: Way | None) -> "ChannelPublic":
        """From the row and what it keeps sealed."""
        same = set(cls.model_fields) - {"address", "smtp", "robot", "signed"}
        return cls(
            **row.model_dump(include=same),
            address=row.shown_url,
            smtp=SmtpPublic.of(way) if isinstance(way, Server) else None,
            robot=way.kind if isinstance(way, Robot) else None,
            signed=isinstance(way, Robot) and bool(way.secret),
        )


class ChannelTest(Input):
    """POST …/test. `recipients` for e-mail."""

    recipients: Addresses = Field(default_factory=list)
