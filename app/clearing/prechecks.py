"""清卡前检查: the conditions for clearing, each with a stable code, severity, sentence and remedy.

Pure: facts in, checks out. Gathering the facts (reading the devices, asking the database) is
`facts.py`, so that a page can show the checks at any time and the first stage runs the same ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from uuid import UUID

from app.contracts.devices import DeviceReading, InvoiceType, LinkState
from app.contracts.faults import FAULTS
from app.contracts.periods import Period, is_cleared
from app.core.clock import local, local_date
from app.devices.states import is_zombie


class Severity(StrEnum):
    """`blocking` stops a clearing; `warning` is shown and recorded."""

    OK = "ok"
    WARNING = "warning"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. `error_code` is what a request fails with when this one blocks."""

    code: str
    severity: Severity
    message: str
    remedy: str = ""
    error_code: str = ""
    device_code: str = ""
    device_message: str = ""


@dataclass(frozen=True, slots=True)
class DeviceFault:
    """Why a device could not be read."""

    code: str
    message: str
    remedy: str
    device_code: str = ""
    device_message: str = ""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is known about one device: as registered, and as just read."""

    device_id: UUID
    number: str
    machine_no: int
    tax_no: str
    invoice_types: tuple[InvoiceType, ...]
    reading: DeviceReading | None
    fault: DeviceFault | None
    drafts: int
    later_drafts: int
    not_uploaded: int
    cleared_types: frozenset[InvoiceType]
    last_cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the checks look at. `free_bytes` None: the backup target can't be used."""

    now: datetime
    period: Period
    devices: tuple[DeviceFacts, ...]
    free_bytes: int | None
    needed_bytes: int
    target_problem: str
    peak_window: tuple[time, time] | None
    override_window: bool
    exceptional: bool
    min_days_between: int
    taxpayer_complete: bool


MAX_DRIFT = timedelta(minutes=5)
"""More is a warning (product.md section 5, rule 10)."""

BLOCKING_DRIFT = timedelta(hours=24)
"""More blocks (product.md section 5, rule 10)."""


def run(facts: Facts) -> list[Check]:
    """All checks, those of each device first, in the order a person would look."""
    checks = [check for device in facts.devices for check in _device_checks(facts, device)]
    return checks + [check(facts) for check in _SYSTEM_CHECKS]


def is_ok(checks: Sequence[Check]) -> bool:
    """Whether nothing blocks."""
    return first_blocking(checks) is None


def first_blocking(checks: Sequence[Check]) -> Check | None:
    """What a request fails with, if anything blocks."""
    return next((check for check in checks if check.severity is Severity.BLOCKING), None)


def _device_checks(facts: Facts, device: DeviceFacts) -> list[Check]:
    connected = _connected(device)
    if connected.severity is Severity.BLOCKING or device.reading is None:
        return [connected]
    checks = [check(facts, device, device.reading) for check in _DEVICE_CHECKS]
    return [connected, *checks]


def _connected(device: DeviceFacts) -> Check:
    if device.fault is not None:
        agent = device.fault.code.startswith("agent.")
        return Check(
            "agent.reachable" if agent else "device.connected",
            Severity.BLOCKING,
            f"设备 {device.number}：{device.fault.message}",
            device.fault.remedy,
            device.fault.code,
            device.fault.device_code,
            device.fault.device_message,
        )
    return _ok("device.connected", f"设备 {device.number} 已连接，驱动应答正常")


def _identity(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    if reading.info.number != device.number:
        return _blocking(
            "device.identity",
            "device.number_mismatch",
            f"读到的设备编号是 {reading.info.number}，登记的是 {device.number}",
        )
    if reading.info.tax_no.upper() != device.tax_no:
        return _blocking(
            "device.identity",
            "device.taxpayer_mismatch",
            f"设备的纳税人识别号是 {reading.info.tax_no}，企业登记的是 {device.tax_no}",
        )
    return _ok("device.identity", "设备与操作员、企业一致")


def _not_locked(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """What the device says of itself decides; a past lock date alone may have been unlocked since."""
    past = [m.lock_date for m in reading.monitors if m.lock_date < reading.info.clock_at.date()]
    since = f"（锁死日期 {min(past)}）" if past else ""
    if reading.summary.state is LinkState.LOCKED:
        text = f"设备 {device.number} 已锁死{since}"
        if facts.exceptional:
            return Check("device.locked", Severity.WARNING, text, "按异常清卡办理，由税务端决定。")
        return _blocking("device.locked", "device.locked", text)
    if past:
        return Check(
            "device.locked",
            Severity.WARNING,
            f"设备 {device.number} 已过锁死日期{since}，但未报告锁死",
            "税务机关已解锁的可以继续；仍锁死时设备会拒绝，不会有任何改动。",
        )
    return _ok("device.locked", "设备未锁死")


def _alive(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    if reading.summary.state is LinkState.FAULT:
        return _blocking("device.fault", "device.fault", f"设备 {device.number} 报告故障")
    if is_zombie([m.last_reported_at for m in reading.monitors], reading.info.clock_at):
        return Check(
            "device.fault",
            Severity.WARNING,
            "距上次抄报超过 90 天（僵尸盘）",
            "到主管税务机关核实该设备是否仍可使用。",
        )
    return _ok("device.fault", "设备没有故障或告警")


def _clock(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    read_at = local(reading.sent_at or reading.read_at).replace(tzinfo=None)
    drift = abs(reading.info.clock_at - read_at)
    text = f"设备时钟与系统相差 {_span(drift)}"
    if drift > BLOCKING_DRIFT:
        return _blocking("device.clock", "device.clock_wrong", text)
    if drift > MAX_DRIFT:
        return Check(
            "device.clock", Severity.WARNING, text, "可以继续；建议先校准设备时钟。会写入审计记录。"
        )
    return _ok("device.clock", text)


def _bureau(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    if reading.bureau_reachable is False:
        return _blocking("bureau.reachable", "bureau.unreachable", "税务端无法访问")
    if reading.bureau_reachable is None:
        return _ok("bureau.reachable", "税务端由设备自行连接")
    return _ok("bureau.reachable", "税务端可以访问")


def _drafts(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    if device.drafts:
        return Check(
            "invoices.drafts",
            Severity.BLOCKING,
            f"有 {device.drafts} 张未开完的发票（草稿）",
            "开具完成或删除这些草稿后重试。",
            "clearing.drafts",
        )
    if device.later_drafts:
        return Check(
            "invoices.drafts",
            Severity.WARNING,
            f"{device.later_drafts} 张草稿将随全面清卡重置",
            "草稿会先进入备份，可从备份恢复；不想重置时请选择部分清卡。",
        )
    return _ok("invoices.drafts", "没有未开完的发票")


def _uploaded(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    if device.not_uploaded:
        return _blocking(
            "invoices.uploaded",
            "device.offline_not_uploaded",
            f"有 {device.not_uploaded} 张发票尚未上传",
        )
    return _ok("invoices.uploaded", "没有未上传的发票")


def _types(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    known = {monitor.invoice_type for monitor in reading.monitors}
    missing = [t.value for t in device.invoice_types if t not in known]
    if missing:
        return _blocking(
            "device.types", "device.type_not_authorized", f"设备没有 {'、'.join(missing)} 的授权"
        )
    return _ok("device.types", f"{len(reading.monitors)} 类发票均可抄报")


def _duplicate(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    wanted = set(device.invoice_types) or {m.invoice_type for m in reading.monitors}
    if wanted <= device.cleared_types:
        return Check(
            "period.duplicate",
            Severity.BLOCKING,
            f"设备 {device.number} 属期 {facts.period} 已清卡，请勿重复清卡",
            "在“清卡记录”中查看该属期的清卡结果。",
            "clearing.duplicate",
        )
    cleared = {m.invoice_type for m in reading.monitors if is_cleared(facts.period, m.lock_date)}
    if wanted <= cleared:
        return Check(
            "period.duplicate",
            Severity.WARNING,
            f"设备显示属期 {facts.period} 已清卡（可能在别处办理）",
            "继续后只核对设备并补记结果，不会再次清卡。",
        )
    return _ok("period.duplicate", "本期尚未清卡")


def _order(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Older open periods first, in order (product.md section 5, rule 5)."""
    oldest = min((Period.of(one.report_from.date()) for one in reading.monitors), default=None)
    if oldest is not None and oldest < facts.period:
        return _blocking(
            "period.order",
            "device.several_periods",
            f"设备 {device.number} 还有更早的属期 {oldest} 未清卡，请先处理",
        )
    return _ok("period.order", "没有更早的未清属期")


def _recent(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    if device.last_cleared_at is None:
        return _ok("clearing.recent", "没有近期清卡")
    days = (local_date(facts.now) - local_date(device.last_cleared_at)).days
    if days < facts.min_days_between:
        return Check(
            "clearing.recent",
            Severity.WARNING,
            f"距上次清卡 {days} 天，低于建议间隔 {facts.min_days_between} 天",
            "可以继续；会写入审计记录。",
        )
    return _ok("clearing.recent", f"距上次清卡 {days} 天")


def _taxpayer(facts: Facts) -> Check:
    if facts.taxpayer_complete:
        return _ok("taxpayer.complete", "纳税人资料完整有效")
    return Check(
        "taxpayer.complete",
        Severity.BLOCKING,
        "纳税人资料不完整",
        "在“系统设置 → 企业”补全税号与名称。",
        "clearing.taxpayer_incomplete",
    )


def _space(facts: Facts) -> Check:
    if facts.free_bytes is None:
        return Check(
            "backup.space",
            Severity.BLOCKING,
            f"备份目录不可用：{facts.target_problem}",
            "检查备份目录的权限与挂载状态。",
            "backup.target_unwritable",
        )
    if facts.free_bytes < facts.needed_bytes:
        return Check(
            "backup.space",
            Severity.BLOCKING,
            f"备份空间不足，剩 {_bytes(facts.free_bytes)}",
            "清理磁盘或更换备份目录。",
            "backup.disk_full",
        )
    return _ok("backup.space", f"备份空间充足（剩 {_bytes(facts.free_bytes)}）")


def _peak(facts: Facts) -> Check:
    if facts.peak_window is None:
        return _ok("peak_window", "未设置业务高峰时段")
    start, end = facts.peak_window
    if not start <= local(facts.now).time() < end:
        return _ok("peak_window", "不在业务高峰时段")
    text = f"现在是业务高峰时段（{start:%H:%M}–{end:%H:%M}）"
    if facts.override_window:
        return Check("peak_window", Severity.WARNING, text, "已选择在高峰时段执行。")
    return Check(
        "peak_window",
        Severity.BLOCKING,
        text,
        "等高峰时段过后再执行，或在申请中选择“高峰时段也执行”。",
        "clearing.peak_window",
    )


_DEVICE_CHECKS: tuple[Callable[[Facts, DeviceFacts, DeviceReading], Check], ...] = (
    _identity,
    _not_locked,
    _alive,
    _types,
    _duplicate,
    _order,
    _clock,
    _bureau,
    _drafts,
    _uploaded,
    _recent,
)
_SYSTEM_CHECKS: tuple[Callable[[Facts], Check], ...] = (_taxpayer, _peak, _space)


def _ok(code: str, message: str) -> Check:
    return Check(code, Severity.OK, message)


def _blocking(code: str, fault_code: str, message: str) -> Check:
    return Check(code, Severity.BLOCKING, message, FAULTS[fault_code].remedy, fault_code)


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} 秒"
    if seconds < 7200:
        return f"{seconds // 60} 分钟"
    return f"{seconds // 3600} 小时"


def _bytes(size: int) -> str:
    if size >= 1 << 30:
        return f"{size / (1 << 30):.1f} GB"
    return f"{size // (1 << 20)} MB"
