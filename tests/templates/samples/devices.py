"""Samples of devices and agents."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from app.contracts.faults import FAULTS
from app.core.page_parts import Option, Pager, Segment
from app.core.templating import options
from app.devices.contexts import (
    AgentForm,
    AgentRow,
    AgentsPage,
    DeviceForm,
    DeviceNewPage,
    DevicePage,
    DeviceRow,
    DevicesPage,
    FoundDevice,
    MonitorRow,
)
from app.enterprises.contexts import EnterpriseChoice, EnterpriseFilter

from .frame import ENTERPRISES, LOCK, NOW, PAGER, PEOPLE, layout
from .operators import FOUND, TYPES

DEVICES = DevicesPage(
    "",
    "",
    "",
    50,
    EnterpriseFilter(options(ENTERPRISES, "")),
    (Segment("全部", "/devices", True), Segment("已连接", "?state=connected")),
    tuple(
        DeviceRow(
            f"d{index}",
            person[4],
            kind,
            state,
            clearing_state,
            person[3],
            f"o{index}",
            person[0],
            "财务室一号机",
            person[5],
            person[6],
            NOW,
            index == 1,
        )
        for index, (person, kind, state, clearing_state) in enumerate(
            zip(
                PEOPLE,
                ["tax_disk", "golden_tax_disk", "ukey", "tax_server"] * 2,
                [
                    "connected",
                    "disconnected",
                    "connected",
                    "locked",
                    "fault",
                    "connected",
                    "connected",
                    "retired",
                ],
                [
                    "not_reported",
                    "unread",
                    "reported",
                    "locked",
                    "zombie",
                    "cleared",
                    "cleared",
                    "cleared",
                ],
                strict=True,
            )
        )
    ),
    PAGER,
    True,
)


DEVICES_EMPTY = replace(DEVICES, rows=(), pager=Pager())


DEVICE_PAGE = DevicePage(
    id="d1",
    number="661814461322",
    kind="tax_disk",
    state="connected",
    clearing_state="not_reported",
    enterprise="南京德茂商贸有限公司",
    tax_no="91320118MA20LU6N3P",
    device_tax_no="91320118MA20LU6N3P",
    device_taxpayer_name="南京德茂商贸有限公司",
    operator_id="o0",
    operator_name="王晓梅",
    agent_name="财务室一号机",
    machine_no=0,
    software_version="V2.0.18",
    clock_at=datetime(2026, 12, 9, 10, 43),
    clock_drift_seconds=412,
    read_at=NOW,
    last_reported_at=NOW - timedelta(minutes=3),
    last_cleared_at=NOW - timedelta(days=25),
    lock_date=LOCK,
    days_left=6,
    fault_code="",
    fault_message="",
    fault_remedy="",
    simulated_device=True,
    monitors=tuple(
        MonitorRow(
            row.invoice_type,
            row.state,
            row.report_from,
            row.last_reported_at,
            row.lock_date,
            15,
            72,
            Decimal("5000000.00"),
            Decimal("113000.00"),
        )
        for row in TYPES
    ),
    found=FOUND,
    changed_again=True,
    can_refresh=True,
    can_set_clock=True,
    can_change=True,
)


DEVICE_HANDOVER = replace(
    DEVICE_PAGE,
    found=None,
    asked="handover",
    receiver_code="KP9999",
    errors={"operator_code": "没有这个工号的操作员"},
)


DEVICE_RETIRE = replace(
    DEVICE_PAGE,
    found=None,
    asked="retire",
    errors={"form": "004 尚未抄报清卡。请先抄报、清卡并上传全部发票，再重新读取设备后注销。"},
)


DEVICE_FAULT = replace(
    DEVICE_PAGE,
    state="disconnected",
    found=None,
    monitors=(),
    device_tax_no="",
    clock_at=None,
    clock_drift_seconds=None,
    fault_code="agent.unreachable",
    fault_message=FAULTS["agent.unreachable"].title,
    fault_remedy=FAULTS["agent.unreachable"].remedy,
)


AGENTS = AgentsPage(
    (
        AgentRow("a1", "本机", "", "online", "1.0.0", NOW, 12, True),
        AgentRow("a2", "门店二", "https://10.0.3.8:8711", "unreachable", "1.0.0", NOW, 4),
        AgentRow("a3", "门店三", "https://10.0.3.9:8711", "new", "", None, 0),
    ),
    True,
    AgentForm(),
    "qka_3kf8s0d9f2h1m5n7",
)


AGENTS_INVALID = replace(
    AGENTS,
    new_token="",
    dialog_open=True,
    form=AgentForm("门店四", "ftp://x"),
    errors={"base_url": "地址应以 http:// 或 https:// 开头"},
)


AGENTS_ENROLLING = AgentsPage(
    (AgentRow("a4", "门店四", "", "online", "1.0.0", NOW, 2, dials=True),),
    can_manage=True,
    new_code="ABCD-EFGH-JKLM",
    server_url="https://qingka.example",
)
AGENTS_EMPTY = AgentsPage(())


DEVICE_NEW = DeviceNewPage(
    DeviceForm("661814461322", "tax_disk", "KP0012", "a1"),
    (Option("a1", "本机"),),
    (FoundDevice("539904612711", "ukey", "a1", "本机", "connected", True),),
)


DEVICE_NEW_INVALID = replace(
    DEVICE_NEW, found=(), errors={"operator_code": "没有这个工号的操作员", "number": "格式不正确"}
)


PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "devices": ("devices/list.html", DEVICES, layout("/devices")),
    "devices-by-name": (
        "devices/list.html",
        replace(
            DEVICES,
            enterprises=EnterpriseFilter(
                by_name=True, text="德茂", name="南京德茂商贸有限公司", without="/devices"
            ),
        ),
        layout("/devices"),
    ),
    "devices-which": (
        "devices/list.html",
        replace(
            DEVICES,
            enterprises=EnterpriseFilter(
                by_name=True,
                text="商贸",
                unclear=True,
                choices=(
                    EnterpriseChoice("南京德茂商贸有限公司", "91320118MA20LU6N3P", "/devices"),
                )
                * 2,
            ),
            rows=(),
            pager=Pager(),
        ),
        layout("/devices"),
    ),
    "devices-empty": ("devices/list.html", DEVICES_EMPTY, layout("/devices")),
    "device": ("devices/detail.html", DEVICE_PAGE, layout("/devices")),
    "device-found-by-admin": (
        "devices/detail.html",
        replace(
            DEVICE_PAGE,
            found=replace(FOUND, changes=(), enterprise_href="/settings/enterprises/e0"),
            changed_again=False,
        ),
        layout("/devices"),
    ),
    "device-handover": ("devices/detail.html", DEVICE_HANDOVER, layout("/devices")),
    "device-retire": ("devices/detail.html", DEVICE_RETIRE, layout("/devices")),
    "device-fault": ("devices/detail.html", DEVICE_FAULT, layout("/devices")),
    "agents": ("devices/agents.html", AGENTS, layout("/devices")),
    "agents-invalid": ("devices/agents.html", AGENTS_INVALID, layout("/devices")),
    "agents-enrolling": ("devices/agents.html", AGENTS_ENROLLING, layout("/devices")),
    "agents-empty": ("devices/agents.html", AGENTS_EMPTY, layout("/devices")),
    "device-new": ("devices/new.html", DEVICE_NEW, layout("/devices")),
    "device-new-invalid": ("devices/new.html", DEVICE_NEW_INVALID, layout("/devices")),
}
