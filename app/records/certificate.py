"""清卡凭证: the code that proves a record, and the printed certificate that shows it.

A code is the record's id followed by an HMAC-SHA256 over the record, cut to 14 bytes (RFC 2104 section 5
allows half of the hash), together 30 bytes: 48 characters of Crockford's base 32 without a spare bit. The
key derives from the root secret of this installation: only it can make codes, and it finds a record that
was altered behind its back.
"""

import hashlib
import hmac
import json
from base64 import b32decode, b32encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from app.accounts.principal import Permission, Principal
from app.audit import evidence as chain_evidence
from app.backups.models import Backup
from app.clearing import figure_lines, queries, words
from app.clearing.errors import RecordNotFound
from app.clearing.evidence import RECORD, REQUEST
from app.clearing.figure_lines import FigureLine
from app.clearing.models import ClearingRecord
from app.clearing.outcomes import from_json, of_record, sentence
from app.clearing.states import Outcome, Result
from app.contracts.operations import TypeOutcome
from app.core.clock import local
from app.core.db import Session
from app.core.money import yuan
from app.core.security import derive_key
from app.devices.models import Device
from app.enterprises.models import Enterprise
from app.errors import Conflict, Forbidden, NotFound
from app.operators.models import Operator
from app.settings import Settings

VERIFY_PATH = "/audit/certificate"
PURPOSE = "certificate"
FIELDS = (
    *("id", "request_id", "attempt", "operator_id", "operator_name", "enterprise_id"),
    *("device_id", "device_number", "mode", "kind", "scope", "period", "invoice_types"),
    *("result", "already", "simulated", "started_at", "finished_at", "executed_by"),
    *("executed_by_name", "approved_by", "approved_by_name", "lock_date_before"),
    *("lock_date_after", "invoices_cleared", "amount", "tax", "backup_id", "evidence"),
)
"""What version 1 of the code covers: a column added later leaves the codes of today as they are."""

_SINCE_OUTCOMES = ("outcome", "remaining", "next_lock_date", "device_totals", "ledger_totals")
"""What version 2 covers besides: of records that say what their success came to."""

_MAC_BYTES = 14
_LENGTH = 48
_GROUP = 6
_RFC_4648 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ENCODE = str.maketrans(_RFC_4648, _CROCKFORD)
_DECODE = str.maketrans(_CROCKFORD + "OIL", _RFC_4648 + "ABB")
"""O, I and L are read as the digits they are taken for."""

_VERIFIERS = frozenset(
    {
        Permission.AUDIT_READ,
        Permission.CLEARING_REQUEST,
        Permission.CLEARING_REVIEW,
        Permission.CLEARING_EXECUTE,
    }
)


@dataclass(frozen=True, slots=True)
class TypeLine:
    """One invoice type (code and name) with its lock date before and after."""

    invoice_type: str
    lock_date_before: date | None
    lock_date_after: date | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is printed. `facts` are pairs of words; `code` is grouped, `address` is in the QR code."""

    facts: Sequence[tuple[str, str]]
    types: Sequence[TypeLine]
    figures: Sequence[FigureLine]
    code: str
    address: str
    simulated: bool


class CertificateUnavailable(Conflict):
    """Only what was cleared is certified."""

    code = "certificate.unavailable"
    title = "只有清卡成功的记录可以出具清卡凭证"
    remedy = "在清卡记录中选择结果为“清卡成功”的记录。"


class NotExecuted(Conflict):
    """A certificate tells of an execution; where the device was cleared before, there was none."""

    code = "certificate.not_executed"
    title = "此前已清卡，本次没有执行，不出具清卡凭证"
    remedy = "由当时执行清卡的记录（或当时使用的软件）出具凭证；本条记录的页面说明设备当时的状态。"


class RecordAltered(Conflict):
    """The record is not what the audit chain says was written down: no code vouches for it."""

    code = "certificate.record_altered"
    title = "清卡记录与审计链不符，不能出具清卡凭证"
    remedy = "请在“审计”页验证审计链，保全数据库文件，并联系技术支持。"


class CertificateNotGenuine(NotFound):
    """No record of this installation has this code, or the record is not what it was."""

    code = "certificate.not_genuine"
    title = "验证码无效"
    remedy = "请逐组核对凭证上的验证码；仍然无效时，该凭证不是由本系统出具，或已被改动。"


def require_certifiable(record: ClearingRecord) -> None:
    """Raise CertificateUnavailable for what is no success, NotExecuted for one that found all done."""
    if record.result is not Result.SUCCEEDED:
        raise CertificateUnavailable
    if of_record(record) is Outcome.ALREADY:
        raise NotExecuted


def is_certifiable(record: ClearingRecord) -> bool:
    """Whether a certificate of the record is given out."""
    return record.result is Result.SUCCEEDED and of_record(record) is not Outcome.ALREADY


def is_as_recorded(session: Session, record: ClearingRecord) -> bool:
    """Whether the record still is what the audit chain holds its digest of."""
    return chain_evidence.is_unaltered(
        session, RECORD, record.id, object_type=REQUEST.object_type, object_id=record.request_id
    )


def may_verify(principal: Principal) -> bool:
    """Whether this principal audits or takes part in clearings."""
    return bool(principal.permissions & _VERIFIERS)


def require_verifier(principal: Principal) -> None:
    """Raise Forbidden unless this principal may verify certificates."""
    if not may_verify(principal):
        raise Forbidden("需要查看审计记录或办理清卡的权限")


def code_of(record: ClearingRecord, settings: Settings) -> str:
    """The verification code of a record, 48 characters without separators."""
    raw = record.id.bytes + _mac(record, settings)
    return b32encode(raw).decode().translate(_ENCODE)


def grouped(code: str) -> str:
    """The code as people read it out: eight groups of six."""
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def verify_code(
    session: Session, code: str, *, principal: Principal, settings: Settings
) -> ClearingRecord:
    """The record a genuine code stands for.

    Raises CertificateNotGenuine, whatever is wrong with it: a forger learns nothing.
    """
    raw = _decoded(code)
    try:
        record = queries.record(session, UUID(bytes=raw[:-_MAC_BYTES]), principal)
    except RecordNotFound as error:
        raise CertificateNotGenuine from error
    genuine = hmac.compare_digest(raw[-_MAC_BYTES:], _mac(record, settings))
    if not genuine or not is_as_recorded(session, record) or record.result is not Result.SUCCEEDED:
        raise CertificateNotGenuine
    return record


def certificate_of(session: Session, record: ClearingRecord, *, settings: Settings) -> Certificate:
    """Return what the certificate says. Raise CertificateUnavailable, NotExecuted, RecordAltered."""
    require_certifiable(record)
    if not is_as_recorded(session, record):
        raise RecordAltered
    code = code_of(record, settings)
    return Certificate(
        facts=facts(session, record),
        types=type_lines(record),
        figures=figure_lines.lines(figure_lines.of_record(record)),
        code=grouped(code),
        address=f"{settings.public_url.rstrip('/')}{VERIFY_PATH}?code={code}",
        simulated=record.simulated,
    )


def type_lines(record: ClearingRecord) -> list[TypeLine]:
    """The types of the record with the lock date before and after, as the device showed them."""
    outcomes = [TypeOutcome.model_validate(one) for one in record.evidence.get("types", [])]
    return [
        TypeLine(
            words.invoice_type(outcome.invoice_type),
            outcome.lock_date_before,
            outcome.lock_date_after,
        )
        for outcome in outcomes
    ]


def facts(session: Session, record: ClearingRecord) -> list[tuple[str, str]]:
    """What the certificate says, in pairs of words."""
    enterprise = session.get_one(Enterprise, record.enterprise_id)
    operator = session.get_one(Operator, record.operator_id)
    device = session.get_one(Device, record.device_id)
    backup = session.get(Backup, record.backup_id) if record.backup_id else None
    outcome = of_record(record)
    left = sentence((), from_json(record.remaining) or ())
    return [
        ("操作员", f"{record.operator_name}（{operator.code}）"),
        ("企业", enterprise.name),
        ("纳税人识别号", enterprise.tax_no),
        ("税控设备", f"{words.DEVICE_KINDS[device.kind]} {record.device_number}"),
        ("属期", record.period),
        ("清卡方式", f"{words.MODES[record.mode]}，{words.KINDS[record.kind]}"),
        ("清卡范围", words.SCOPES[record.scope]),
        ("结果", words.result_of(record.result, outcome)),
        *([("仍未清卡", left)] if left else []),
        *_figures(record),
        ("执行人", record.executed_by_name),
        ("审核人", record.approved_by_name or ""),
        ("完成时间", f"{local(record.finished_at):%Y-%m-%d %H:%M:%S}（北京时间）"),
        ("记录编号", str(record.id)),
        ("备份 SHA-256", backup.sha256 if backup else ""),
    ]


def _figures(record: ClearingRecord) -> list[tuple[str, str]]:
    """The net by the device's own statistics where it gave them, and what the ledger marked."""
    device = figure_lines.of_record(record).total_device
    marked = f"{record.invoices_cleared:,} 张，净额 {_money(record.amount, record.tax)}"
    if device is None:
        return [("设备统计", "设备没有给出统计"), ("台账记为已清卡", marked)]
    net, void = device.net, device.void.count
    counts = f"正数 {device.positive.count:,} 张，红字 {device.red.count:,} 张，作废 {void:,} 张（不计入）"
    return [
        ("设备统计净额 / 税额", _money(net.amount, net.tax)),
        ("设备统计张数", counts),
        ("台账记为已清卡", marked),
    ]


def _money(amount: Decimal, tax: Decimal) -> str:
    return f"{yuan(amount)} 元 / {yuan(tax)} 元"


def canonical(record: ClearingRecord) -> bytes:
    """What the record says, as the one JSON text it can be written as."""
    told = record.outcome is not None
    fields = (*FIELDS, *_SINCE_OUTCOMES) if told else FIELDS
    values = {name: _plain(getattr(record, name)) for name in fields}
    body = {"version": 2 if told else 1, "record": values}
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _mac(record: ClearingRecord, settings: Settings) -> bytes:
    key = derive_key(settings.root_secret, PURPOSE)
    return hmac.new(key, canonical(record), hashlib.sha256).digest()[:_MAC_BYTES]


def _decoded(code: str) -> bytes:
    text = "".join(code.split()).replace("-", "").upper()
    if len(text) != _LENGTH or not set(text) <= set(_CROCKFORD + "OIL"):
        raise CertificateNotGenuine
    return b32decode(text.translate(_DECODE))


def _plain(value: object) -> object:
    """JSON of a column; a moment is UTC whatever zone it came in, an amount has its two places."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    return str(value) if isinstance(value, UUID) else value
