"""What the answers of queries say, as the messages of `app.contracts` (docs/protocols.md, section 3)."""

from datetime import datetime

from pydantic import ValidationError

from app.agent.drivers.xml import values
from app.agent.drivers.xml.messages import Answer, Fields, MessageInvalid
from app.contracts.devices import (
    DeviceInfo,
    DeviceInvoice,
    InvoiceStatus,
    InvoiceType,
    Monitor,
    Statistics,
    StatisticsPeriod,
)

_STATUSES = {
    "0": InvoiceStatus.NORMAL,
    "1": InvoiceStatus.RED,
    "2": InvoiceStatus.VOID_BLANK,
    "3": InvoiceStatus.VOID,
    "4": InvoiceStatus.VOID_RED,
}


def device_info(answer: Answer) -> DeviceInfo:
    """设备信息 (SKPXXCX)."""
    fields = answer.fields
    try:
        return DeviceInfo(
            number=values.required(fields, "sksbbh"),
            tax_no=values.required(fields, "nsrsbh"),
            taxpayer_name=fields.get("nsrmc", ""),
            tax_authority_code=fields.get("swjgdm", ""),
            tax_authority_name=fields.get("swjgmc", ""),
            invoice_types=invoice_types(values.required(fields, "fplxdm")),
            clock_at=values.moment(fields, "dqsz"),
            enabled_at=values.optional_moment(fields, "qysj"),
            version=fields.get("bbh", ""),
            machine_no=values.optional_number(fields, "kpjh") or 0,
            locked="锁死" in fields.get("qtkzxx", ""),
        )
    except ValidationError as error:
        raise MessageInvalid("设备信息的内容无效") from error


def invoice_types(codes: str) -> tuple[InvoiceType, ...]:
    """票种授权: codes of three digits run together. One not known is an error: all must be reported."""
    if len(codes) % 3:
        raise MessageInvalid(f"票种代码长度有误：{codes!r}")
    return tuple(dict.fromkeys(_invoice_type(codes[i : i + 3]) for i in range(0, len(codes), 3)))


def _invoice_type(code: str) -> InvoiceType:
    try:
        return InvoiceType(code)
    except ValueError as error:
        raise MessageInvalid(f"未知的票种代码：{code!r}") from error


def monitor(answer: Answer, invoice_type: InvoiceType) -> Monitor:
    """监控数据 of one type (JKSJCX)."""
    fields = answer.fields
    if fields.get("fplxdm", invoice_type) != invoice_type:
        raise MessageInvalid(f"应答的票种不是 {invoice_type.value}")
    return Monitor(
        invoice_type=invoice_type,
        lock_date=values.day(fields, "kpjzsj"),
        report_from=values.moment(fields, "bsqsrq"),
        report_to=values.optional_moment(fields, "bszzrq"),
        last_reported_at=values.optional_moment(fields, "zxbsrq"),
        single_limit=values.optional_amount(fields, "dzkpxe"),
        free_space=values.optional_number(fields, "syrl"),
        upload_due_day=values.optional_number(fields, "scjzrq"),
        offline_hours=values.optional_number(fields, "lxkpsc"),
        offline_amount=values.optional_amount(fields, "lxzsljje"),
    )


def statistics(answer: Answer, invoice_type: InvoiceType) -> Statistics:
    """统计 of one type (TJXXCX)."""
    periods = tuple(_statistics_period(group) for group in answer.groups)
    return Statistics(invoice_type=invoice_type, periods=periods)


def _statistics_period(fields: Fields) -> StatisticsPeriod:
    return StatisticsPeriod(
        period_from=values.day(fields, "qsrq"),
        period_to=values.day(fields, "jzrq"),
        opening_stock=values.number(fields, "qckcfs"),
        bought=values.number(fields, "lgfpfs"),
        returned=values.number(fields, "thfpfs"),
        issued=values.number(fields, "zsfpfs"),
        void=values.number(fields, "zffpfs"),
        red=values.number(fields, "fsfpfs"),
        void_red=values.number(fields, "fffpfs"),
        void_blank=values.number(fields, "kffpfs"),
        closing_stock=values.number(fields, "qmkcfs"),
        issued_amount=values.amount(fields, "zsfpljje"),
        issued_tax=values.amount(fields, "zsfpljse"),
        void_amount=values.amount(fields, "zffpljje"),
        void_tax=values.amount(fields, "zffpljse"),
        red_amount=values.amount(fields, "fsfpljje"),
        red_tax=values.amount(fields, "fsfpljse"),
        void_red_amount=values.amount(fields, "fffpljje"),
        void_red_tax=values.amount(fields, "fffpljse"),
    )


def invoices(answer: Answer, invoice_type: InvoiceType) -> list[DeviceInvoice]:
    """The invoices in one answer (FPCX)."""
    return [_invoice(group, invoice_type) for group in answer.groups]


def _invoice(fields: Fields, invoice_type: InvoiceType) -> DeviceInvoice:
    status = _STATUSES.get(values.required(fields, "fpzt"))
    if status is None:
        raise MessageInvalid(f"未知的发票状态：{fields['fpzt']!r}")
    return DeviceInvoice(
        invoice_type=invoice_type,
        code=values.required(fields, "fpdm"),
        number=values.required(fields, "fphm"),
        status=status,
        uploaded=fields.get("scbz", "0") == "1",
        issued_at=_issued_at(fields),
        seller_tax_no=fields.get("xhdwdm", ""),
        seller_name=fields.get("xhdwmc", ""),
        buyer_tax_no=fields.get("ghdwdm", ""),
        buyer_name=fields.get("ghdwmc", ""),
        amount=values.amount(fields, "hjje"),
        tax=values.amount(fields, "hjse"),
        total=values.amount(fields, "jshj"),
        note=fields.get("bz", ""),
        original_code=fields.get("yfpdm", ""),
        original_number=fields.get("yfphm", ""),
    )


def _issued_at(fields: Fields) -> datetime:
    """`kprq` may hold the whole time, or the day with the time of day in `kpsj`."""
    date_text = values.required(fields, "kprq")
    if len(date_text) == 8:
        date_text += fields.get("kpsj", "").replace(":", "") or "000000"
    return values.moment({"kprq": date_text}, "kprq")
