"""The demo: simulated devices and bureau in a process of their own, and a small world to clear.

Everything speaks the real protocols; only the hardware is simulated. The world lives in the demo's own
data directory, so that a demo never mixes with real data.
"""

import os
import secrets
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from app.accounts import queries as accounts_queries
from app.accounts import service as accounts_service
from app.accounts.principal import SYSTEM, Role
from app.accounts.service import AccountDraft
from app.agent.config import FACTORY_PASSWORD
from app.contracts.periods import Period, due_period
from app.core.clock import Clock, local_date
from app.core.db import Database, Session
from app.core.logging import get_logger
from app.devices import queries as devices_queries
from app.devices import service as devices_service
from app.devices.agent_client import AgentFault
from app.devices.models import MOUNTED
from app.devices.schemas import DeviceCreate
from app.enterprises import service as enterprises_service
from app.enterprises.schemas import EnterpriseCreate
from app.invoices import service as invoices_service
from app.operators import service as operators_service
from app.operators.schemas import OperatorCreate
from app.settings import Settings

log = get_logger(__name__)

DEVICES = 24
SECONDS = 4
"""How long a simulated device takes to clear: long enough to watch the stages."""

CONFIG_NAME = "demo-agent.toml"

PEOPLE = (
    ("王晓梅", "财务部"),
    ("赵伟", "财务部"),
    ("陈思远", "开票室"),
    ("孙丽华", "物流结算"),
    ("周涛", "门店"),
    ("何静", "财务部"),
    ("许明杰", "销售部"),
    ("吕建国", "开票室"),
    ("单雨桐", "财务部"),
    ("曾志强", "门店"),
    ("林婉秋", "财务部"),
    ("钱文博", "销售部"),
    ("郑海燕", "开票室"),
    ("冯国栋", "财务部"),
    ("褚欣怡", "门店"),
    ("卫东", "财务部"),
    ("蒋雪梅", "开票室"),
    ("沈浩然", "财务部"),
    ("韩露", "销售部"),
    ("杨光", "财务部"),
    ("朱颖", "门店"),
    ("秦川", "开票室"),
    ("尤佳", "财务部"),
    ("吕思睿", "财务部"),
)

ACCOUNTS = (
    ("admin", "林会计", Role.ADMIN),
    ("reviewer", "顾主管", Role.REVIEWER),
    ("operator", "王晓梅", Role.OPERATOR),
    ("auditor", "方审计", Role.AUDITOR),
)


@dataclass(frozen=True, slots=True)
class VirtualProcess:
    """The simulator running beside the server."""

    process: subprocess.Popen[str]
    address: str

    def stop(self) -> None:
        """End it; its state is on disk."""
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_virtual(data_dir: Path, devices: int = DEVICES) -> VirtualProcess:
    """Start the simulator on a free port. It ends by itself when this process does, however that dies."""
    command = [
        *(sys.executable, "-m", "app.simulator", "serve", "--port", "0"),
        *("--devices", str(devices), "--data-dir", str(data_dir), "--until-stdin-closes"),
        *("--seconds", str(SECONDS)),
    ]
    process = subprocess.Popen(  # noqa: S603  (our own program, no shell)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None  # noqa: S101  (asked for above)
    for line in process.stdout:
        if " ready on " in line:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return VirtualProcess(process, line.split(" ready on ", 1)[1].strip())
    raise RuntimeError(f"the simulator ended with {process.wait()} before it was ready")


def devices_of(address: str) -> list[dict[str, Any]]:
    """The simulated devices, as the control address tells."""
    found: list[dict[str, Any]] = httpx.get(f"{address}/control/devices", trust_env=False).json()
    return found


def write_config(path: Path, address: str) -> None:
    """The agent's configuration for every device of the simulator."""
    lines = ["simulated = true", ""]
    for device in devices_of(address):
        lines += [
            "[[device]]",
            'driver = "tax_server"',
            f'url = "{address}"',
            f'bureau_url = "{address}/bureau"',
            f'number = "{device["number"]}"',
            f'password = "{device.get("password") or FACTORY_PASSWORD}"',
            f'kind = "{device["kind"]}"',
            "",
        ]
    path.write_text("\n".join(lines), encoding="utf-8")


def seed_accounts(
    database: Database, settings: Settings, clock: Clock
) -> list[tuple[str, str, str]]:
    """One account per role with a random password, at the first start: (name, role, password)."""
    with database.transaction() as session:
        if accounts_queries.any_account(session):
            return []
        made = []
        for name, display_name, role in ACCOUNTS:
            password = secrets.token_urlsafe(9)
            draft = AccountDraft(
                name,
                frozenset({role}),
                display_name=display_name,
                password=password,
                must_change_password=False,
            )
            accounts_service.create_account(
                session, draft, by=SYSTEM, settings=settings, clock=clock
            )
            made.append((name, role.value, password))
        return made


def seed_world(app: FastAPI, address: str) -> None:
    """Register what the simulator has, once, and read every device."""
    database: Database = app.state.database
    with database.transaction() as session:
        agent = devices_queries.agent_by_url(session, MOUNTED)
        known = devices_queries.in_use_of_agent(session, agent.id) if agent else []
        if agent is None or known:
            return
        _register(session, agent.id, devices_of(address), app.state.clock)
    _read_all(app)


def _register(session: Session, agent_id: Any, found: list[dict[str, Any]], clock: Clock) -> None:
    enterprises: dict[str, Any] = {}
    for index, device in enumerate(found):
        tax_no = device["tax_no"]
        if tax_no not in enterprises:
            enterprises[tax_no] = _enterprise(session, device, clock)
        name, department = PEOPLE[index % len(PEOPLE)]
        operator = operators_service.create_operator(
            session,
            data=OperatorCreate(
                code=f"KP{index + 1:04d}",
                name=name,
                department=department,
                enterprise_id=enterprises[tax_no],
            ),
            principal=SYSTEM,
            at=clock(),
        )
        devices_service.register_device(
            session,
            data=DeviceCreate(
                number=device["number"],
                kind=device["kind"],
                operator_id=operator.id,
                agent_id=agent_id,
                machine_no=device["machine_no"],
            ),
            principal=SYSTEM,
            at=clock(),
        )


def _enterprise(session: Session, device: dict[str, Any], clock: Clock) -> Any:
    data = EnterpriseCreate(
        tax_no=device["tax_no"],
        name=device["taxpayer_name"],
        tax_authority_code=device.get("authority_code", ""),
        tax_authority_name=device.get("authority_name", ""),
        contact_name="林会计",
        contact_phone="025-86330000",
    )
    made = enterprises_service.create_enterprise(session, data=data, principal=SYSTEM, at=clock())
    return made.id


def _read_all(app: FastAPI) -> None:
    """The list has to show states at the first look; a device that can't be read shows why."""
    state = app.state
    with state.database.reading() as session:
        agent = devices_queries.agent_by_url(session, MOUNTED)
        devices = devices_queries.in_use_of_agent(session, agent.id) if agent else []
    for device in devices:
        try:
            _read(state.database, device.id, state.settings, state.clock)
        except AgentFault as error:
            log.warning("demo device not read", number=device.number, reason=error.detail)


def _read(database: Database, device_id: UUID, settings: Settings, clock: Clock) -> None:
    """Read the device, and take its invoices of the period that is due into the ledger."""
    devices_service.refresh_device(
        database, device_id, principal=SYSTEM, settings=settings, clock=clock
    )
    with database.reading() as session:
        device = devices_queries.visible(session, device_id, SYSTEM)
        client = devices_service.client_for(session, device, settings)
    if device.lock_date is None:
        return
    period = min(due_period(device.lock_date), Period.of(local_date(clock())).plus(-1))
    invoices = client.invoices(device.number, period)
    with database.transaction() as session:
        device = devices_queries.device_for_change(session, device_id, principal=SYSTEM)
        invoices_service.import_from_device(
            session, device=device, invoices=invoices, period=period, at=clock()
        )
