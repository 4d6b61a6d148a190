"""The checks of what concerns no single device: the taxpayer's data, the hour, the place for backups."""

from collections.abc import Callable

from app.clearing.check import Check, blocking, ok, seen, warning
from app.contracts.tax_numbers import is_valid_tax_no
from app.core.clock import local
from app.prechecks.facts import Facts
from app.prechecks.wording import moment, size


def of_system(facts: Facts) -> list[Check]:
    """Every check, in the order a person would look."""
    return [check(facts) for check in _CHECKS]


def _health(facts: Facts) -> Check:
    """The database answers (these facts come from it) and fits; the trail tells of no failure at last."""
    code, system = "system.health", facts.system
    fits = system.schema == system.schema_needed
    evidence = seen(
        ("数据库", "应答正常"),
        ("数据库结构", system.schema),
        ("告警", "；".join(f"{name}（{moment(at)}）" for name, at in system.alarms) or "无"),
    )
    if not fits:
        return blocking(
            code,
            "system.schema",
            f"数据库结构为 {system.schema or '空'}，程序需要 {system.schema_needed}",
            evidence,
            remedy="运行 qingka migrate，然后重启服务。",
        )
    if system.alarms:
        names = "、".join(name for name, _ in system.alarms)
        remedy = "在“审计日志”和“备份”中查明原因；确认不影响本次清卡后可以继续。"
        return warning(code, f"系统有告警：{names}", remedy, evidence)
    return ok(code, "系统没有故障或告警", evidence)


def _taxpayer(facts: Facts) -> Check:
    code, valid = "taxpayer.complete", is_valid_tax_no(facts.tax_no)
    evidence = seen(
        ("企业名称", facts.taxpayer_name),
        ("纳税人识别号", facts.tax_no),
        ("识别号校验", "正确" if valid else "不正确"),
    )
    if facts.taxpayer_name and valid:
        return ok(code, "纳税人资料完整有效", evidence)
    return blocking(
        code,
        "clearing.taxpayer_incomplete",
        "纳税人资料不完整",
        evidence,
        remedy="在“系统设置 → 企业”补全税号与名称。",
    )


def _space(facts: Facts) -> Check:
    code = "backup.space"
    free = "" if facts.free_bytes is None else size(facts.free_bytes)
    evidence = seen(("剩余空间", free), ("需要", size(facts.needed_bytes)))
    if facts.free_bytes is None:
        return blocking(
            code,
            "backup.target_unwritable",
            f"备份目录不可用：{facts.target_problem}",
            evidence,
            remedy="检查备份目录的权限与挂载状态。",
        )
    if facts.free_bytes < facts.needed_bytes:
        return blocking(
            code,
            "backup.disk_full",
            f"备份空间不足，剩 {free}",
            evidence,
            remedy="清理磁盘或更换备份目录。",
        )
    return ok(code, f"备份空间充足（剩 {free}）", evidence)


def _peak(facts: Facts) -> Check:
    code = "peak_window"
    if facts.peak_window is None:
        evidence = seen(("高峰时段", "未设置"), ("现在", moment(facts.now)))
        return ok(code, "未设置业务高峰时段", evidence)
    start, end = facts.peak_window
    window = f"{start:%H:%M}–{end:%H:%M}"
    evidence = seen(("高峰时段", window), ("现在", moment(facts.now)))
    at = facts.starts_at or facts.now
    if not start <= local(at).time() < end:
        text = (
            "不在业务高峰时段" if at == facts.now else f"将于 {moment(at)} 执行，不在业务高峰时段"
        )
        return ok(code, text, evidence)
    text = f"现在是业务高峰时段（{window}）"
    if facts.override_window:
        return warning(code, text, "已选择在高峰时段执行。", evidence)
    return blocking(
        code,
        "clearing.peak_window",
        text,
        evidence,
        remedy="等高峰时段过后再执行，或在申请中选择“高峰时段也执行”。",
    )


_CHECKS: tuple[Callable[[Facts], Check], ...] = (_health, _taxpayer, _peak, _space)
