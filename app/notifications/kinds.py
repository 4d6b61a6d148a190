"""The kinds of events, and whom each concerns."""

from dataclasses import dataclass
from enum import StrEnum

from app.accounts.principal import Role


class EventKind(StrEnum):
    """What happened. Values are part of the API (docs/api.md, Webhooks): add new ones, never rename."""

    CLEARING_SUBMITTED = "clearing.submitted"
    CLEARING_APPROVED = "clearing.approved"
    CLEARING_REJECTED = "clearing.rejected"
    CLEARING_STARTED = "clearing.started"
    CLEARING_SUCCEEDED = "clearing.succeeded"
    CLEARING_FAILED = "clearing.failed"
    CLEARING_NEEDS_ATTENTION = "clearing.needs_attention"
    CLEARING_REVIEW_WAITING = "clearing.review_waiting"
    DEVICE_DISCONNECTED = "device.disconnected"
    DEVICE_LOCK_APPROACHING = "device.lock_approaching"
    DEVICE_LOCK_DIGEST = "device.lock_digest"
    BACKUP_FAILED = "backup.failed"
    INSPECTION_FINISHED = "inspection.finished"
    WEBHOOK_DISABLED = "webhook.disabled"
    AUDIT_CHECKPOINT = "audit.checkpoint"
    TEST = "test"

    @property
    def label(self) -> str:
        """As pages name it."""
        return RULES[self].label


class Concern(StrEnum):
    """Why an account hears of an event."""

    REQUESTER = "requester"  # who asked for what the event is about
    OPERATOR = "operator"  # the account of the operator concerned
    REVIEWERS = "reviewers"
    ADMINS = "admins"


@dataclass(frozen=True, slots=True)
class Rule:
    """`email` and `in_app` are for an account that has chosen nothing.

    `in_digest`: people hear of such events once a day together; the single one goes to webhooks only.
    """

    label: str
    concerns: frozenset[Concern]
    email: bool = False
    in_app: bool = True
    in_digest: bool = False


def _rule(
    label: str,
    *concerns: Concern,
    email: bool = False,
    in_app: bool = True,
    in_digest: bool = False,
) -> Rule:
    return Rule(label, frozenset(concerns), email, in_app, in_digest)


RULES: dict[EventKind, Rule] = {
    EventKind.CLEARING_SUBMITTED: _rule("清卡申请已提交", Concern.REVIEWERS),
    EventKind.CLEARING_APPROVED: _rule("清卡申请已通过", Concern.REQUESTER),
    EventKind.CLEARING_REJECTED: _rule("清卡申请已驳回", Concern.REQUESTER, email=True),
    EventKind.CLEARING_STARTED: _rule(
        "清卡开始", Concern.REQUESTER, Concern.OPERATOR, in_app=False
    ),
    EventKind.CLEARING_SUCCEEDED: _rule("清卡成功", Concern.REQUESTER, Concern.OPERATOR),
    EventKind.CLEARING_FAILED: _rule(
        "清卡失败", Concern.REQUESTER, Concern.OPERATOR, Concern.ADMINS, email=True
    ),
    EventKind.CLEARING_NEEDS_ATTENTION: _rule(
        "清卡结果待查", Concern.REQUESTER, Concern.OPERATOR, Concern.ADMINS, email=True
    ),
    EventKind.CLEARING_REVIEW_WAITING: _rule(
        "清卡申请等待审核", Concern.REVIEWERS, Concern.ADMINS, email=True
    ),
    EventKind.DEVICE_DISCONNECTED: _rule("设备断开连接", Concern.OPERATOR, Concern.ADMINS),
    EventKind.DEVICE_LOCK_APPROACHING: _rule(
        "设备即将锁死", Concern.OPERATOR, Concern.ADMINS, email=True, in_digest=True
    ),
    EventKind.DEVICE_LOCK_DIGEST: _rule("即将锁死的设备（每日汇总）"),
    EventKind.BACKUP_FAILED: _rule("备份失败", Concern.ADMINS, email=True),
    EventKind.INSPECTION_FINISHED: _rule("定期检查完成", Concern.ADMINS),
    EventKind.WEBHOOK_DISABLED: _rule("Webhook 已停用", Concern.ADMINS, email=True),
    EventKind.AUDIT_CHECKPOINT: _rule("审计检查点（每日，供另行保管）"),
    EventKind.TEST: _rule("测试通知"),
}

SUBSCRIBABLE: tuple[EventKind, ...] = tuple(
    kind for kind in EventKind if kind not in (EventKind.TEST, EventKind.DEVICE_LOCK_DIGEST)
)
"""What channels and webhooks may be registered for.

A test goes to the one that is tested, a digest to whoever wants what it is made of.
"""

ROLES_OF: dict[Concern, frozenset[Role]] = {
    Concern.REVIEWERS: frozenset({Role.REVIEWER}),
    Concern.ADMINS: frozenset({Role.ADMIN}),
}
"""Roles meant by a concern; the other concerns name single accounts."""
