"""系统设置 → 通知渠道: e-mail and group robots."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Request
from starlette.responses import HTMLResponse, Response

from app.accounts.confirmation import Confirm
from app.accounts.deps import Admin
from app.core.db import Database
from app.core.forms import parse
from app.core.routing import Router
from app.core.templating import redirect, render
from app.core.web import ClockDep, DatabaseDep, Reading, SettingsDep
from app.errors import Invalid, QingkaError
from app.notifications import queries
from app.notifications.channel_schemas import ChannelTest
from app.notifications.contexts import ChannelRow, ChannelsPage
from app.notifications.kinds import EventKind
from app.notifications.models import Channel, ChannelKind
from app.notifications.pages.channel_form import BASE, addresses_in
from app.notifications.service import channels

router = Router(prefix=BASE)

Password = Annotated[str, Form(max_length=200)]


@router.get("")
def show_channels(
    request: Request, session: Reading, principal: Admin, confirm: str = ""
) -> HTMLResponse:
    """The list."""
    page = ChannelsPage(_rows(queries.channels(session)), {}, confirm)
    return render(request, "notifications/channels.html", page)


@router.post("/{channel_id}/test")
def send_channel_test(
    request: Request,
    channel_id: UUID,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    recipients: Annotated[str, Form()] = "",
) -> Response:
    """Send a test; its delivery shows how it went."""
    try:
        wanted = parse(ChannelTest, {"recipients": addresses_in(recipients)})
        with database.transaction() as session:
            channels.send_test(
                session, channel_id, wanted.recipients, principal=principal, clock=clock
            )
    except Invalid as error:
        return _again(request, database, error, f"test-{channel_id}")
    return redirect(f"/settings/deliveries?target_id={channel_id}", flash="测试已发出，结果见下")


@router.post("/{channel_id}/switch")
def switch_channel(
    request: Request,
    channel_id: UUID,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    settings: SettingsDep,
    clock: ClockDep,
    enabled: Annotated[bool, Form()] = False,
    password: Password = "",
) -> Response:
    """On or off."""
    try:
        confirm(password)
    except Invalid as error:
        return _again(request, database, error, f"switch-{channel_id}")
    with database.transaction() as session:
        channel = channels.change_channel(
            session,
            channel_id,
            {"enabled": enabled},
            principal=principal,
            settings=settings,
            clock=clock,
        )
        name = channel.name
    return redirect(BASE, flash=f"通知渠道“{name}”已{'启用' if enabled else '停用'}")


@router.post("/{channel_id}/remove")
def remove_channel(
    request: Request,
    channel_id: UUID,
    confirm: Confirm,
    principal: Admin,
    database: DatabaseDep,
    clock: ClockDep,
    password: Password = "",
) -> Response:
    """Gone; the log of its deliveries stays."""
    try:
        confirm(password)
    except Invalid as error:
        return _again(request, database, error, f"remove-{channel_id}")
    with database.transaction() as session:
        channels.remove_channel(session, channel_id, principal=principal, clock=clock)
    return redirect(BASE, flash="通知渠道已移除")


def _again(request: Request, database: Database, error: QingkaError, asked: str) -> HTMLResponse:
    errors = error.errors or {"form": error.detail}
    with database.reading() as session:
        page = ChannelsPage(_rows(queries.channels(session)), errors, asked)
    return render(request, "notifications/channels.html", page, status_code=error.status)


def _rows(channels: list[Channel]) -> tuple[ChannelRow, ...]:
    return tuple(map(_row, channels))


def _row(channel: Channel) -> ChannelRow:
    return ChannelRow(
        id=str(channel.id),
        name=channel.name,
        kind=channel.kind.value,
        address=channel.shown_url,
        kinds=tuple(EventKind(kind).label for kind in channel.kinds),
        who=_who(channel),
        enabled=channel.enabled,
    )


def _who(channel: Channel) -> str:
    if channel.kind is ChannelKind.ROBOT:
        return "群成员"
    groups = [
        f"财务 {len(channel.finance)} 人" if channel.finance else "",
        f"业务 {len(channel.business)} 人" if channel.business else "",
        "操作员本人" if channel.to_operator else "",
        "相关账号" if channel.to_accounts else "",
    ]
    return "、".join(filter(None, groups)) or "无人"
