"""THE list of features. Server, worker and every command are put together from it, all from the same one.

A feature names the modules that hold its parts; they are imported where they are used, so that a command
does not load the pages. What features hang on each other's hooks is filled here and nowhere else.
"""

import sys
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from app.feature import Command, Feature, Hook, MenuItem

if TYPE_CHECKING:
    from app.core.hooks import HookPoint
    from app.core.routing import Router
    from app.jobs.scheduler import RecurringJob


_PSEUDO_TERMINALS = (
    (Command("serial", "serial_cli:serial", group="virtual", composed=False),)
    if sys.platform != "win32"
    else ()
)

FEATURES = (
    Feature(
        package="audit",
    ),
    Feature(
        package="jobs",
    ),
    Feature(
        package="accounts",
        routers=("api",),
        pages=("pages",),
        commands=(Command("account", "cli:account_app"), Command("api-key", "cli:api_key_app")),
        menu=(
            MenuItem("系统设置", 30, "账号", "/settings/accounts", "admin"),
            MenuItem("系统设置", 40, "API 密钥", "/settings/api-keys", "admin"),
            MenuItem("其他", 5, "我的账号", "/account"),
        ),
    ),
    Feature(
        package="clearing",
        hooks=(
            Hook("backups.service.retention:protections", "queries.records:backups_named_since"),
        ),
    ),
    Feature(
        package="prechecks",
        tables=(),
        routers=("api",),
    ),
    Feature(
        package="requests",
        tables=(),
        routers=("api", "papers_api", "handover_api"),
        pages=("pages.list", "pages.request", "pages.handover"),
        jobs=("reminders",),
        hooks=(
            Hook(
                "devices.service.register:handover_hooks",
                "service.handover:move_requests_of_device",
            ),
        ),
        commands=(Command("clear", "cli:clear"),),
        menu=(MenuItem("系统管理", 20, "清卡申请", "/clearing/requests"),),
    ),
    Feature(
        package="batches",
        tables=(),
        routers=("api",),
        pages=(
            "confirmation_page",  # before `pages`, whose /{batch_id} would take `new` for an id
            "pages",
        ),
    ),
    Feature(
        package="records",
        tables=(),
        routers=("api",),
        pages=("pages", "certificate_pages"),
        menu=(MenuItem("系统管理", 30, "清卡记录", "/clearing/records"),),
    ),
    Feature(
        # Before invoices, whose /invoices/{id} would take `reconciliations` for an id.
        package="reconciliation",
        routers=("api",),
        pages=("pages",),
    ),
    Feature(
        package="dashboard",
        tables=(),
        pages=(
            "pages.home",
            "pages.operators",
            "pages.operators_export",
            "pages.operator",
            "pages.operator_checks",
            "pages.operator_devices",
        ),
        menu=(
            MenuItem("", 10, "首页", "/"),
            MenuItem("系统管理", 10, "清卡管理", "/clearing"),
        ),
    ),
    Feature(
        package="enterprises",
        routers=("api",),
        pages=("pages",),
        menu=(MenuItem("系统设置", 10, "企业", "/settings/enterprises"),),
    ),
    Feature(
        package="operators",
        routers=("api",),
        pages=("pages", "access_pages"),
        commands=(
            # Of accounts, which know neither enterprises nor operators.
            Command("create", "access_cli:create_account", group="account"),
            Command("create", "access_cli:create_api_key", group="api-key"),
        ),
        menu=(MenuItem("系统设置", 20, "操作员", "/settings/operators"),),
    ),
    Feature(
        package="devices",
        routers=("api", "agents_api", "dial_api", "relay_api"),
        pages=("pages",),
        menu=(
            MenuItem("系统管理", 40, "税控设备", "/devices"),
            MenuItem("系统设置", 60, "设备代理", "/devices/agents", "devices:write"),
        ),
    ),
    Feature(
        package="invoices",
        routers=("api", "importing.api"),
        pages=("pages",),
        hooks=(Hook("devices.service.register:retirement_checks", "service:uploads_left"),),
        commands=(Command("import", "cli:app"),),
        menu=(MenuItem("系统管理", 50, "发票", "/invoices"),),
    ),
    Feature(
        package="calendar",
        routers=("api",),
        pages=("pages",),
        menu=(MenuItem("系统设置", 50, "征期日历", "/settings/calendar"),),
    ),
    Feature(
        package="backups",
        routers=("api",),
        pages=("pages",),
        commands=(Command("backup", "cli:app"),),
        menu=(MenuItem("保障", 10, "备份与恢复", "/backups"),),
    ),
    Feature(
        package="notifications",
        routers=("api", "webhooks_api"),
        pages=("pages",),
        jobs=("jobs",),
        hooks=(
            Hook(
                "devices.service.watchers:state_watchers", "service.disconnected:tell_disconnected"
            ),
        ),
        menu=(
            MenuItem("系统设置", 70, "通知渠道", "/settings/channels", "admin"),
            MenuItem("系统设置", 80, "Webhook", "/settings/webhooks", "admin"),
            MenuItem("其他", 10, "通知", "/notifications"),
        ),
    ),
    Feature(
        package="inspections",
        routers=("api",),
        pages=("pages",),
        jobs=("jobs",),
        menu=(MenuItem("保障", 30, "定期检查", "/inspections"),),
    ),
    Feature(package="proof", tables=(), jobs=("checkpoints",)),
    Feature(
        package="system",
        routers=("audit_api", "care:api_router", "rules_pages:api_router", "api"),
        pages=(
            "probes",
            "api_docs",
            "audit_pages",
            "audit_restore_pages",
            "care",
            "rules_pages",
            "metrics",
            "pages",
        ),
        jobs=("maintenance", "updates"),
        hooks=(Hook("backups.cli:rules", "rules:apply_rules"),),
        commands=(
            Command("audit", "audit_cli:app"),
            Command("doctor", "doctor:doctor"),
            Command("secret", "secret_cli:app"),
        ),
        menu=(
            MenuItem("保障", 20, "审计", "/audit", "audit:read"),
            MenuItem("系统设置", 90, "规则", "/settings/rules", "admin"),
            MenuItem("其他", 20, "帮助", "/help"),
            MenuItem("其他", 30, "关于", "/about"),
        ),
    ),
    Feature(
        package="agent",
        tables=(),
        commands=(Command("agent", "cli:agent", composed=False),),
    ),
    Feature(
        package="simulator",
        tables=(),
        commands=(Command("virtual", "cli:app", composed=False), *_PSEUDO_TERMINALS),
    ),
)

HOOK_POINTS = (
    "devices.service.register:retirement_checks",
    "devices.service.register:handover_hooks",
    "devices.service.watchers:state_watchers",
    "backups.service.retention:protections",
    "backups.cli:rules",
)
"""Every hook point there is; one that no feature hangs on is filled with nothing, on purpose."""


def compose() -> None:
    """Make this process the whole product: every table known, every hook in its place.

    Every program calls it before it does anything else; calling it again changes nothing.
    """
    import_tables()
    hung: dict[str, list[Any]] = {point: [] for point in HOOK_POINTS}
    for feature in FEATURES:
        for hook in feature.hooks:
            hung[hook.point].append(feature.part(hook.function, ""))
    for point, functions in hung.items():
        hook_point(point).fill(functions)


def hook_point(place: str) -> "HookPoint[Any]":
    """Return the point of this place, `module:name`."""
    module, name = place.split(":")
    point: HookPoint[Any] = getattr(import_module(f"app.{module}"), name)
    return point


def import_tables() -> None:
    """Import every table, so that Alembic, backups and relations see all of them."""
    for feature in FEATURES:
        for module in feature.tables:
            import_module(f"app.{feature.package}.{module}")


def jobs() -> "Iterable[RecurringJob]":
    """Return the recurring work of all features."""
    for feature in FEATURES:
        for module in feature.jobs:
            yield from feature.part(module, "JOBS")


def api_router() -> "Router":
    """Return all REST routes, under /api/v1."""
    from app.core.routing import Router

    router = Router(prefix="/api/v1")
    for feature in FEATURES:
        for place in feature.routers:
            router.include_router(feature.part(place, "router"))
    return router


def page_router() -> "Router":
    """Return the routes of all HTML pages."""
    from app.core.routing import Router

    router = Router(include_in_schema=False)
    for feature in FEATURES:
        for place in feature.pages:
            router.include_router(feature.part(place, "router"))
    return router


@cache
def menu() -> list[tuple[str, list[MenuItem]]]:
    """Return the groups of the menu with their items, as people see them."""
    order = ("", "系统管理", "保障", "系统设置", "其他")
    items = sorted(
        (item for feature in FEATURES for item in feature.menu), key=lambda one: one.place
    )
    return [(group, [item for item in items if item.group == group]) for group in order]
