"""Samples of help, system information and errors."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from app.contracts.faults import FAULTS, device_codes
from app.error_handlers import ErrorPage
from app.system.api_docs import ApiDocsPage, Field, Group, Operation
from app.system.contexts import (
    AboutPage,
    AgentInfo,
    DeviceCodeEntry,
    HealthItem,
    HelpEntry,
    HelpPage,
    LockedGuidePage,
    UpdateNotice,
)

from .frame import NOW, layout

HELP = HelpPage(
    "",
    tuple(
        HelpEntry(kind.code, kind.title, kind.remedy, kind.retryable) for kind in FAULTS.values()
    ),
    tuple(
        DeviceCodeEntry(code.family, code.code, code.text, code.remedy)
        for code in device_codes().values()
    ),
)


LOCKED_GUIDE = LockedGuidePage("o4")


HELP_FILTERED = replace(HELP, q="bureau.not_filed")


ABOUT = AboutPage(
    "1.0.0",
    "0005",
    "SQLite 3.45",
    "3.11.9",
    NOW - timedelta(days=3, hours=4),
    273_600,
    126,
    143,
    "data",
    (
        HealthItem("ok", "数据库正常"),
        HealthItem("ok", "备份目录可写，剩 182 GB"),
        HealthItem("warning", "1 个设备代理无法访问：门店二", "检查该电脑是否开机"),
    ),
    (AgentInfo("本机", "online", "1.0.0", NOW), AgentInfo("门店二", "unreachable", "", None)),
    UpdateNotice(
        "有新版本 1.1.0（当前 1.0.0）", "https://example.com/1.1.0", "修复 <若干> 问题\n新增导出"
    ),
)


NOT_FOUND = ErrorPage(
    404,
    "not_found",
    "没有找到",
    "没有找到",
    "它可能已被删除，或您没有查看的权限。请返回列表重新查找。",
    {},
)


INVALID = ErrorPage(
    422,
    "invalid",
    "输入有误",
    "有 1 项输入不正确",
    "请按提示修改后重新提交。",
    {"period": "属期应为 YYYY-MM"},
)


BROKEN = ErrorPage(
    500,
    "internal",
    "系统内部错误",
    "系统内部错误",
    "请稍后重试；仍然出现时收集诊断信息并联系技术支持。",
    {},
)


API_DOCS = ApiDocsPage(
    "Qingka 清卡管理",
    "0.1.0",
    (
        Group(
            "清卡",
            (
                Operation(
                    "post-api-v1-clearing-requests",
                    "POST",
                    "/api/v1/clearing-requests",
                    "Submit a clearing request.",
                    (
                        Field("operator_id", "body", "string (uuid)", True, "operator"),
                        Field("reason", "body", "string", True, ""),
                    ),
                    (("201", "Successful Response"), ("422", "Validation Error")),
                ),
                Operation("get-x", "GET", "/api/v1/clearing-requests", "List.", (), (("200", ""),)),
            ),
        ),
    ),
)

PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "api-docs": ("system/api_docs.html", API_DOCS, layout("/docs")),
    "help": ("help.html", HELP, layout("/help")),
    "help-locked": ("help_locked.html", LOCKED_GUIDE, layout("/help/locked")),
    "help-filtered": ("help.html", HELP_FILTERED, layout("/help")),
    "about": ("about.html", ABOUT, layout("/about")),
    "error-404": ("error.html", NOT_FOUND, layout("")),
    "error-422": (
        "error.html",
        INVALID,
        layout("") | {"flash": {"kind": "bad", "text": "没有保存"}},
    ),
    "error-signed-out": ("error.html", BROKEN, layout("", signed_in=False)),
}
