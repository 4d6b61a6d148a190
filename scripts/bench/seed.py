"""Registers of any size, by bulk inserts that keep the product's own invariants.

Every operator has one device; the operator's row says what the device's says (number, lock date, count), the
device's lock date is its monitor's, machine numbers are unique in an enterprise, and the search index is
built by the product's own function.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel

from app.contracts.tax_numbers import check_character
from app.core.clock import local_date, utc_now
from app.core.db import Database
from app.core.ids import new_id
from app.devices.models import Device, DeviceMonitor
from app.enterprises.models import Enterprise
from app.invoices.models import Invoice
from app.operators import search_index
from app.operators.models import Operator

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰"
OPERATORS_OF_ENTERPRISE = 20
BATCH = 5000


def device_number(index: int) -> str:
    """Twelve digits, unique, spread over the whole range."""
    return f"{(661_000_000_000 + index * 7919) % 10**12:012d}"


def seed_operators(database: Database, count: int, *, seed: int = 7) -> None:
    """Fill an empty database with so many operators."""
    chance = Random(seed)  # noqa: S311 - a made-up register, not a secret
    now, today = utc_now(), local_date(utc_now())
    rows = _registers(count, chance, now, today)
    with database.transaction() as session:
        while part := list(islice(rows, BATCH)):
            for table in (Enterprise, Operator, Device, DeviceMonitor):
                found = [values for model, values in part if model is table]
                if found:
                    session.execute(sa.insert(table), found)
        if search_index.rebuild(session) != count:
            raise RuntimeError("not every operator is in the search index")
        session.execute(sa.text("ANALYZE"))


_Row = tuple[type[SQLModel], dict[str, Any]]


def _registers(count: int, chance: Random, now: datetime, today: date) -> Iterator[_Row]:
    enterprise_id = new_id()
    for index in range(count):
        place = index % OPERATORS_OF_ENTERPRISE
        if place == 0:
            enterprise_id = new_id()
            yield Enterprise, _enterprise(enterprise_id, index // OPERATORS_OF_ENTERPRISE, now)
        operator_id, device_id = new_id(), new_id()
        lock_date = today + timedelta(days=chance.randint(-3, 45))
        name = chance.choice(SURNAMES) + chance.choice(GIVEN) + chance.choice(GIVEN)
        yield Operator, _operator(operator_id, enterprise_id, index, name, lock_date, now)
        yield Device, _device(device_id, operator_id, enterprise_id, index, lock_date, now)
        yield DeviceMonitor, _monitor(device_id, lock_date, now)


def _enterprise(enterprise_id: UUID, place: int, now: datetime) -> dict[str, Any]:
    seventeen = f"91310115{place:09d}"
    return {
        "id": enterprise_id,
        "tax_no": seventeen + check_character(seventeen),
        "name": f"上海第{place}商贸有限公司",
        "filing_cycle": "monthly",
        "revision": 1,
        "created_at": now,
        "updated_at": now,
    }


def _operator(
    operator_id: UUID, enterprise_id: UUID, index: int, name: str, lock_date: date, now: datetime
) -> dict[str, Any]:
    return {
        "id": operator_id,
        "active": True,
        "code": f"KP{index:07d}",
        "name": name,
        "enterprise_id": enterprise_id,
        "department": "财务部" if index % 2 else "业务部",
        "lock_date": lock_date,
        "urgency": lock_date,
        "device_count": 1,
        "device_numbers": device_number(index),
        "attention": "none",
        "revision": 1,
        "created_at": now,
        "updated_at": now,
    }


def _device(
    device_id: UUID,
    operator_id: UUID,
    enterprise_id: UUID,
    index: int,
    lock_date: date,
    now: datetime,
) -> dict[str, Any]:
    return {
        "id": device_id,
        "number": device_number(index),
        "kind": "tax_disk",
        "enterprise_id": enterprise_id,
        "operator_id": operator_id,
        "machine_no": index % OPERATORS_OF_ENTERPRISE,
        "state": "disconnected",
        "lock_date": lock_date,
        "revision": 1,
        "created_at": now,
        "updated_at": now,
    }


def _monitor(device_id: UUID, lock_date: date, now: datetime) -> dict[str, Any]:
    first = lock_date.replace(day=1) - timedelta(days=1)
    return {
        "device_id": device_id,
        "invoice_type": "007",
        "report_from": datetime(first.year, first.month, 1),
        "lock_date": lock_date,
    }


def count_invoices(database: Database) -> int:
    """How many invoices the ledger holds."""
    with database.reading() as session:
        return int(session.execute(sa.select(sa.func.count()).select_from(Invoice)).scalar_one())


def drop_invoices(database: Database) -> None:
    """Lose the whole ledger, for a restore to bring back."""
    with database.transaction() as session:
        session.execute(sa.delete(Invoice))
