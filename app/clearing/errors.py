"""Facts that stop a clearing request, with their codes."""

from collections.abc import Sequence

from app.clearing.check import Check
from app.errors import Conflict, Forbidden, Invalid, NotFound


class RequestNotFound(NotFound):
    code = "request.not_found"
    title = "没有找到清卡申请"


class RecordNotFound(NotFound):
    code = "record.not_found"
    title = "没有找到清卡记录"


class AttachmentNotFound(NotFound):
    code = "attachment.not_found"
    title = "没有找到附件"


class BatchNotFound(NotFound):
    code = "batch.not_found"
    title = "没有找到批量清卡"


class RequestState(Conflict):
    """The request's state does not allow this (any more)."""

    code = "request.state"
    title = "清卡申请的当前状态不允许此操作"


class AlreadyCleared(Conflict):
    """Every device has been cleared for this period (docs/domain.md, promise 1)."""

    code = "clearing.duplicate"
    title = "请勿重复清卡"
    remedy = "该属期已经清卡，可在“清卡记录”中查看结果。"


class ClearingInProgress(Conflict):
    """Another open request holds one of the devices. `holder`: its id, number and state, for who may see it."""

    code = "clearing.in_progress"
    title = "请勿重复清卡：该设备已有未完成的清卡申请"
    remedy = "打开该操作员未完成的清卡申请，等待其结束或取消后再试。"

    def __init__(self, holder: tuple[str, str, str] | None = None) -> None:
        if holder is None:
            super().__init__()
        else:
            location = {"Location": f"/api/v1/clearing-requests/{holder[0]}"}
            super().__init__(f"{self.title} {holder[1]}", headers=location)
            self.extensions = {"request_id": holder[0], "request_number": holder[1]}
        self.holder = holder


class NoDevices(Invalid):
    code = "clearing.no_devices"
    title = "没有可以清卡的设备"
    remedy = "先为该操作员登记税控设备并读取一次。"


class NotDue(Invalid):
    code = "clearing.not_due"
    title = "未到该属期的清卡时间"
    remedy = "属期结束后，从次月 1 日起办理。"


class PastPeriod(Invalid):
    """A period before the oldest one the devices are still to be cleared for: most likely mistyped."""

    code = "clearing.past_period"
    title = "属期早于应清的属期"
    remedy = "改为应清的属期后再提交。"


class NotFirst(Conflict):
    """首次清卡 of a device that has a record of success."""

    code = "clearing.mode"
    title = "该设备已经清过卡，不是首次清卡"
    remedy = "选择“常规清卡”；设备或企业资料有变化时选择“更新清卡”。"


class NotReported(Conflict):
    """税务清卡 reports nothing itself."""

    code = "clearing.not_reported"
    title = "有票种在本属期尚未抄报"
    remedy = (
        "先在开票软件或电子税务局抄报，再办理税务清卡；或选择“税控设备清卡”，由本系统抄报后清卡。"
    )


class PreviewOutdated(Conflict):
    """The choice was changed after its effects had been shown."""

    code = "clearing.preview_outdated"
    title = "选择已改变，下面是更新后的预览"
    remedy = "核对“将会发生什么”后再次确定。"


class TypeNotAuthorized(Invalid):
    code = "clearing.type_not_authorized"
    title = "设备没有所选发票类型的授权"
    remedy = "只选择设备已授权的发票类型。"


class OperatorInactive(Conflict):
    code = "clearing.operator_inactive"
    title = "该操作员已停用"
    remedy = "先在“系统设置 → 操作员”启用该操作员。"


class ReviewRequired(Forbidden):
    code = "review.required"
    title = "需要审核通过后才能执行"
    remedy = "请审核员先通过该申请，或由管理员验证密码后直接执行。"


class ProofMissing(Conflict):
    """The enterprise's review was switched off meanwhile: it would start with nobody having proven who asks."""

    code = "clearing.proof_missing"
    title = "该企业的审核设置刚刚改变，现在提交后会直接执行"
    remedy = "输入您的登录密码后再次提交；不想直接执行时请取消。"


class RetryNeedsDecision(Forbidden):
    """What it failed with was not known when it was approved."""

    code = "review.retry"
    title = "这次失败不在原来的审核范围内"
    remedy = "先按失败原因处理；再由管理员验证密码后重试，或重新提交申请、再次审核。"


class AttachmentRefused(Invalid):
    code = "clearing.attachment_refused"
    title = "附件不被接受"
    remedy = "上传 5 MB 以内的 PDF、PNG 或 JPEG。"


class ExceptionalIncomplete(Conflict):
    """An exceptional request needs its checklist ticked and its documents attached."""

    code = "clearing.exceptional_incomplete"
    title = "异常清卡资料不齐"
    remedy = "由申请人在申请页勾选备齐的资料并上传附件，然后再审核。"


class HandoverBlocked(Conflict):
    """An open request stands against handing the device over."""

    code = "clearing.handover_blocked"
    title = "有未完成的清卡申请，暂时不能移交"
    remedy = "等清卡结束，或取消该申请后再移交。"


class WarningsNotAccepted(Conflict):
    """Something needs care; a person has to say that they know. `warnings`: code, message, remedy."""

    code = "clearing.warnings"
    title = "有需要留意的检查项"
    remedy = "阅读提醒，逐项勾选“已了解”后再次提交。"

    def __init__(self, warnings: list[tuple[str, str, str]]) -> None:
        super().__init__()
        self.warnings = warnings
        self.extensions = {
            "warnings": [
                {"code": code, "message": message, "remedy": remedy}
                for code, message, remedy in warnings
            ]
        }


class NotOwn(Forbidden):
    """A clerk gives up, and adds papers to, what they asked for themselves."""

    code = "request.not_own"
    title = "这是他人提交的申请"
    remedy = "请由申请人、审核员或管理员操作。"


class ChecksBlocking(Conflict):
    """It is known beforehand that nothing can be cleared: nothing is kept. `checks` are those that block."""

    code = "clearing.blocked"
    title = "有检查未通过，现在不能清卡"
    remedy = "按各项检查所列的办法处理后再提交；没有保存申请，设备没有任何改动。"

    def __init__(self, checks: Sequence[Check]) -> None:
        super().__init__("；".join(check.message for check in checks))
        self.checks = tuple(checks)
        self.extensions = {
            "checks": [
                {
                    "code": check.code,
                    "severity": check.severity,
                    "message": check.message,
                    "remedy": check.remedy,
                    "device_number": check.device_number,
                    "error_code": check.error_code,
                }
                for check in checks
            ]
        }


class OwnRequest(Forbidden):
    """Nobody reviews their own request."""

    code = "review.own_request"
    title = "不能审核自己（或自己的密钥）提交的申请"
    remedy = "请由其他审核员审核。"


class SubMachinesFirst(Conflict):
    """A sub machine of the taxpayer is not reported yet (docs/domain.md, Pre-checks)."""

    code = "clearing.sub_machines_first"
    title = "还有分机没有抄报"
    remedy = "先为所列分机清卡（或抄报），再为主机清卡；批量清卡会自动按此顺序。"


class SchemaOutdated(Conflict):
    """Another version of the program has changed the database, or this one's changes are missing."""

    code = "system.schema"
    title = "数据库结构与程序不一致"
    remedy = "运行 qingka migrate，然后重启服务。"


class Drafts(Conflict):
    code = "clearing.drafts"
    title = "有未开完的发票"
    remedy = "开具完成或删除这些草稿后重试。"


class PeakWindow(Conflict):
    code = "clearing.peak_window"
    title = "现在是业务高峰时段"
    remedy = "等高峰时段过后再执行，或在申请中选择“高峰时段也执行”。"


class TaxpayerIncomplete(Conflict):
    code = "clearing.taxpayer_incomplete"
    title = "纳税人资料不完整"
    remedy = "在“系统设置 → 企业”补全税号与名称。"


class AskerGone(Forbidden):
    """Who confirmed a batch may not act any more by the time it is this member's turn."""

    code = "batch.asker_gone"
    title = "提交人的账号已停用，或其 API 密钥已吊销"
    remedy = "请由有权限的人员重新提交或重试。"
