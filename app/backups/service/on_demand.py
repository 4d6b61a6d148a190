"""立即备份: what the ledger holds of an operator's devices and a period, or of an enterprise."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlmodel import col, select

from app.accounts.principal import Principal
from app.backups.content import Beside, Content, Table, nothing_beside
from app.backups.ledger import device_rows, invoice_table
from app.backups.models import Backup, BackupKind
from app.backups.service.create import create
from app.backups.storage import Where
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.db import Database, Session
from app.core.ids import new_id
from app.devices import queries as devices_queries
from app.devices.models import Device
from app.enterprises import queries as enterprises_queries
from app.errors import Invalid
from app.operators import queries as operators_queries


def back_up_operator(
    database: Database,
    where: Where,
    *,
    operator_id: UUID,
    period: Period,
    principal: Principal,
    clock: Clock,
    beside: Beside = nothing_beside,
) -> Backup:
    """The invoices of the period and the drafts of the operator's devices in use.

    Raises NotFound for an operator this principal may not see, Invalid for one without devices, BackupFailed.
    """
    with database.reading() as session:
        operator = operators_queries.visible(session, operator_id, principal)
        content = Content(
            kind=BackupKind.ON_DEMAND,
            name=_name(clock),
            tables=_tables(devices_queries.in_use_of_operator(session, operator.id), period),
            documents={"subject.json": {"operator": operator.code, "period": period}},
            enterprise_id=operator.enterprise_id,
            operator_id=operator.id,
            operator_name=operator.name,
            period=period,
            beside=beside,
        )
    return create(database, where, content, actor=principal.actor, clock=clock)


def back_up_enterprise(
    database: Database,
    where: Where,
    *,
    enterprise_id: UUID,
    period: Period | None,
    principal: Principal,
    clock: Clock,
    beside: Beside = nothing_beside,
) -> Backup:
    """The invoices (of one period, or all) and the drafts of all devices of the enterprise.

    Raises NotFound, Invalid for an enterprise without devices, BackupFailed.
    """
    with database.reading() as session:
        enterprise = enterprises_queries.get_enterprise(session, enterprise_id, principal=principal)
        content = Content(
            kind=BackupKind.ON_DEMAND,
            name=_name(clock),
            tables=_tables(_devices_of(session, enterprise.id), period),
            documents={"subject.json": {"enterprise": enterprise.tax_no, "period": period}},
            enterprise_id=enterprise.id,
            period=period,
            beside=beside,
        )
    return create(database, where, content, actor=principal.actor, clock=clock)


def _devices_of(session: Session, enterprise_id: UUID) -> list[Device]:
    """Retired ones as well: their invoices are still in the ledger."""
    statement = (
        select(Device)
        .where(Device.enterprise_id == enterprise_id)
        .order_by(col(Device.number), col(Device.id))
    )
    return list(session.exec(statement))


def _tables(devices: Sequence[Device], period: Period | None) -> tuple[Table, ...]:
    if not devices:
        raise Invalid("没有可备份的税控设备")
    return tuple(
        invoice_table(name, partial(device_rows, device_id=device.id, period=period))
        for name, device in _named(devices)
    )


def _named(devices: Sequence[Device]) -> list[tuple[str, Device]]:
    """A number that was registered twice (retired, then again) gets the id along."""
    numbers = [device.number for device in devices]
    return [
        (number if numbers.count(number) == 1 else f"{number}-{device.id.hex[-8:]}", device)
        for number, device in zip(numbers, devices, strict=True)
    ]


def _name(clock: Clock) -> str:
    return f"{clock():%Y%m%d-%H%M%S}-{new_id().hex[-8:]}-on-demand"
