"""Facts that stop a reconciliation or the handling of a difference, with their codes."""

from app.errors import Conflict, Invalid, NotFound


class RunNotFound(NotFound):
    code = "reconciliation.not_found"
    title = "没有找到这次核对"


class DifferenceNotFound(NotFound):
    code = "reconciliation.difference_not_found"
    title = "没有找到这条差异"


class DifferenceHandled(Conflict):
    """Somebody has dealt with it."""

    code = "reconciliation.handled"
    title = "这条差异已经处理"
    remedy = "重新核对后，仍然存在的差异会再次列出。"


class NotCorrectable(Conflict):
    """Only a clearing status can be corrected by hand."""

    code = "reconciliation.not_correctable"
    title = "这类差异不能在系统中更正"
    remedy = "在设备或台账中处理后重新核对，或写明原因后确认。"


class ScopeTooLarge(Invalid):
    """A run reads every device it covers."""

    code = "reconciliation.scope_too_large"
    title = "核对范围太大"
    remedy = "选择一位操作员后再核对。"


class TooManyInvoices(Conflict):
    """Each correction is an audit record of its own."""

    code = "reconciliation.too_many_invoices"
    title = "需要更正的发票太多"
    remedy = "请先查明原因；确需更正时，通过接口逐张办理。"
