"""Chinese words of clearing for what no template renders: exports, certificates, sentences."""

from app.clearing.states import Kind, Mode, Outcome, RequestState, Result, Scope
from app.contracts.devices import DeviceKind, InvoiceStatus, InvoiceType
from app.core.money import yuan
from app.invoices.figures import Figures
from app.operators.states import ClearingState

MODES = {Mode.FIRST: "首次清卡", Mode.UPDATE: "更新清卡", Mode.REGULAR: "常规清卡"}
KINDS = {Kind.DEVICE: "税控设备清卡", Kind.TAX: "税务清卡"}
SCOPES = {Scope.FULL: "全面清卡", Scope.PARTIAL: "部分清卡"}
RESULTS = {Result.SUCCEEDED: "清卡成功", Result.FAILED: "清卡失败", Result.UNKNOWN: "结果待查"}
OUTCOMES = {
    Outcome.CLEARED: "清卡成功",
    Outcome.PARTIAL: "部分清卡，仍有未清",
    Outcome.ALREADY: "此前已清卡，未执行",
}
REQUEST_STATES = {
    RequestState.SUBMITTED: "待审核",
    RequestState.APPROVED: "已通过",
    RequestState.REJECTED: "已驳回",
    RequestState.SCHEDULED: "待执行",
    RequestState.RUNNING: "清卡中",
    RequestState.SUCCEEDED: "清卡成功",
    RequestState.CONFIRMED: "已确认",
    RequestState.FAILED: "清卡失败",
    RequestState.NEEDS_ATTENTION: "结果待查",
    RequestState.CANCELLED: "已取消",
}
CLEARING_STATES = {
    ClearingState.DUE: "待清卡",
    ClearingState.RUNNING: "清卡中",
    ClearingState.CLEARED: "已清卡",
    ClearingState.FAILED: "清卡失败",
    ClearingState.LOCKED: "已锁死",
}
DEVICE_KINDS = {
    DeviceKind.TAX_DISK: "税控盘",
    DeviceKind.GOLDEN_TAX_DISK: "金税盘",
    DeviceKind.UKEY: "税务UKey",
    DeviceKind.TAX_SERVER: "税控服务器",
}
INVOICE_TYPES = {
    InvoiceType.SPECIAL_PAPER: "增值税专用发票",
    InvoiceType.VEHICLE: "机动车销售统一发票",
    InvoiceType.USED_VEHICLE: "二手车销售统一发票",
    InvoiceType.ORDINARY_PAPER: "增值税普通发票",
    InvoiceType.ROLL: "增值税普通发票（卷票）",
    InvoiceType.ORDINARY_ELECTRONIC: "增值税电子普通发票",
    InvoiceType.SPECIAL_ELECTRONIC: "增值税电子专用发票",
}
INVOICE_STATUSES = {
    InvoiceStatus.NORMAL: "正数",
    InvoiceStatus.RED: "红字",
    InvoiceStatus.VOID: "作废",
    InvoiceStatus.VOID_RED: "红字作废",
    InvoiceStatus.VOID_BLANK: "空白作废",
}


def invoice_type(code: str) -> str:
    """The code with its name, e.g. 007 增值税普通发票."""
    return f"{code} {INVOICE_TYPES[InvoiceType(code)]}"


def result_of(result: Result, outcome: Outcome | None) -> str:
    """What came of it: the outcome of a success where it is known, else the result."""
    if result is not Result.SUCCEEDED or outcome is None:
        return RESULTS[result]
    return OUTCOMES[outcome]


def figures(found: Figures) -> str:
    """In one line: 24 张，净额 324,346.42 元（正数 21 张，红字 1 张，作废 2 张不计入）."""
    parts = [f"正数 {found.positive.count} 张"]
    parts += [f"红字 {found.red.count} 张"] if found.red.count else []
    parts += [f"作废 {found.void.count} 张不计入"] if found.void.count else []
    told = f"（{'，'.join(parts)}）" if len(parts) > 1 else ""
    return f"{found.count} 张，净额 {yuan(found.net.amount)} 元{told}"
