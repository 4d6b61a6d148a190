"""What admins may change at run time (系统设置 → 规则), kept in the table `settings`.

The environment wins: a setting given there is shown as fixed. Every process applies the table to its
own Settings when it starts and every few seconds, so that all follow a change without a restart.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import select

from app.accounts.principal import Principal
from app.audit import service as audit
from app.audit.actions import AuditAction
from app.backups import service as backups_service
from app.core.clock import Clock
from app.core.db import Database, Session, dialect_name
from app.errors import Conflict, Invalid
from app.notifications.reminders import parse_days
from app.settings import Settings
from app.system.models import RuntimeSetting


class SettingFixed(Conflict):
    code = "setting.fixed"
    title = "该设置由环境变量给出，不能在这里修改"
    remedy = "修改服务器的环境变量 QINGKA_… 后重启。"


@dataclass(frozen=True, slots=True)
class Rule:
    """A setting that may be changed. `parse` gives the value of a typed text, or raises ValueError."""

    name: str
    label: str
    hint: str
    parse: Callable[[str], Any]
    options: tuple[tuple[str, str], ...] = ()
    """What may be chosen, as text and words; empty: anything is typed."""


def _reminder_days(text: str) -> str:
    try:
        return ",".join(map(str, parse_days(text)))
    except ValueError as error:
        raise ValueError("应为以逗号分隔的天数，0 到 60，例如 5,3,1") from error


_WINDOW = re.compile(r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")


def _window(text: str) -> str:
    if text and (not _WINDOW.match(text) or text[:5] == text[6:]):
        raise ValueError("应为 HH:MM-HH:MM，例如 09:00-11:30；留空表示不限")
    return text


def _number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
            raise ValueError(f"应为 {lowest} 到 {highest} 的整数")
        return int(text)

    return parse


_LONGEST_KEPT = 36_500
"""Days; what shall be kept longer is kept for ever."""


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("只能是 true、false")
    return text.lower() == "true"


def _keep_days(text: str) -> str:
    try:
        days = backups_service.parse_keep_days(text)
    except backups_service.BackupSettingsInvalid as error:
        raise ValueError("应为 种类=天数，以分号分隔，例如 pre_clearing=1830;system=90") from error
    if max(days.values()) > _LONGEST_KEPT:
        raise ValueError(f"天数不超过 {_LONGEST_KEPT}；0 为永久保留")
    return ";".join(f"{kind.value}={number}" for kind, number in days.items())


def _schedule(text: str) -> str:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not set(parts) <= {"monthly", "quarterly"}:
        raise ValueError("只能是 monthly、quarterly，以逗号分隔；留空表示不自动检查")
    return ",".join(dict.fromkeys(parts))


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "reminder_days",
            "锁死日期前几天提醒",
            "以逗号分隔，例如 5,3,1；留空不提醒",
            _reminder_days,
        ),
        Rule(
            "peak_window",
            "业务高峰时段",
            "该时段内不清卡（可在申请时特别说明），例如 09:00-11:30；留空不限",
            _window,
        ),
        Rule(
            "min_days_between_clearings",
            "两次清卡的最少间隔（天）",
            "间隔更短时在清卡前检查中提示",
            _number(0, 365),
        ),
        Rule(
            "review_required_default",
            "新企业的清卡申请默认需要审核",
            "登记企业时的默认值；每个企业可单独修改",
            _yes_or_no,
            (("True", "需要审核"), ("False", "不需要审核")),
        ),
        Rule(
            "backup_keep_days",
            "备份保留（天，按种类）",
            "pre_clearing 清卡前、post_clearing 清卡后、on_demand 手动、system 整系统；0 为永久保留。"
            "更早的由每日维护清理",
            _keep_days,
        ),
        Rule(
            "backup_keep_newest",
            "每种备份至少保留最新（份）",
            "无论多久都保留",
            _number(1, 10_000),
        ),
        Rule(
            "backup_keep_record_years",
            "清卡记录的备份保留（年）",
            "清卡前的备份至少与其清卡记录一起保留这么久",
            _number(1, 100),
        ),
        Rule(
            "notification_keep_days",
            "通知与投递记录保留（天）",
            "更早的由每日维护清理",
            _number(1, 3650),
        ),
        Rule(
            "inspection_schedule",
            "自动检查",
            "monthly（每月 1 日）、quarterly（每季度首日），以逗号分隔；留空不自动检查",
            _schedule,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class State:
    """A rule as it is now. `fixed`: the environment gives it."""

    rule: Rule
    value: Any
    default: Any
    fixed: bool


class Rules:
    """Holds this process's Settings to the table. Made before anything changes the Settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fixed = frozenset(RULES) & settings.model_fields_set
        self._defaults = {name: getattr(settings, name) for name in RULES}

    def states(self) -> list[State]:
        """Every rule, in the order of the page."""
        return [
            State(
                rule,
                getattr(self._settings, name),
                self._defaults[name],
                name in self._fixed,
            )
            for name, rule in RULES.items()
        ]

    def refresh(self, database: Database) -> None:
        """Apply what the table says; a rule that is not there any more has its default again."""
        with database.reading() as session:
            kept = {row.name: row.value for row in session.exec(select(RuntimeSetting))}
        self._apply(kept)

    def revision_for_change(self, session: Session) -> int:
        """The same, while nobody else changes one until the transaction ends."""
        if dialect_name(session) == "postgresql":
            session.execute(sa.text("LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE"))
        return self.revision(session)

    def revision(self, session: Session) -> int:
        """A number that is another one once any value is."""
        kept = {row.name: row.value for row in session.exec(select(RuntimeSetting))}
        values = [
            [name, kept.get(name, default)]
            for name, default in self._defaults.items()
            if name not in self._fixed
        ]
        return int(hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12], 16)

    def change(
        self,
        session: Session,
        texts: Mapping[str, str],
        *,
        principal: Principal,
        clock: Clock,
    ) -> dict[str, Any]:
        """Keep new values; gives those that differ. Raises SettingFixed, Invalid with a message each.

        They are applied by the next `refresh`, after the commit.
        """
        changed = {
            name: value
            for name, value in _parsed(texts).items()
            if value != getattr(self._settings, name)
        }
        if self._fixed & set(changed):
            raise SettingFixed(f"由环境变量给出：{'、'.join(sorted(self._fixed & set(changed)))}")
        for name, value in changed.items():
            self._keep(session, name, value, principal, clock)
        return changed

    def _keep(
        self, session: Session, name: str, value: Any, principal: Principal, clock: Clock
    ) -> None:
        row = session.get(RuntimeSetting, name) or RuntimeSetting(
            name=name, value=value, updated_by="", updated_at=clock()
        )
        row.value, row.updated_by, row.updated_at = value, principal.display_name, clock()
        session.add(row)
        audit.record(
            session,
            actor=principal.actor,
            action=AuditAction.SETTING_CHANGED,
            object_type="setting",
            object_id=name,
            at=clock(),
            details={"before": str(getattr(self._settings, name)), "after": str(value)},
        )

    def _apply(self, kept: Mapping[str, Any]) -> None:
        for name, default in self._defaults.items():
            if name not in self._fixed:
                setattr(self._settings, name, kept.get(name, default))


def _parsed(texts: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, text in texts.items():
        rule = RULES.get(name)
        if rule is None:
            errors[name] = "没有这项设置"
            continue
        try:
            values[name] = rule.parse(str(text).strip())
        except ValueError as error:
            errors[name] = str(error)
    if errors:
        raise Invalid(errors=errors)
    return values


def apply_rules(settings: Settings, database: Database) -> None:
    """Bring the settings of a command up to what admins have set."""
    Rules(settings).refresh(database)
