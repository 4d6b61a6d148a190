"""What surrounds every sample page, and the people and days the samples share."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from app.core.page_parts import Option, Pager

NOW = datetime(2026, 12, 9, 2, 43, tzinfo=UTC)


TODAY = date(2026, 12, 9)


LOCK = date(2026, 12, 15)


NEXT_LOCK = date(2027, 1, 18)


@dataclass(frozen=True)
class _Me:
    name: str
    display_name: str
    role_names: list[str]
    permissions: set[str]


@dataclass(frozen=True)
class Deadline:
    date: date
    days_left: int
    published: bool


@dataclass(frozen=True)
class _NavItem:
    label: str
    href: str
    current: bool = False
    count: int | None = None
    bad: bool = False


@dataclass(frozen=True)
class _NavGroup:
    title: str
    items: list[_NavItem]


def layout(current: str = "/clearing", *, signed_in: bool = True) -> dict[str, Any]:
    """What assembly gives to layout.html."""
    groups: list[tuple[str, list[tuple[str, str, int | None, bool]]]] = [
        ("", [("首页", "/", None, False)]),
        (
            "系统管理",
            [
                ("清卡管理", "/clearing", 38, False),
                ("清卡申请", "/clearing/requests", 5, True),
                ("清卡记录", "/clearing/records", None, False),
                ("税控设备", "/devices", None, False),
                ("发票", "/invoices", None, False),
            ],
        ),
        (
            "保障",
            [
                ("备份与恢复", "/backups", None, False),
                ("审计", "/audit", None, False),
                ("定期检查", "/inspections", None, False),
            ],
        ),
        (
            "其他",
            [
                ("通知", "/notifications", 2, False),
                ("系统设置", "/settings/enterprises", None, False),
                ("帮助", "/help", None, False),
                ("关于", "/about", None, False),
            ],
        ),
    ]
    nav = [
        _NavGroup(
            title, [_NavItem(label, href, href == current, n, bad) for label, href, n, bad in items]
        )
        for title, items in groups
    ]
    return {
        "me": _Me("lin", "林会计", ["管理员"], {"read", "clearing:execute"}) if signed_in else None,
        "nav": nav if signed_in else [],
        "deadline": Deadline(LOCK, 6, True) if signed_in else None,
        "simulated": False,
        "version": "1.0.0",
        "flash": None,
        "path": current,
    }


ENTERPRISES = (Option("e1", "南京德茂商贸有限公司"), Option("e2", "无锡云帆科技有限公司"))


PAGER = Pager(next_href="?cursor=abc")


FULL_PAGER = Pager("?cursor=abc", "?cursor=xyz", "?")


PEOPLE = [
    ("王晓梅", "KP0012", "due", "南京德茂商贸有限公司", "661814461322", LOCK, 6),
    ("赵伟", "KP0031", "failed", "南京德茂商贸有限公司", "661814461330", LOCK, 6),
    ("陈思远", "KP0007", "running", "无锡云帆科技有限公司", "539904612711", LOCK, 6),
    ("孙丽华", "KP0102", "locked", "苏州锦程物流有限公司", "539912237528", date(2026, 12, 6), -3),
    ("周涛", "KP0055", "due", "常州宏泰机电有限公司", "499905080012", date(2026, 12, 11), 2),
    ("何静", "KP0044", "cleared", "扬州福源食品有限公司", "537100494968", NEXT_LOCK, 40),
    ("许明杰", "KP0061", "cleared", "镇江鼎新建材有限公司", "661814461355", NEXT_LOCK, 40),
    ("吕建国", "KP0078", "due", "南通海安纺织有限公司", "539904612799", LOCK, 6),
]
