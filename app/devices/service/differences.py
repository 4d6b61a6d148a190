"""What a reading says against what is stored: keep it, and tell each difference."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.contracts.devices import DeviceInfo, DeviceReading, InvoiceType, Monitor
from app.core.db import Session
from app.devices import queries
from app.devices.models import Device, DeviceMonitor


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `saved` False: kept as it was, because another device holds the value."""

    field: str
    label: str
    before: str
    after: str
    saved: bool = True

    def __str__(self) -> str:
        """As people read it."""
        kept = "" if self.saved else "（被另一台设备占用，未保存）"
        return f"{self.label} {self.before or '—'} → {self.after or '—'}{kept}"


_LABELS = {
    "tax_no": "纳税人识别号",
    "taxpayer_name": "纳税人名称",
    "machine_no": "开票机号",
    "kind": "设备类型",
    "version": "设备版本",
    "invoice_types": "授权票种",
    "report_from": "报送起始",
    "report_to": "报送终止",
    "last_reported_at": "上次报送",
    "lock_date": "锁死日期",
    "upload_due_day": "上传截止日",
    "offline_hours": "离线时长（小时）",
    "offline_amount": "离线总金额（元）",
    "single_limit": "单张限额（元）",
}
_DEVICE_FIELDS = ("tax_no", "taxpayer_name", "machine_no", "kind", "version")
_MONITOR_FIELDS = (
    "report_from",
    "report_to",
    "last_reported_at",
    "lock_date",
    "upload_due_day",
    "offline_hours",
    "offline_amount",
    "single_limit",
)


def differences(session: Session, device: Device, reading: DeviceReading) -> list[Change]:
    """What of the register the reading contradicts, nothing being saved.

    That is who the device is and what it may issue; its dates, which move by themselves, are no part of
    it. A value read for the first time is no difference.
    """
    compared = (change for _, _, change in _compared(session, device, reading))
    stored = queries.monitors_of(session, [device.id])[device.id]
    types = _types_changed({monitor.invoice_type for monitor in stored}, reading.monitors)
    return [*(change for change in compared if change is not None), *types]


def taxpayer_differences(tax_no: str, name: str, info: DeviceInfo) -> tuple[Change, ...]:
    """What the device says of its taxpayer against the enterprise registered with this number and name.

    Only a person who changes the enterprise can mend it. Full and half width are the same, and what a device
    does not say is no difference.
    """
    pairs = (("tax_no", tax_no, info.tax_no), ("taxpayer_name", name, info.taxpayer_name))
    return tuple(
        Change(field, _LABELS[field], before, after.strip())
        for field, before, after in pairs
        if after.strip() and _same_width(before) != _same_width(after)
    )


def _same_width(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().upper()


def store_identity(session: Session, device: Device, reading: DeviceReading) -> Iterator[Change]:
    """Differences of the device itself; a value read for the first time is no difference."""
    for name, value, change in _compared(session, device, reading):
        if change is None or change.saved:
            setattr(device, name, value)
        if change is not None:
            yield change


def _compared(
    session: Session, device: Device, reading: DeviceReading
) -> Iterator[tuple[str, object, Change | None]]:
    """Each field that differs, with the value read; without a change when it is read the first time."""
    info = reading.info
    read = {
        "tax_no": info.tax_no[:20],
        "taxpayer_name": info.taxpayer_name[:200],
        "machine_no": info.machine_no,
        "kind": reading.summary.kind,
        "version": info.version[:40],
    }
    first = device.read_at is None
    for name in _DEVICE_FIELDS:
        before, after = getattr(device, name), read[name]
        if before == after:
            continue
        saved = name != "machine_no" or not queries.machine_no_taken(
            session, device, info.machine_no
        )
        if saved and first and before in ("", None):
            yield name, after, None
        else:
            yield name, after, Change(name, _LABELS[name], _text(before), _text(after), saved)


def store_monitors(
    session: Session, device: Device, monitors: tuple[Monitor, ...]
) -> Iterator[Change]:
    """Differences of the types and of their dates."""
    stored = {
        monitor.invoice_type: monitor
        for monitor in queries.monitors_of(session, [device.id])[device.id]
    }
    read = {monitor.invoice_type: monitor for monitor in monitors}
    yield from _types_changed(set(stored), monitors)
    for invoice_type, monitor in stored.items():
        if invoice_type not in read:
            session.delete(monitor)
    for invoice_type, new in read.items():
        values = _monitor_values(new)
        old = stored.get(invoice_type)
        if old is None:
            session.add(DeviceMonitor(device_id=device.id, invoice_type=invoice_type, **values))
        else:
            yield from _monitor_changes(old, values)
            old.sqlmodel_update(values)


def store_dates(session: Session, device: Device, monitors: tuple[Monitor, ...]) -> None:
    """The dates of the types the register knows; which types those are stays as it is."""
    read = {monitor.invoice_type: monitor for monitor in monitors}
    for stored in queries.monitors_of(session, [device.id])[device.id]:
        if stored.invoice_type in read:
            stored.sqlmodel_update(_monitor_values(read[stored.invoice_type]))


def _types_changed(stored: set[InvoiceType], monitors: tuple[Monitor, ...]) -> Iterator[Change]:
    read = {monitor.invoice_type for monitor in monitors}
    if stored and stored != read:
        yield Change(
            "invoice_types",
            _LABELS["invoice_types"],
            "、".join(sorted(stored)),
            "、".join(sorted(read)),
        )


def _monitor_values(monitor: Monitor) -> dict[str, Any]:
    return monitor.model_dump(include={*_MONITOR_FIELDS, "free_space"})


def _monitor_changes(old: DeviceMonitor, new: dict[str, object]) -> Iterator[Change]:
    """Differences of one type; free space changes with every invoice and is none."""
    for name in _MONITOR_FIELDS:
        before, after = getattr(old, name), new[name]
        if before != after:
            yield Change(
                f"{old.invoice_type}.{name}",
                f"{old.invoice_type} {_LABELS[name]}",
                _text(before),
                _text(after),
            )


def _text(value: object) -> str:
    """As people compare it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return value.isoformat() if isinstance(value, date) else str(value)
