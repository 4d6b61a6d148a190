"""Samples of the pages of notifications, channels, webhooks and deliveries."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.core.page_parts import Pager, Segment
from app.notifications.contexts import (
    AttemptRow,
    ChannelForm,
    ChannelPage,
    ChannelRow,
    ChannelsPage,
    DeliveriesPage,
    DeliveryPage,
    DeliveryRowView,
    InboxPage,
    NotificationRow,
    PreferenceRow,
    PreferencesPage,
    WebhookForm,
    WebhookRow,
    WebhooksPage,
)
from app.notifications.pages.channel_form import ENCRYPTION_OPTIONS, EXAMPLES

from .frame import NOW, layout

KINDS = (("clearing.failed", "清卡失败"), ("device.lock_approaching", "设备即将锁死"))
NEXT = Pager("?cursor=abc")

INBOX = InboxPage(
    rows=(
        NotificationRow(
            "n1",
            "清卡失败",
            "bad",
            "清卡失败：赵伟，属期 2026-11",
            ("设备：661814461322", "代码：bureau.not_filed", "怎么办：先完成纳税申报。"),
            "bureau.not_filed",
            "/clearing/requests/q1",
            NOW,
            True,
        ),
        NotificationRow(
            "n2", "清卡成功", "ok", "清卡成功：林静", (), "", "/clearing/requests/q2", NOW, False
        ),
    ),
    unread=1,
    segments=(
        Segment("全部", "/notifications", True),
        Segment("未读", "/notifications?unread=true", count=1),
    ),
    pager=NEXT,
)
INBOX_EMPTY = replace(INBOX, rows=(), unread=0, pager=Pager())

PREFERENCES = PreferencesPage(
    (
        PreferenceRow("clearing.failed", "清卡失败", True, True),
        PreferenceRow("clearing.started", "清卡开始", False, False),
    ),
    "",
    "zhao@example.com",
    {},
)
PREFERENCES_INVALID = replace(
    PREFERENCES, email="zhao@", fallback="", errors={"email": "格式不正确"}
)

CHANNELS = ChannelsPage(
    (
        ChannelRow(
            "c1",
            "财务邮件",
            "email",
            "smtp.example.com:587（qingka@example.com）",
            ("清卡失败",),
            "财务 2 人、操作员本人",
            True,
        ),
        ChannelRow("c2", "值班群", "robot", "企业微信群机器人", ("清卡失败",), "群成员", False),
    ),
    {},
    "",
)
CHANNELS_INVALID = replace(CHANNELS, errors={"password": "密码不正确"}, asked="remove-c1")

NEW_ROBOT = ChannelPage(
    "",
    "robot",
    "新建群机器人渠道",
    "",
    False,
    False,
    KINDS,
    ENCRYPTION_OPTIONS,
    EXAMPLES,
    ChannelForm(kinds=["clearing.failed"]),
    {},
    False,
)
NEW_ROBOT_INVALID = replace(
    NEW_ROBOT,
    form=ChannelForm("值班群", "https://oapi.dingtalk.com/robot/send?access_token="),
    errors={"url": "地址不完整", "secret": "格式不正确", "kinds": "必填", "form": "不能保存"},
    lost=True,
)
MAIL_CHANNEL = replace(
    NEW_ROBOT,
    id="c1",
    kind="email",
    title="财务邮件",
    address="smtp.example.com:587（qingka@example.com）",
    readable=True,
    has_secret=True,
    form=ChannelForm(
        "财务邮件",
        "",
        "smtp.example.com",
        "587",
        "tls",
        "qingka@example.com",
        "qingka@example.com",
        "清卡管理",
        ["clearing.failed"],
        "cw@example.com",
        "",
        False,
        True,
    ),
)
MAIL_CHANNEL_INVALID = replace(
    MAIL_CHANNEL,
    readable=False,
    errors={
        "host": "主机名无法解析",
        "port": "数值太大",
        "finance": "格式不正确",
        "sender": "必填",
    },
)

WEBHOOKS = WebhooksPage(
    (
        WebhookRow("w1", "https://erp.example/qingka", "ERP", ("清卡成功",), True, 0, "", NOW),
        WebhookRow("w2", "https://old.example/x", "", ("清卡成功",), True, 3, "", NOW),
        WebhookRow(
            "w3",
            "https://gone.example/x",
            "",
            ("清卡失败",),
            False,
            30,
            "连续 30 次投递失败",
            NOW,
        ),
    ),
    KINDS,
    WebhookForm(kinds=["clearing.failed"]),
    {},
    "",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
)
WEBHOOKS_INVALID = replace(
    WEBHOOKS,
    form=WebhookForm("http://10.0.0.1/x", "内网", []),
    errors={"url": "目标指向内部网络", "form": "目标地址指向内部网络"},
    asked="create",
    secret="",
)

DEAD = DeliveryRowView(
    "d1",
    "清卡失败：赵伟，属期 2026-11",
    "https://old.example/x",
    "",
    "dead",
    10,
    None,
    "webhook.failed",
    "应答 500：内部错误",
    NOW,
)
PENDING = replace(
    DEAD,
    id="d2",
    receiver="财务邮件",
    recipient="cw@example.com",
    state="pending",
    attempts=2,
    next_at=NOW + timedelta(minutes=3),
    code="notification.email_failed",
)
DELIVERED = replace(DEAD, id="d3", state="delivered", attempts=1, code="", message="")
SEGMENTS = (
    Segment("全部", "/settings/deliveries", True),
    Segment("已放弃", "/settings/deliveries?state=dead"),
)
DELIVERIES = DeliveriesPage((DEAD, PENDING, DELIVERED), SEGMENTS, NEXT)
DELIVERY = DeliveryPage(
    DEAD,
    "清卡失败",
    ("设备：661814461322",),
    "/clearing/requests/q1",
    "检查接收方。",
    (
        AttemptRow(1, NOW, 120, False, 500, "应答 500：内部错误"),
        AttemptRow(2, NOW + timedelta(minutes=1), 15000, False, 0, "没有应答"),
    ),
)

PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "inbox": ("notifications/inbox.html", INBOX, layout("/notifications")),
    "inbox-empty": ("notifications/inbox.html", INBOX_EMPTY, layout("/notifications")),
    "preferences": ("notifications/preferences.html", PREFERENCES, layout("/notifications")),
    "preferences-invalid": (
        "notifications/preferences.html",
        PREFERENCES_INVALID,
        layout("/notifications"),
    ),
    "channels": ("notifications/channels.html", CHANNELS, layout("/settings/channels")),
    "channels-invalid": (
        "notifications/channels.html",
        CHANNELS_INVALID,
        layout("/settings/channels"),
    ),
    "channels-empty": (
        "notifications/channels.html",
        replace(CHANNELS, rows=()),
        layout("/settings/channels"),
    ),
    "channel-robot": ("notifications/channel.html", NEW_ROBOT, layout("/settings/channels")),
    "channel-robot-invalid": (
        "notifications/channel.html",
        NEW_ROBOT_INVALID,
        layout("/settings/channels"),
    ),
    "channel-mail": ("notifications/channel.html", MAIL_CHANNEL, layout("/settings/channels")),
    "channel-mail-invalid": (
        "notifications/channel.html",
        MAIL_CHANNEL_INVALID,
        layout("/settings/channels"),
    ),
    "webhooks": ("notifications/webhooks.html", WEBHOOKS, layout("/settings/webhooks")),
    "webhooks-invalid": (
        "notifications/webhooks.html",
        WEBHOOKS_INVALID,
        layout("/settings/webhooks"),
    ),
    "webhooks-empty": (
        "notifications/webhooks.html",
        replace(WEBHOOKS, rows=(), secret=""),
        layout("/settings/webhooks"),
    ),
    "deliveries": ("notifications/deliveries.html", DELIVERIES, layout("/settings/deliveries")),
    "deliveries-empty": (
        "notifications/deliveries.html",
        DeliveriesPage((), SEGMENTS, Pager()),
        layout("/settings/deliveries"),
    ),
    "delivery": ("notifications/delivery.html", DELIVERY, layout("/settings/deliveries")),
    "delivery-new": (
        "notifications/delivery.html",
        replace(DELIVERY, delivery=PENDING, attempts=(), facts=()),
        layout("/settings/deliveries"),
    ),
}
