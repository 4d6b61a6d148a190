"""The Chinese words of every event: a title, the facts one a line, and the page it leads to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.notifications import digest_words
from app.notifications.kinds import EventKind

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class Message:
    """What people read. `link` is a path of ours."""

    title: str
    text: str
    link: str


_TITLES: dict[EventKind, str] = {
    EventKind.CLEARING_SUBMITTED: "清卡申请已提交：{operator}，属期 {period}",
    EventKind.CLEARING_APPROVED: "清卡申请已通过：{operator}，属期 {period}",
    EventKind.CLEARING_REJECTED: "清卡申请已驳回：{operator}，属期 {period}",
    EventKind.CLEARING_STARTED: "清卡开始：{operator}，属期 {period}",
    EventKind.CLEARING_SUCCEEDED: "清卡成功：{operator}，属期 {period}",
    EventKind.CLEARING_FAILED: "清卡失败：{operator}，属期 {period}",
    EventKind.CLEARING_NEEDS_ATTENTION: "清卡结果待查：{operator}，属期 {period}",
    EventKind.CLEARING_REVIEW_WAITING: "清卡申请仍未审核：{operator}，属期 {period}",
    EventKind.DEVICE_DISCONNECTED: "设备断开连接：{device}（{operator}）",
    EventKind.DEVICE_LOCK_APPROACHING: "设备 {device}（{operator}）距锁死日期还有 {days_left} 天",
    EventKind.DEVICE_LOCK_DIGEST: "{count} 台设备即将锁死，最近的还有 {days_left} 天",
    EventKind.BACKUP_FAILED: "备份失败：{message}",
    EventKind.INSPECTION_FINISHED: "定期检查完成：{label}，{outcome}",
    EventKind.WEBHOOK_DISABLED: "Webhook 已停用：{host}",
    EventKind.AUDIT_CHECKPOINT: "审计检查点：前 {size} 条审计记录，请保管",
    EventKind.TEST: "测试通知",
}

_BY_OUTCOME = {
    "partial": "部分清卡完成，仍有票种未清卡：{operator}，属期 {period}",
    "already": "此前已清卡，未执行：{operator}，属期 {period}",
}
"""Titles of a success that is none in full (`outcome` of clearing.succeeded)."""

_OF_AN_EXECUTION = frozenset({"lock_date_before", "lock_date_after"})
"""Facts that would read as if something had been executed where nothing was."""

_FACTS: tuple[tuple[str, str], ...] = (
    ("number", "申请编号"),
    ("operator", "操作员"),
    ("enterprise", "企业"),
    ("devices", "设备"),
    ("device", "设备"),
    ("period", "属期"),
    ("requested_by", "申请人"),
    ("executed_by", "执行人"),
    ("reviewed_by", "审核人"),
    ("comment", "审核意见"),
    ("waiting_since", "提交时间"),
    ("lock_date", "锁死日期"),
    ("lock_date_before", "清卡前锁死日期"),
    ("lock_date_after", "清卡后锁死日期"),
    ("cleared", "已清卡"),
    ("remaining", "未清卡"),
    ("next_lock_date", "设备最近的锁死日期"),
    ("invoices_cleared", "清卡发票（张）"),
    ("target", "目标"),
    ("findings", "发现"),
    ("code", "代码"),
    ("message", "原因"),
    ("device_message", "设备返回"),
    ("remedy", "怎么办"),
)
"""Order and label of what is told; a fact that an event does not have is left out."""

_PATHS = {
    "clearing_request": "/clearing/requests/{id}",
    "device": "/devices/{id}",
    "devices_near_lock": "/clearing?state=due",
    "backup": "/backups",
    "inspection": "/inspections/{id}",
    "webhook": "/settings/webhooks",
    "audit_checkpoint": "/audit",
    "channel": "/settings/channels",
}


_KEEP = "请把下面各行原样存为文件，放在本系统之外；以后可在“审计”页或用命令与之核对。"


class _Facts(dict[str, Any]):
    """A fact that is missing reads as a dash, so that no event is lost over its words."""

    def __missing__(self, name: str) -> str:
        return "—"


def message_of(
    kind: EventKind, *, object_type: str, object_id: str, data: Mapping[str, Any]
) -> Message:
    """The words of an event."""
    title = _plain(_title(kind, data).format_map(_Facts(data)))[:MAX_TITLE]
    path = _PATHS.get(object_type, "/notifications").format(id=object_id)
    if kind is EventKind.AUDIT_CHECKPOINT:
        return Message(title, f"{_KEEP}\n\n{data.get('checkpoint', '')}", path)
    if kind is EventKind.DEVICE_LOCK_DIGEST:
        return Message(title, digest_words.short(data), path)
    moved = data.get("outcome") != "already"
    lines = [
        f"{label}：{_plain(data[name])}"
        for name, label in _FACTS
        if _told(data.get(name)) and (moved or name not in _OF_AN_EXECUTION)
    ]
    return Message(title, "\n".join(lines), path)


def _title(kind: EventKind, data: Mapping[str, Any]) -> str:
    if kind is not EventKind.CLEARING_SUCCEEDED:
        return _TITLES[kind]
    return _BY_OUTCOME.get(str(data.get("outcome", "")), _TITLES[kind])


def address_of(public_url: str, link: str) -> str:
    """The link as a full address, or the path alone where no public address is set."""
    return public_url.rstrip("/") + link if public_url else link


def _told(value: Any) -> bool:
    return value not in (None, "", [])


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "、".join(_type_date(one) if isinstance(one, Mapping) else str(one) for one in value)
    return " ".join(str(value).split())


def _type_date(one: Mapping[str, Any]) -> str:
    """An invoice type of a device with its lock date."""
    day = one.get("lock_date")
    until = f"（锁死日期 {day}）" if day else ""
    return f"{one.get('device_number', '')} {one.get('invoice_type', '')}{until}".strip()
