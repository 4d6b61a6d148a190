"""States of clearing requests and which changes between them are allowed (docs/domain.md, States)."""

from enum import StrEnum


class Mode(StrEnum):
    """清卡方式."""

    FIRST = "first"  # 首次清卡
    UPDATE = "update"  # 更新清卡
    REGULAR = "regular"  # 常规清卡


class Kind(StrEnum):
    """清卡类型."""

    DEVICE = "device"  # 税控设备清卡
    TAX = "tax"  # 税务清卡


class Scope(StrEnum):
    """清卡范围."""

    FULL = "full"  # 全面清卡
    PARTIAL = "partial"  # 部分清卡


class RequestState(StrEnum):
    """Where a clearing request stands."""

    SUBMITTED = "submitted"  # 待审核
    APPROVED = "approved"  # 已通过
    REJECTED = "rejected"  # 已驳回
    SCHEDULED = "scheduled"  # 待执行
    RUNNING = "running"  # 清卡中
    SUCCEEDED = "succeeded"  # 清卡成功
    CONFIRMED = "confirmed"  # 已确认
    FAILED = "failed"  # 清卡失败
    NEEDS_ATTENTION = "needs_attention"  # 结果待查
    CANCELLED = "cancelled"  # 已取消


_S = RequestState

TRANSITIONS: dict[RequestState, frozenset[RequestState]] = {
    # `running` straight from `submitted`: an admin executes directly, with the password.
    _S.SUBMITTED: frozenset({_S.APPROVED, _S.REJECTED, _S.CANCELLED, _S.SCHEDULED, _S.RUNNING}),
    _S.APPROVED: frozenset({_S.SCHEDULED, _S.RUNNING, _S.CANCELLED}),
    _S.SCHEDULED: frozenset({_S.SCHEDULED, _S.RUNNING, _S.CANCELLED}),
    _S.RUNNING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.NEEDS_ATTENTION}),
    _S.NEEDS_ATTENTION: frozenset({_S.RUNNING, _S.SUCCEEDED, _S.FAILED}),
    _S.FAILED: frozenset({_S.RUNNING}),
    _S.SUCCEEDED: frozenset({_S.CONFIRMED}),
    _S.REJECTED: frozenset(),
    _S.CONFIRMED: frozenset(),
    _S.CANCELLED: frozenset(),
}

OPEN_STATES = frozenset({_S.SUBMITTED, _S.APPROVED, _S.SCHEDULED, _S.RUNNING, _S.NEEDS_ATTENTION})
"""A device with a request in one of these takes no second one."""

EXECUTABLE_STATES = frozenset({_S.SUBMITTED, _S.APPROVED, _S.SCHEDULED})
RETRYABLE_STATES = frozenset({_S.FAILED, _S.NEEDS_ATTENTION})
ENDED_STATES = frozenset(
    {_S.SUCCEEDED, _S.CONFIRMED, _S.FAILED, _S.CANCELLED, _S.REJECTED, _S.NEEDS_ATTENTION}
)
"""Nothing runs any more in these."""
FINAL_STATES = ENDED_STATES - {_S.NEEDS_ATTENTION}
"""What is shown of a request in these is the last word, until somebody does something; 结果待查 is not."""


class ChecklistItem(StrEnum):
    """What the tax office wants to see for an exceptional clearing (异常清卡)."""

    LICENCE = "licence"  # 营业执照副本
    SEALS = "seals"  # 公章与发票章
    DEVICE = "device"  # 税控设备
    IDENTITY = "identity"  # 经办人身份证
    STATEMENT = "statement"  # 逾期说明
    FORM = "form"  # 异常清卡申请表


class BatchState(StrEnum):
    """Where a batch stands; `paused` starts no further request, what runs goes on."""

    RUNNING = "running"
    PAUSED = "paused"


class BatchPhase(StrEnum):
    """What a batch shows: its state, and how far its requests are."""

    PREPARING = "preparing"  # its requests are being made, or tried again
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class BatchTask(StrEnum):
    """What was ordered of a batch."""

    CREATE = "create"
    RETRY = "retry"


class Stage(StrEnum):
    """The four visible stages."""

    INIT = "init"  # 初始化
    BACKUP = "backup"  # 数据备份
    CLEAR = "clear"  # 执行清卡
    DONE = "done"  # 完成


STAGES = tuple(Stage)


class StageState(StrEnum):
    """How far a stage is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class TargetState(StrEnum):
    """How far one device of a request is."""

    WAITING = "waiting"
    RUNNING = "running"
    CLEARED = "cleared"  # the device shows it; invoices and record not written yet
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Result(StrEnum):
    """Result of one execution on one device."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What a success came to: for a device of the record, for all devices of the request."""

    CLEARED = "cleared"  # nothing of the period is left on the device
    PARTIAL = "partial"  # something was cleared, other types of the period are still open
    ALREADY = "already"  # 此前已清卡: the device showed it before; nothing was executed
