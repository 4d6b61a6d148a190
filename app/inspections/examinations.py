"""What an inspection looks at, one function a section; the order here is the order of the report."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from app.audit.actor import SYSTEM
from app.backups import service as backups_service
from app.backups.models import Backup, BackupKind, BackupState
from app.contracts.periods import Period
from app.core.clock import local, local_date
from app.core.process import Process
from app.errors import QingkaError
from app.inspections import database_health, queries
from app.inspections.section import Section, Severity, table, worst
from app.notifications import queries as notifications_queries
from app.proof.service import prove_now

FAILURES_OF = timedelta(days=92)
REPEATED = 2
DRIFT_WARNING, DRIFT_BLOCKING = 5 * 60, 24 * 3600
"""Seconds (docs/domain.md, rule 10)."""
BACKUP_AGE = timedelta(days=35)
SAMPLE = 3
SLOW = 1.0
"""Seconds most requests of a route should stay under."""


def uncleared(context: Process) -> Section:
    """Devices that are not cleared yet: their lock date lies in this month, or before it."""
    today = local_date(context.clock())
    with context.database.reading() as session:
        lines = queries.devices_to_clear(session, Period.of(today).plus(1).first_day)
        total = queries.count_devices(session)
    locked = sum((line.device.lock_date or today) <= today for line in lines)
    severity = Severity.BLOCKING if locked else Severity.WARNING if lines else Severity.OK
    summary = f"{len(lines)} 台设备尚未清卡（共 {total} 台），其中 {locked} 台已到锁死日期"
    rows = [
        (
            line.device.number,
            line.operator,
            line.enterprise,
            line.device.lock_date,
            ((line.device.lock_date or today) - today).days,
            line.device.fault_message,
        )
        for line in lines
    ]
    columns = ("设备", "操作员", "企业", "锁死日期", "剩余天数", "最近问题")
    remedy = "在清卡管理中为这些操作员清卡；已锁死的见“帮助”里的处理步骤。" if lines else ""
    return table(
        TITLES["uncleared"],
        severity,
        summary if lines else f"{total} 台设备均已清卡",
        columns,
        rows,
        remedy=remedy,
    )


def failures(context: Process) -> Section:
    """Failed executions of the last three months, by month and cause."""
    since = context.clock() - FAILURES_OF
    with context.database.reading() as session:
        causes = queries.failures_by_cause(session, since)
        devices = queries.failing_devices(session, since, REPEATED)
    rows = [
        (period, code, words, times, count, _moment(last))
        for period, code, words, times, count, last in causes
    ]
    repeated = "、".join(f"{number}（{name}，{times} 次）" for number, name, times in devices[:10])
    total = sum(row[3] for row in causes)
    summary = (
        f"近三个月失败 {total} 次，{len(devices)} 台设备反复失败" if total else "近三个月没有失败"
    )
    return table(
        TITLES["failures"],
        Severity.WARNING if devices else Severity.OK,
        f"{summary}：{repeated}" if repeated else summary,
        ("属期", "代码", "原因", "次数", "设备数", "最近一次"),
        rows,
        remedy="按代码在帮助页查看处理办法；同一原因反复出现时优先处理。" if devices else "",
    )


def drift(context: Process) -> Section:
    """Clocks that are off by more than five minutes."""
    with context.database.reading() as session:
        lines = queries.devices_drifting(session, DRIFT_WARNING)
    off = [(line, abs(line.device.clock_drift_seconds or 0)) for line in lines]
    severity = worst(
        Severity.BLOCKING if seconds > DRIFT_BLOCKING else Severity.WARNING for _, seconds in off
    )
    rows = [
        (
            line.device.number,
            line.operator,
            f"{'快' if (line.device.clock_drift_seconds or 0) > 0 else '慢'} {seconds // 60} 分钟",
            _moment(line.device.read_at),
        )
        for line, seconds in off
    ]
    summary = f"{len(rows)} 台设备时钟偏差超过 5 分钟" if rows else "设备时钟正常"
    columns = ("设备", "操作员", "偏差", "读取时间")
    remedy = "在设备页校准时钟；偏差超过 24 小时不能清卡。" if rows else ""
    return table(TITLES["drift"], severity, summary, columns, rows, remedy=remedy)


def backups(context: Process) -> Section:
    """How old the newest are, and whether a sample still matches when read back."""
    with context.database.reading() as session:
        sample = [backup.id for backup in queries.newest_backups(session, SAMPLE)]
        ages = {kind: queries.newest_backup_at(session, kind) for kind in BackupKind}
        damaged = queries.count_damaged_backups(session)
    checked = [_checked(context, backup_id) for backup_id in sample]
    rows = [(_KINDS[kind], _moment(at), "—") for kind, at in ages.items()]
    rows += [("抽样校验", text, word) for text, word, _ in checked]
    newest = max((at for at in ages.values() if at), default=None)
    old = newest is None or context.clock() - newest > BACKUP_AGE
    severity = worst([*(severity for *_, severity in checked), _of(damaged > 0 or old)])
    summary = f"最近的备份：{_moment(newest)}；抽样 {len(checked)} 份；校验失败 {damaged} 份"
    return table(
        TITLES["backups"],
        severity,
        summary,
        ("项目", "内容", "结果"),
        rows,
        remedy="在“备份与恢复”中立即备份，并检查备份目标。" if severity is not Severity.OK else "",
    )


def _checked(context: Process, backup_id: UUID) -> tuple[str, str, Severity]:
    storage = backups_service.storage_of(context.settings)
    try:
        backup: Backup = backups_service.verify(
            context.database,
            storage,
            backup_id,
            actor=SYSTEM,
            clock=context.clock,
        )
    except QingkaError as error:
        return str(backup_id), error.detail, Severity.BLOCKING
    good = backup.state is BackupState.VERIFIED
    return backup.path, backup.check_message, Severity.OK if good else Severity.BLOCKING


def database(context: Process) -> Section:
    """Integrity and size."""
    return database_health.examine(context.database)


def performance(context: Process) -> Section:
    """Response times of this process since it started."""
    times = [one for one in context.metrics.response_times() if one.count]
    slow = [one for one in times if one.p95 is None or one.p95 > SLOW]
    rows = [
        (
            f"{one.method} {one.route}",
            one.count,
            _milliseconds(one.mean),
            _milliseconds(one.p50),
            _milliseconds(one.p95),
            _milliseconds(one.p99),
        )
        for one in times
    ]
    summary = f"{len(slow)} 个地址的响应超过 {SLOW:g} 秒（95%）" if slow else "响应时间正常"
    columns = ("地址", "次数", "平均", "50%", "95%", "99%")
    remedy = "检查磁盘与数据库负载，执行系统维护中的“优化数据库”。" if slow else ""
    return table(TITLES["performance"], _of(bool(slow)), summary, columns, rows, remedy=remedy)


def audit_trail(context: Process) -> Section:
    """The trail against its links and checkpoints, and the rows it vouches for against the trail."""
    result = prove_now(context.database, context.settings, actor=SYSTEM, clock=context.clock)
    return Section(
        TITLES["audit"],
        Severity.OK if result.ok else Severity.BLOCKING,
        result.sentence,
        "" if result.ok else "保全数据库文件，与异地保存的检查点比对，并联系技术支持。",
    )


def deliveries(context: Process) -> Section:
    """Notifications that did not arrive, and receivers that are off."""
    with context.database.reading() as session:
        states = notifications_queries.deliveries_by_state(session)
        off = [hook for hook in notifications_queries.webhooks(session) if not hook.enabled]
    dead = states.get("dead", 0)
    words = {"pending": "待投递", "delivered": "已送达", "dead": "已放弃", "cancelled": "已取消"}
    rows = [(words[state], count) for state, count in sorted(states.items())]
    rows += [("停用的 Webhook", len(off))] if off else []
    summary = (
        f"{dead} 条通知未能送达，{len(off)} 个 Webhook 已停用" if dead or off else "通知投递正常"
    )
    remedy = "在系统设置 → 投递记录中查看原因并重发。" if dead or off else ""
    return table(
        TITLES["deliveries"], _of(bool(dead or off)), summary, ("状态", "数量"), rows, remedy=remedy
    )


EXAMINATIONS: dict[str, Callable[[Process], Section]] = {
    "uncleared": uncleared,
    "failures": failures,
    "drift": drift,
    "backups": backups,
    "database": database,
    "performance": performance,
    "audit": audit_trail,
    "deliveries": deliveries,
}

TITLES = {
    "uncleared": "未清卡设备",
    "failures": "失败原因",
    "drift": "时钟偏差",
    "backups": "备份",
    "database": database_health.TITLE,
    "performance": "响应时间",
    "audit": "审计链",
    "deliveries": "通知投递",
}

_KINDS = {
    BackupKind.PRE_CLEARING: "清卡前备份",
    BackupKind.POST_CLEARING: "清卡后备份",
    BackupKind.ON_DEMAND: "手工备份",
    BackupKind.SYSTEM: "全系统备份",
}


def _of(bad: bool) -> Severity:
    return Severity.WARNING if bad else Severity.OK


def _moment(at: datetime | None) -> str:
    return "无" if at is None else f"{local(at):%Y-%m-%d %H:%M}"


def _milliseconds(seconds: float | None) -> str:
    return "—" if seconds is None else f"{seconds * 1000:.0f} ms"
