"""The checks of one device: is it there, is it the right one, can it be reported and cleared now."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from app.clearing.check import Check, blocking, ok, seen, warning
from app.clearing.completion import first_clearable, is_recorded, past_text
from app.clearing.errors import PastPeriod
from app.contracts.devices import DeviceReading, LinkState
from app.contracts.periods import Period, is_cleared
from app.core.clock import local, local_date
from app.devices.states import is_zombie
from app.prechecks import bureau_checks, choice_checks, ledger_checks, machine_checks, upload_checks
from app.prechecks.facts import DeviceFacts, Facts
from app.prechecks.reach_checks import reached, software
from app.prechecks.wording import (
    LINK_STATES,
    device_moment,
    last_reports,
    lock_dates,
    moment,
    report_starts,
    span,
)

MAX_DRIFT = timedelta(minutes=5)
"""More is a warning (docs/domain.md, rule 10)."""

BLOCKING_DRIFT = timedelta(hours=24)
"""More blocks (docs/domain.md, rule 10)."""


def of_device(facts: Facts, device: DeviceFacts) -> list[Check]:
    """Every check of the device; of one that can't be read only why."""
    checks = reached(device)
    if device.fault is None and device.reading is not None:
        for check in _CHECKS:
            found = check(facts, device, device.reading)
            checks += [found] if isinstance(found, Check) else found
    return [replace(check, device_number=device.number) for check in checks]


def _identity(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    code, info = "device.identity", reading.info
    evidence = seen(
        ("登记的设备编号", device.number),
        ("读到的设备编号", info.number),
        ("企业税号", facts.tax_no),
        ("设备税号", info.tax_no),
    )
    if info.number != device.number:
        text = f"读到的设备编号是 {info.number}，登记的是 {device.number}"
        return blocking(code, "device.number_mismatch", text, evidence)
    if info.tax_no.upper() != facts.tax_no:
        text = f"设备的纳税人识别号是 {info.tax_no}，企业登记的是 {facts.tax_no}"
        return blocking(code, "device.taxpayer_mismatch", text, evidence)
    return ok(code, "设备与操作员、企业一致", evidence)


def _not_locked(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """What the device says of itself decides: past the lock date it only stops issuing (decision 0001)."""
    code = "device.locked"
    past = [m.lock_date for m in reading.monitors if m.lock_date < reading.info.clock_at.date()]
    since = f"（锁死日期 {min(past)}）" if past else ""
    evidence = seen(
        ("设备状态", LINK_STATES[reading.summary.state]),
        ("锁死日期", lock_dates(reading.monitors)),
        ("设备时钟", device_moment(reading.info.clock_at)),
    )
    if reading.summary.state is LinkState.LOCKED:
        text = f"设备 {device.number} 已锁死{since}"
        if facts.exceptional:
            return warning(
                code, text, "按异常清卡办理；设备仍可能拒绝，届时不会有任何改动。", evidence
            )
        return blocking(code, "device.locked", text, evidence)
    if past:
        return warning(
            code,
            f"设备 {device.number} 已过锁死日期{since}，但未报告锁死",
            "逾期的设备不能开票，但仍可抄报；申报后清卡即恢复开票，可以继续。设备若拒绝，不会有任何改动。",
            evidence,
        )
    return ok(code, "设备未锁死", evidence)


def _alive(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    code, summary = "device.fault", reading.summary
    evidence = seen(
        ("设备状态", LINK_STATES[summary.state]),
        ("设备告警", summary.error_message),
        ("最近报税", last_reports(reading.monitors)),
    )
    if summary.state is LinkState.FAULT:
        return blocking(code, "device.fault", f"设备 {device.number} 报告故障", evidence)
    if is_zombie([m.last_reported_at for m in reading.monitors], reading.info.clock_at):
        return warning(
            code,
            "距上次抄报超过 90 天（僵尸盘）",
            "到主管税务机关核实该设备是否仍可使用。",
            evidence,
        )
    return ok(code, "设备没有故障或告警", evidence)


def _clock(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    code, shown = "device.clock", reading.info.clock_at
    read_at = local(reading.sent_at or reading.read_at).replace(tzinfo=None)
    drift = abs(shown - read_at)
    text = f"设备时钟与系统相差 {span(drift)}"
    evidence = seen(
        ("设备时钟", device_moment(shown)),
        ("系统时间", device_moment(read_at)),
        ("相差", span(drift)),
    )
    if drift > BLOCKING_DRIFT:
        return blocking(code, "device.clock_wrong", text, evidence)
    if drift > MAX_DRIFT:
        return warning(code, text, "可以继续；建议先校准设备时钟。会写入审计记录。", evidence)
    return ok(code, text, evidence)


def _drafts(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    code = "invoices.drafts"
    evidence = seen(
        (f"{facts.period} 及以前的草稿", f"{device.drafts} 张"),
        ("以后月份将重置的草稿", f"{device.later_drafts} 张"),
    )
    if device.drafts:
        return blocking(
            code,
            "clearing.drafts",
            f"有 {device.drafts} 张未开完的发票（草稿）",
            evidence,
            remedy="开具完成或删除这些草稿后重试。",
        )
    if device.later_drafts:
        return warning(
            code,
            f"{device.later_drafts} 张草稿将随全面清卡重置",
            "草稿会先进入备份，可从备份恢复；不想重置时请选择部分清卡。",
            evidence,
        )
    return ok(code, "没有未开完的发票", evidence)


def _types(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Every chosen type is authorised, and every authorised one has totals of the period to report.

    A type whose report period begins after the period to clear was enabled later or cleared before:
    it has none, which stands in nobody's way. One the device names without monitors is not usable.
    """
    code = "device.types"
    known = {monitor.invoice_type for monitor in reading.monitors}
    missing = [kind.value for kind in device.invoice_types if kind not in known]
    unread = [kind.value for kind in reading.info.invoice_types if kind not in known]
    evidence = seen(
        ("要清卡的票种", "、".join(device.invoice_types) or "全部"),
        ("授权的票种", "、".join(reading.info.invoice_types)),
        ("报送起始", report_starts(reading.monitors)),
    )
    if missing:
        text = f"设备没有 {'、'.join(missing)} 的授权"
        return blocking(code, "device.type_not_authorized", text, evidence)
    if unread or not known:
        text = f"设备没有给出 {'、'.join(unread) or '任何票种'} 的监控数据，不能抄报"
        return blocking(code, "device.answer_invalid", text, evidence)
    later = [m for m in reading.monitors if Period.of(m.report_from.date()) > facts.period]
    if later and len(later) < len(reading.monitors):
        names = "、".join(one.invoice_type.value for one in later)
        return ok(code, f"{names} 没有 {facts.period} 的数据，其余票种均可抄报", evidence)
    return ok(code, f"{len(reading.monitors)} 类发票均可抄报", evidence)


def _duplicate(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    code = "period.duplicate"
    wanted = device.wanted(reading)
    evidence = seen(
        ("属期", facts.period),
        ("本系统已清卡的票种", "、".join(sorted(device.cleared_types)) or "无"),
        ("锁死日期", lock_dates(reading.monitors)),
    )
    if is_recorded(wanted, device.cleared_types):
        return blocking(
            code,
            "clearing.duplicate",
            f"设备 {device.number} 属期 {facts.period} 已清卡，请勿重复清卡",
            evidence,
            remedy="在“清卡记录”中查看该属期的清卡结果。",
        )
    days = [m.lock_date for m in reading.monitors if m.invoice_type in wanted]
    first = first_clearable(days, facts.now)
    if first is not None and facts.period < first:
        text = past_text(device.number, facts.period, days, facts.now)
        return blocking(code, PastPeriod.code, text, evidence, remedy=PastPeriod.remedy)
    if days and all(is_cleared(facts.period, day) for day in days):
        return warning(
            code,
            f"设备显示属期 {facts.period} 已清卡（可能在别处办理）",
            "继续后只核对设备并补记结果，不会再次清卡。",
            evidence,
        )
    return ok(code, "本期尚未清卡", evidence)


def _order(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Older open periods first, in order (docs/domain.md, rule 5)."""
    code = "period.order"
    oldest = min((Period.of(one.report_from.date()) for one in reading.monitors), default=None)
    evidence = seen(("属期", facts.period), ("报送起始", report_starts(reading.monitors)))
    if oldest is not None and oldest < facts.period:
        text = f"设备 {device.number} 还有更早的属期 {oldest} 未清卡，请先处理"
        return blocking(code, "device.several_periods", text, evidence)
    return ok(code, "没有更早的未清属期", evidence)


def _recent(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    code = "clearing.recent"
    evidence = seen(
        ("上次清卡", moment(device.last_cleared_at)), ("建议间隔", f"{facts.min_days_between} 天")
    )
    if device.last_cleared_at is None:
        return ok(code, "没有近期清卡", evidence)
    if device.cleared_types:
        return ok(
            code,
            f"本期已部分清卡（{'、'.join(sorted(device.cleared_types))}），续清其余票种",
            evidence,
        )
    days = (local_date(facts.now) - local_date(device.last_cleared_at)).days
    if days < facts.min_days_between:
        text = f"距上次清卡 {days} 天，低于建议间隔 {facts.min_days_between} 天"
        return warning(code, text, "可以继续；会写入审计记录。", evidence)
    return ok(code, f"距上次清卡 {days} 天", evidence)


_CHECKS: tuple[Callable[[Facts, DeviceFacts, DeviceReading], Check | list[Check]], ...] = (
    _identity,
    choice_checks.register,
    choice_checks.mode,
    software,
    _not_locked,
    _alive,
    _types,
    _duplicate,
    _order,
    choice_checks.reported,
    machine_checks.order,
    _clock,
    bureau_checks.reachable,
    bureau_checks.filed,
    _drafts,
    upload_checks.uploaded,
    ledger_checks.statistics,
    _recent,
)
