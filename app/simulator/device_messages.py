"""The device's messages: from the fields of a request to calls of the model, and back to fields."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal

from app.contracts.devices import InvoiceStatus
from app.contracts.periods import Period
from app.simulator.codes import Refusal
from app.simulator.device import VirtualDevice
from app.simulator.messages import Fields, Request, Value
from app.simulator.model import Invoice
from app.simulator.totals import Totals

STATUS_CODES = {
    InvoiceStatus.NORMAL: "0",
    InvoiceStatus.RED: "1",
    InvoiceStatus.VOID_BLANK: "2",
    InvoiceStatus.VOID: "3",
    InvoiceStatus.VOID_RED: "4",
}
_STATISTIC_FIELDS = {
    InvoiceStatus.NORMAL: "zsfp",
    InvoiceStatus.VOID: "zffp",
    InvoiceStatus.RED: "fsfp",
    InvoiceStatus.VOID_RED: "fffp",
}

Handler = Callable[[VirtualDevice, Request], Fields]


def moment(at: datetime | None) -> str:
    """YYYYMMDDHHMMSS, empty for None."""
    return f"{at:%Y%m%d%H%M%S}" if at is not None else ""


def day(at: date) -> str:
    """YYYYMMDD."""
    return f"{at:%Y%m%d}"


def execute(device: VirtualDevice, request: Request) -> Fields:
    """What the device answers. Raises DeviceRefusal; KeyError for an unknown message id."""
    handler = HANDLERS[request.id]
    if request.id == "SKSBBH":
        return handler(device, request)
    device.check_password(request.get("sksbkl"))
    taxpayer = request.get("nsrsbh")
    if taxpayer and taxpayer != device.state.taxpayer.tax_no:
        raise device.refusal(Refusal.OTHER_TAXPAYER)
    return handler(device, request)


def _number(device: VirtualDevice, request: Request) -> Fields:
    return {"sksbbh": device.number(), "bspbh": "", "qtxx": ""}


def _info(device: VirtualDevice, request: Request) -> Fields:
    state, taxpayer = device.state, device.state.taxpayer
    return {
        "sksbbh": state.number,
        "nsrsbh": taxpayer.tax_no,
        "nsrmc": taxpayer.name,
        "swjgdm": taxpayer.authority_code,
        "swjgmc": taxpayer.authority_name,
        "fplxdm": "".join(one.invoice_type for one in state.types),
        "dqsz": moment(device.now),
        "qysj": moment(state.enabled_at),
        "bbh": state.version,
        "kpjh": str(state.machine_no),
        "qylx": "001",
        "blxx": "",
        "qtkzxx": "已锁死" if device.locked else "",
    }


def _other_info(device: VirtualDevice, request: Request) -> Fields:
    reported = device.last_reported_at()
    waiting = device.not_uploaded()
    readers: dict[str, Callable[[], str]] = {
        "0": lambda: day(device.earliest_lock_date()),
        "1": lambda: f"{reported:%Y%m%d%H%M}" if reported else "",
        "2": lambda: f"{len(waiting)},{sum((i.amount + i.tax for i in waiting), Decimal('0.00'))}",
        "3": lambda: str(len(device.stored_invoices) - len(waiting)),
        "4": lambda: str(len(device.stored_invoices) - len(waiting)),
        "5": lambda: str(len(waiting)),
    }
    reader = readers.get(request.get("xxlx"))
    if reader is None:
        raise device.refusal(Refusal.BAD_FIELD, "信息类型有误")
    return {"sksbxx": reader()}


def _monitor(device: VirtualDevice, request: Request) -> Fields:
    state = device.authorised(request.get("fplxdm"))
    start = state.report_from
    return {
        "fplxdm": state.invoice_type,
        "kpjzsj": day(state.lock_date),
        "bsqsrq": f"{day(start)}000000",
        "bszzrq": moment(state.report_to),
        "dzkpxe": str(state.single_limit),
        "zxbsrq": moment(state.last_reported_at),
        "syrl": str(state.free_space),
        "scjzrq": f"{state.upload_due_day:02d}",
        "lxkpsc": str(state.offline_hours),
        "lxzsljje": str(state.offline_amount),
        "lxkzxx": "",
        "zdyxx": "",
    }


def _statistics(device: VirtualDevice, request: Request) -> Fields:
    first = _day_field(device, request.get("qsrq"))
    last = _day_field(device, request.get("zzrq"))
    periods = device.statistics(request.get("fplxdm"), first, last)
    return {"tjxx": [_statistics_group(totals) for totals in periods]}


def _statistics_group(totals: Totals) -> Fields:
    counted = totals.by_status
    group: dict[str, Value] = {
        "qsrq": day(totals.first),
        "jzrq": day(totals.last),
        "qckcfs": str(totals.opening_stock),
        "lgfpfs": "0",
        "thfpfs": "0",
    }
    for status, name in _STATISTIC_FIELDS.items():
        group[f"{name}fs"] = str(counted[status].count)
    group["kffpfs"] = str(counted[InvoiceStatus.VOID_BLANK].count)
    group["qmkcfs"] = str(totals.closing_stock)
    for status, name in _STATISTIC_FIELDS.items():
        group[f"{name}ljje"] = str(counted[status].amount)
        group[f"{name}ljse"] = str(counted[status].tax)
    return group


def _invoices(device: VirtualDevice, request: Request) -> Fields:
    kind, condition = request.get("fplxdm"), request.get("cxtj")
    if request.get("cxfs") == "1":
        found = device.invoices_of_month(kind, _month_field(device, condition))
    elif request.get("cxfs") == "0" and len(condition) > 16:
        code, first, last = condition[:-16].strip(), condition[-16:-8], condition[-8:]
        found = device.invoices_by_number(kind, code, first, last)
    else:
        raise device.refusal(Refusal.BAD_FIELD, "查询条件有误")
    return {"fpxx": [_invoice_group(device, invoice) for invoice in found]}


def _invoice_group(device: VirtualDevice, invoice: Invoice) -> Fields:
    taxpayer = device.state.taxpayer
    void = invoice.status in (InvoiceStatus.VOID, InvoiceStatus.VOID_RED, InvoiceStatus.VOID_BLANK)
    return {
        "fpdm": invoice.code,
        "fphm": invoice.number,
        "fpzt": STATUS_CODES[invoice.status],
        "scbz": "1" if invoice.uploaded else "0",
        "kprq": day(invoice.issued_at.date()),
        "kpsj": f"{invoice.issued_at:%H%M%S}",
        "skm": "",
        "sksbbh": device.state.number,
        "xhdwdm": taxpayer.tax_no,
        "xhdwmc": taxpayer.name,
        "ghdwdm": invoice.buyer_tax_no,
        "ghdwmc": invoice.buyer_name,
        "sfxm": [_item_group(invoice)] if invoice.item else [],
        "hjje": str(invoice.amount),
        "hjse": str(invoice.tax),
        "jshj": str(invoice.amount + invoice.tax),
        "bz": "",
        "skr": "",
        "yfpdm": invoice.original_code,
        "yfphm": invoice.original_number,
        "zfrq": day(invoice.issued_at.date()) if void else "",
        "zfr": "",
    }


def _item_group(invoice: Invoice) -> Fields:
    total = invoice.amount + invoice.tax
    return {
        "xm": invoice.item,
        "dj": str(abs(invoice.amount)),
        "sl": "-1" if invoice.amount < 0 else "1",
        "je": str(invoice.amount),
        "zsl": invoice.rate,
        "se": str(invoice.tax),
        "hsdj": str(abs(total)),
        "hsje": str(total),
    }


def _report(device: VirtualDevice, request: Request) -> Fields:
    if request.get("jzlx") not in ("1", "2"):
        raise device.refusal(Refusal.BAD_FIELD, "介质类型有误")
    seal = device.report(request.get("fplxdm"))
    state = device.authorised(request.get("fplxdm"))
    return {
        "sq": f"{day(state.report_from)}000000{moment(state.report_to)}",
        "fpmx": "",
        "fpdxx": "",
        "fphz": seal.blob,
        "szfphz": "",
        "qtxx": day(state.lock_date),
    }


def _clear(device: VirtualDevice, request: Request) -> Fields:
    device.clear(request.get("fplxdm"), request.get("fpjkmw"))
    return {}


def _combined(device: VirtualDevice, request: Request) -> Fields:
    """组合操作; only setting the clock (czlx 4), with the time in hzxx."""
    if request.get("czlx") != "4":
        raise device.refusal(Refusal.UNSUPPORTED)
    try:
        at = datetime.strptime(request.get("hzxx"), "%Y%m%d%H%M%S")
    except ValueError as error:
        raise device.refusal(Refusal.BAD_FIELD, "时钟格式有误") from error
    device.set_clock(at)
    return {}


def _day_field(device: VirtualDevice, text: str) -> date:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError as error:
        raise device.refusal(Refusal.BAD_FIELD, "日期格式有误") from error


def _month_field(device: VirtualDevice, text: str) -> Period:
    try:
        return Period(f"{text[:4]}-{text[4:]}")
    except ValueError as error:
        raise device.refusal(Refusal.BAD_FIELD, "月份格式有误") from error


HANDLERS: dict[str, Handler] = {
    "SKSBBH": _number,
    "SKPXXCX": _info,
    "SKSBQTYXXCX": _other_info,
    "JKSJCX": _monitor,
    "TJXXCX": _statistics,
    "FPCX": _invoices,
    "SJCB": _report,
    "JKHC": _clear,
    "SKPBSP": _combined,
}
DEVICE_MESSAGES = frozenset(HANDLERS)
