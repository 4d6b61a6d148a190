"""REST API: what a clearing would do to data, and what not, before anybody confirms it."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from app.accounts.deps import Reader
from app.clearing.schemas import TypeDatePublic
from app.clearing.states import Kind, Mode, Scope
from app.contracts.devices import DeviceKind, InvoiceType
from app.contracts.periods import Period
from app.core.money import Money
from app.core.routing import Router
from app.core.web import ClockDep, DatabaseDep
from app.devices.schemas import ChangePublic
from app.invoices.schemas import FiguresPublic
from app.operators import queries as operators_queries
from app.prechecks import preview, subject
from app.prechecks.choice_schemas import ChoiceQuery
from app.prechecks.effects import DeviceEffects, Effects, Kept, RegisterEffect, TypeEffect
from app.prechecks.readings import Readings

router = Router(tags=["清卡"])


class PreviewQuery(ChoiceQuery):
    """What is to be cleared, and whether by what the devices show now."""

    read: bool = Field(default=False, description="ask the devices first; takes seconds")


class TypeEffectPublic(BaseModel):
    """A type that becomes cleared, and its invoices that become 已清卡."""

    invoice_type: InvoiceType
    along: bool = Field(description="not chosen, but clears together with a chosen one")
    already: bool = Field(description="the device shows it as cleared: nothing is written again")
    invoices: int = Field(description="of the ledger, void ones too")
    amount: Money = Field(description="net, without void ones")
    tax: Money
    ledger: FiguresPublic

    @classmethod
    def of(cls, effect: TypeEffect) -> Self:
        """As the API shows it."""
        invoices = effect.invoices
        return cls(
            invoice_type=effect.invoice_type,
            along=effect.along,
            already=effect.already,
            invoices=invoices.count,
            amount=invoices.net.amount,
            tax=invoices.net.tax,
            ledger=FiguresPublic.of(invoices),
        )


class DeviceEffectsPublic(BaseModel):
    """What happens to one device and its part of the ledger."""

    device_id: UUID
    number: str
    kind: DeviceKind
    read_at: datetime | None = Field(description="when the device was read last; null: never")
    report: list[InvoiceType] = Field(description="types that are reported (抄报) first")
    not_reported: list[InvoiceType] = Field(description="types that stop a 税务清卡")
    clear: list[TypeEffectPublic]
    untouched: list[InvoiceType]
    executes: bool = Field(
        description="whether anything is written into the device; if not, it is cleared already"
    )
    left: list[TypeDatePublic] = Field(description="types of the period that stay open")
    drafts: int = Field(description="drafts that are removed, with a backup")
    not_first: bool = Field(description="a record of success exists, which stops a 首次清卡")
    changes: list[ChangePublic] | None = Field(
        description="what it shows differently than the register; null: not read just now"
    )
    unreadable: str = Field(description="why it could not be read just now")

    @classmethod
    def of(cls, device: DeviceEffects) -> Self:
        """As the API shows it."""
        return cls(
            device_id=device.device_id,
            number=device.number,
            kind=device.kind,
            read_at=device.read_at,
            report=list(device.report),
            not_reported=list(device.not_reported),
            clear=[TypeEffectPublic.of(one) for one in device.clear],
            untouched=list(device.untouched),
            executes=device.executes,
            left=[TypeDatePublic.model_validate(one) for one in device.left],
            drafts=device.drafts,
            not_first=device.not_first,
            changes=None
            if device.changes is None
            else [ChangePublic.model_validate(change) for change in device.changes],
            unreadable=device.unreadable,
        )


class EffectsPublic(BaseModel):
    """GET /operators/{id}/clearing-preview."""

    mode: Mode
    kind: Kind
    scope: Scope
    invoice_types: list[InvoiceType]
    period: Period
    register_effect: RegisterEffect
    devices: list[DeviceEffectsPublic]
    left_out: list[str] = Field(description="numbers of the operator's devices that stay as is")
    settings: list[str] = Field(description="names of the personal settings that are reset")
    invoices: int = Field(description="that become 已清卡, by the ledger as it is")
    amount: Money = Field(description="net, without void ones")
    tax: Money
    ledger: FiguresPublic
    drafts: int
    keeps: list[Kept]

    @classmethod
    def of(cls, effects: Effects) -> Self:
        """As the API shows it."""
        choice, invoices = effects.choice, effects.invoices
        return cls(
            mode=choice.mode,
            kind=choice.kind,
            scope=choice.scope,
            invoice_types=list(choice.invoice_types),
            period=choice.period,
            register_effect=effects.register,
            devices=[DeviceEffectsPublic.of(device) for device in effects.devices],
            left_out=list(effects.left_out),
            settings=list(effects.settings),
            invoices=invoices.count,
            amount=invoices.net.amount,
            tax=invoices.net.tax,
            ledger=FiguresPublic.of(invoices),
            drafts=effects.drafts,
            keeps=list(effects.keeps),
        )


@router.get("/operators/{operator_id}/clearing-preview")
async def clearing_preview(
    operator_id: UUID,
    request: Request,
    database: DatabaseDep,
    principal: Reader,
    clock: ClockDep,
    query: Annotated[PreviewQuery, Query()],
) -> EffectsPublic:
    """What a clearing with these parameters would do, by the registers as last read; changes nothing.

    With `read` the devices are asked first, which tells what they show differently than the register.
    """
    readings: Readings = {}
    if query.read:
        readings = await preview.read_now(
            database, request.app.state.agents, operator_id, principal=principal, at=clock()
        )

    def work() -> EffectsPublic:
        with database.reading() as session:
            operator = operators_queries.visible(session, operator_id, principal)
            due = query.period or subject.default_period(operator.lock_date, clock())
            return EffectsPublic.of(
                preview.of_operator(
                    session,
                    operator_id,
                    query.choice(due),
                    principal=principal,
                    device_ids=query.device_ids,
                    readings=readings,
                )
            )

    return await run_in_threadpool(work)
