"""Builds what the operator's page shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from app.accounts import kept_forms
from app.accounts.principal import Permission, Principal
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.queries import RecordFilter
from app.clearing.states import Kind, Mode, RequestState, Scope
from app.contracts.devices import InvoiceType
from app.contracts.periods import Period
from app.core.clock import SHANGHAI, Clock, local_date
from app.core.db import Session
from app.core.ids import new_token
from app.core.pagination import PageRequest
from app.dashboard.home_contexts import Event
from app.dashboard.operator_contexts import ClearingForm, DeviceCard, OperatorPage, TypeRow
from app.devices import queries as devices_queries
from app.devices.models import Device, DeviceMonitor
from app.devices.states import clock_now, type_state
from app.enterprises.models import Enterprise
from app.invoices import total_queries
from app.invoices.total_queries import TypeTotals
from app.operators import queries as operators_queries
from app.operators.states import state_of
from app.prechecks import Check, acceptance, preview, subject
from app.prechecks.choice import Choice
from app.prechecks.page_data import check_items
from app.prechecks.readings import Readings
from app.records.contexts import RequestRef
from app.records.pages import record_row
from app.requests.contexts import StartView
from app.requests.service import start
from app.settings import Settings

Word = TypeVar("Word", bound=StrEnum)
Moment = TypeVar("Moment", date, datetime)

_RECORDS = 6
_EVENTS = 12


def build(
    session: Session,
    operator_id: UUID,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    *,
    form: ClearingForm | None = None,
    checks: Sequence[Check] = (),
    readings: Readings | None = None,
) -> OperatorPage:
    """The page as it stands, with what was just read from the devices; nothing is read here."""
    now = clock()
    operator = operators_queries.visible(session, operator_id, principal)
    enterprise = session.get_one(Enterprise, operator.enterprise_id)
    period = subject.default_period(operator.lock_date, now)
    devices = devices_queries.in_use_of_operator(session, operator.id)
    ids = [device.id for device in devices]
    monitors = devices_queries.monitors_of(session, ids)
    totals = total_queries.totals_of(session, ids, period)
    held = queries.open_request_of(session, operator.id)
    records, _ = queries.page_of_records(
        session, principal, PageRequest(_RECORDS), RecordFilter(operator_id=operator.id)
    )
    form = form or new_form(period, clock, enterprise)
    decided, regular = (
        start.decide(
            one,
            review_required=enterprise.review_required,
            principal=principal,
            settings=settings,
            now=now,
        )
        for one in (wish_of(form), replace(wish_of(form), exceptional=False))
    )
    types = sorted({monitor.invoice_type.value for found in monitors.values() for monitor in found})
    return OperatorPage(
        id=str(operator.id),
        code=operator.code,
        name=operator.name,
        state=state_of(operator.attention, operator.lock_date, local_date(now)),
        department=operator.department,
        phone=operator.phone,
        enterprise=enterprise.name,
        tax_no=enterprise.tax_no,
        filing_cycle=enterprise.filing_cycle,
        period=period,
        lock_date=operator.lock_date,
        days_left=_days_left(operator.lock_date, now),
        last_cleared_at=operator.last_cleared_at,
        devices=tuple(_card(one, monitors[one.id], totals[one.id], now) for one in devices),
        checks=check_items(session, checks, principal),
        blockers=check_items(
            session, acceptance.binding(checks, put_off=decided.moment.is_later), principal
        ),
        check_now=bool(devices) and not checks and not _blocked(devices, held),
        events=tuple(
            Event(event.at, event.text, f"/clearing/requests/{event.request_id}")
            for event in queries.newest_events_of(session, operator.id, limit=_EVENTS)
        ),
        records=tuple(record_row(record) for record in records),
        open_request=RequestRef(str(held.id), held.number, held.state) if held else None,
        effects=preview.of_operator(
            session, operator.id, choice_of(form, period), principal=principal, readings=readings
        ),
        form=form,
        form_mark=kept_forms.mark(principal, f"/clearing/operators/{operator.id}", settings),
        start=StartView(decided.text, decided.proof, regular.proof, regular.by_right),
        type_options=tuple(types),
        can_request=principal.can(Permission.CLEARING_REQUEST),
        can_refresh=principal.can(Permission.CLEARING_REQUEST)
        or principal.can(Permission.DEVICES_WRITE),
        blocked_reason=_blocked(devices, held),
    )


def new_form(period: Period, clock: Clock, enterprise: Enterprise) -> ClearingForm:
    """A form with what most people mean."""
    return ClearingForm(
        mode=Mode.REGULAR,
        kind=Kind.DEVICE,
        scope=Scope.FULL,
        invoice_types=(),
        period=period,
        clearing_date=local_date(clock()).isoformat(),
        reason=f"{period} 属期清卡",
        contact_name=enterprise.contact_name,
        contact_phone=enterprise.contact_phone,
        key=new_token(128),
    )


def choice_of(form: ClearingForm, period: Period) -> Choice:
    """What the form chooses; where it says nothing that could be meant, what most people mean."""
    scope = _meant(Scope, form.scope, Scope.FULL)
    known = {kind.value: kind for kind in InvoiceType}
    types = [known[code] for code in dict.fromkeys(form.invoice_types) if code in known]
    return Choice(
        mode=_meant(Mode, form.mode, Mode.REGULAR),
        kind=_meant(Kind, form.kind, Kind.DEVICE),
        scope=scope,
        invoice_types=tuple(types) if scope is Scope.PARTIAL else (),
        period=_period(form.period, period),
    )


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form says of when and how, as far as it can be read."""

    clearing_date: date | None
    scheduled_for: datetime | None
    override_window: bool
    exceptional: bool


def wish_of(form: ClearingForm) -> Wish:
    """When the form asks for it, as far as it can be read."""
    return Wish(
        _read(date.fromisoformat, form.clearing_date),
        _read(_local, form.scheduled_for),
        form.override_window,
        form.exceptional,
    )


def _read(read: Callable[[str], Moment], text: str) -> Moment | None:
    """What was typed; nothing where it can't be read, which submitting will say."""
    try:
        return read(text) if text else None
    except ValueError:
        return None


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def _meant(words: type[Word], text: str, usual: Word) -> Word:
    return next((word for word in words if word.value == text), usual)


def _period(text: str, usual: Period) -> Period:
    try:
        return Period(text)
    except ValueError:
        return usual


def _card(
    device: Device,
    monitors: Sequence[DeviceMonitor],
    totals: Sequence[TypeTotals],
    now: datetime,
) -> DeviceCard:
    by_type = {total.invoice_type: total for total in totals}
    return DeviceCard(
        id=str(device.id),
        number=device.number,
        kind=device.kind,
        state=device.state,
        machine_no=device.machine_no,
        lock_date=device.lock_date,
        days_left=_days_left(device.lock_date, now),
        last_cleared_at=device.last_cleared_at,
        clock_drift_seconds=device.clock_drift_seconds,
        read_at=device.read_at,
        fault_message=device.fault_message,
        types=tuple(_type_row(device, monitor, by_type, now) for monitor in monitors),
    )


def _type_row(
    device: Device,
    monitor: DeviceMonitor,
    totals: dict[InvoiceType, TypeTotals],
    now: datetime,
) -> TypeRow:
    total = totals.get(monitor.invoice_type)
    shown = clock_now(now, device.clock_drift_seconds)
    return TypeRow(
        invoice_type=monitor.invoice_type,
        state=type_state(monitor.last_reported_at, monitor.lock_date, shown),
        report_from=monitor.report_from.date(),
        last_reported_at=monitor.last_reported_at,
        lock_date=monitor.lock_date,
        invoices=total.count if total else 0,
        amount=total.amount if total else None,
    )


def _days_left(lock_date: date | None, now: datetime) -> int | None:
    return None if lock_date is None else (lock_date - local_date(now)).days


def _blocked(devices: Sequence[Device], held: ClearingRequest | None) -> str:
    if not devices:
        return "还没有登记税控设备"
    if held is not None and held.state is RequestState.RUNNING:
        return f"正在清卡（{held.number}）"
    return ""
