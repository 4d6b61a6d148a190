"""系统设置 → 通知渠道 → 新建、修改: a mail server by its fields, a group robot by what people paste."""

import re
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Form, Request
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin
from app.core.forms import parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.errors import Invalid
from app.notifications import queries
from app.notifications.channel_schemas import ChannelCreate, ChannelUpdate, SmtpCreate, SmtpUpdate
from app.notifications.contexts import ChannelForm, ChannelPage
from app.notifications.errors import TargetForbidden
from app.notifications.kinds import SUBSCRIBABLE
from app.notifications.models import Channel, ChannelKind
from app.notifications.sending.mail_servers import PORTS, SENDER_NAME, Encryption, Server
from app.notifications.sending.robot_addresses import PLACES, without_key
from app.notifications.service import channels
from app.notifications.service.channels import Way

BASE = "/settings/channels"
router = Router(prefix=BASE)
S = TypeVar("S", SmtpCreate, SmtpUpdate)

KIND_OPTIONS = tuple((kind.value, kind.label) for kind in SUBSCRIBABLE)
ENCRYPTION_OPTIONS = (
    (Encryption.STARTTLS.value, "STARTTLS（常用端口 587）"),
    (Encryption.TLS.value, "TLS（常用端口 465）"),
    (Encryption.NONE.value, "不加密（只限可信的内网）"),
)
EXAMPLES = tuple((kind.label.removesuffix("群机器人"), f"{at}…") for kind, at in PLACES.items())
_SEPARATORS = re.compile(r"[\s,;，；]+")


class ChannelInput(BaseModel):
    """The form as it is sent. `password` is that of the admin, `smtp_password` the mail server's."""

    name: str = ""
    kind: str = ""
    url: str = Field(default="", max_length=5000)
    secret: str = Field(default="", max_length=1000)
    host: str = ""
    port: str = ""
    encryption: str = Encryption.STARTTLS
    user: str = ""
    smtp_password: str = Field(default="", max_length=1000)
    sender: str = ""
    sender_name: str = ""
    kinds: list[str] = []
    finance: str = ""
    business: str = ""
    to_operator: bool = False
    to_accounts: bool = False
    password: str = Field(default="", max_length=200)

    def common(self) -> dict[str, Any]:
        """What every channel has."""
        return {
            "name": self.name,
            "kinds": self.kinds,
            "finance": addresses_in(self.finance),
            "business": addresses_in(self.business),
            "to_operator": self.to_operator,
            "to_accounts": self.to_accounts,
        }

    def smtp(self) -> dict[str, Any]:
        """The mail server; without a port the usual one."""
        encryption = Encryption(self.encryption) if self.encryption in set(Encryption) else None
        return {
            "host": self.host,
            "port": self.port.strip() or (PORTS[encryption] if encryption else None),
            "encryption": self.encryption,
            "user": self.user,
            "password": self.smtp_password,
            "sender": self.sender,
            "sender_name": self.sender_name.strip() or SENDER_NAME,
        }

    def kept(self) -> ChannelForm:
        """All of it but the secrets."""
        same = self.model_dump(
            exclude={"kind", "url", "secret", "smtp_password", "password"},
        )
        return ChannelForm(**same, url=without_key(self.url))


Sent = Annotated[ChannelInput, Form()]


@router.get("/new")
def show_new(
    request: Request, principal: Admin, kind: ChannelKind = ChannelKind.EMAIL
) -> HTMLResponse:
    """The form of a new channel."""
    form = ChannelForm(kinds=[one.value for one in SUBSCRIBABLE], sender_name=SENDER_NAME)
    return render(request, "notifications/channel.html", _page(None, None, kind, form))


@router.post("")
def create_channel(
    request: Request,
    form: Sent,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """Set one up; its secrets are checked, sealed, and never shown again."""
    try:
        draft = _new(form)
        confirm(form.password)
        with database.transaction() as session:
            channel = channels.create_channel(
                session, draft.draft(), principal=principal, settings=settings, clock=clock
            )
            said = f"通知渠道“{channel.name}”已建立：{channel.shown_url}。请发送测试"
    except Invalid as error:
        kind = ChannelKind.ROBOT if form.kind == ChannelKind.ROBOT else ChannelKind.EMAIL
        return _again(request, _page(None, None, kind, form.kept(), error, form))
    return redirect(BASE, flash=said)


@router.get("/{channel_id}")
def show_channel(
    request: Request, channel_id: UUID, session: Reading, principal: Admin, settings: SettingsDep
) -> HTMLResponse:
    """One channel, to be changed."""
    channel = queries.channel(session, channel_id)
    way = channels.way_of(channel, settings)
    page = _page(channel, way, channel.kind, _form(channel, way))
    return render(request, "notifications/channel.html", page)


@router.post("/{channel_id}")
def change_channel(
    request: Request,
    channel_id: UUID,
    form: Sent,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
) -> Response:
    """Change it; secrets that are left empty stay as they are."""
    with database.reading() as session:
        before = queries.channel(session, channel_id)
        way = channels.way_of(before, settings)
    try:
        wanted = _changes(form, before.kind)
        confirm(form.password)
        with database.transaction() as session:
            channel = channels.change_channel(
                session, channel_id, wanted, principal=principal, settings=settings, clock=clock
            )
            said = f"通知渠道“{channel.name}”已保存：{channel.shown_url}"
    except Invalid as error:
        return _again(request, _page(before, way, before.kind, form.kept(), error, form))
    return redirect(BASE, flash=said)


def addresses_in(text: str) -> list[str]:
    """Mail addresses, separated by commas, blanks or lines."""
    return [part for part in _SEPARATORS.split(text) if part]


def _new(form: ChannelInput) -> ChannelCreate:
    """What is sent as the API takes it. Raises Invalid with a message per field of the form."""
    values = form.common() | {"kind": form.kind}
    if form.kind == ChannelKind.ROBOT:
        if not form.url.strip():
            raise Invalid(errors={"url": "请粘贴机器人的 Webhook 地址"})
        values |= {"url": form.url, "secret": form.secret or None}
    elif form.url.strip() and not form.host:
        values |= {"url": form.url}
    elif form.kind == ChannelKind.EMAIL:
        values |= {"smtp": _parsed(SmtpCreate, form)}
    return parse(ChannelCreate, values)


def _changes(form: ChannelInput, kind: ChannelKind) -> dict[str, Any]:
    """The same for a change. Raises Invalid."""
    values = form.common()
    if kind is ChannelKind.EMAIL:
        values |= {"smtp": _parsed(SmtpUpdate, form)}
    if kind is ChannelKind.ROBOT and form.url.strip():
        values |= {"url": form.url}
    if kind is ChannelKind.ROBOT and form.secret.strip():
        values |= {"secret": form.secret}
    return parse(ChannelUpdate, values).wanted()


def _parsed(schema: type[S], form: ChannelInput) -> S:
    """The mail server of the form; what is wrong with its password is not the admin's."""
    try:
        return parse(schema, form.smtp())
    except Invalid as error:
        errors = {f"smtp.{name}": text for name, text in error.errors.items()}
        raise Invalid(error.detail, errors=errors) from error


def _form(channel: Channel, way: Way | None) -> ChannelForm:
    server: dict[str, Any] = {}
    if isinstance(way, Server):
        server = {
            "host": way.host,
            "port": str(way.port),
            "encryption": way.encryption.value,
            "user": way.user,
            "sender": way.sender,
            "sender_name": way.sender_name,
        }
    return ChannelForm(
        name=channel.name,
        kinds=channel.kinds,
        finance="\n".join(channel.finance),
        business="\n".join(channel.business),
        to_operator=channel.to_operator,
        to_accounts=channel.to_accounts,
        **server,
    )


def _page(
    channel: Channel | None,
    way: Way | None,
    kind: ChannelKind,
    form: ChannelForm,
    error: Invalid | None = None,
    sent: ChannelInput | None = None,
) -> ChannelPage:
    errors = _errors(error) if error else {}
    lost = sent is not None and any((sent.url, sent.secret, sent.smtp_password))
    secret = way.password if isinstance(way, Server) else way.secret if way else ""
    new = "新建邮件渠道" if kind is ChannelKind.EMAIL else "新建群机器人渠道"
    return ChannelPage(
        id=str(channel.id) if channel else "",
        kind=kind.value,
        title=channel.name if channel else new,
        address=channel.shown_url if channel else "",
        readable=way is not None,
        has_secret=bool(secret),
        kind_options=KIND_OPTIONS,
        encryption_options=ENCRYPTION_OPTIONS,
        examples=EXAMPLES,
        form=form,
        errors=errors,
        lost=lost,
    )


def _errors(error: Invalid) -> dict[str, str]:
    """By the fields of the form: `smtp.password` of the API is `smtp_password` here."""
    given = error.errors or {"form": error.detail}
    if isinstance(error, TargetForbidden):
        given = given | {"form": error.remedy}
    return {
        "smtp_password" if name == "smtp.password" else name.removeprefix("smtp."): text
        for name, text in given.items()
    }


def _again(request: Request, page: ChannelPage) -> HTMLResponse:
    return render(request, "notifications/channel.html", page, status_code=422)
