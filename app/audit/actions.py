"""Every action the trail knows, `subject.verb`, each with its Chinese label."""

from enum import StrEnum


class AuditAction(StrEnum):
    """What was done. Values are stored and hashed: add new ones, never rename."""

    ACCOUNT_SIGNED_IN = "account.signed_in"
    ACCOUNT_SIGN_IN_FAILED = "account.sign_in_failed"
    ACCOUNT_LOCKED = "account.locked"
    ACCOUNT_UNLOCKED = "account.unlocked"
    ACCOUNT_SIGNED_OUT = "account.signed_out"
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_ROLES_CHANGED = "account.roles_changed"
    ACCOUNT_PASSWORD_CHANGED = "account.password_changed"  # noqa: S105
    ACCOUNT_PASSWORD_RESET = "account.password_reset"  # noqa: S105
    ACCOUNT_TOTP_ENABLED = "account.totp_enabled"
    ACCOUNT_TOTP_DISABLED = "account.totp_disabled"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    SESSION_ENDED = "session.ended"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    API_KEY_HANDED_OVER = "api_key.handed_over"
    API_KEY_LIMITED = "api_key.limited"
    STEP_UP_SUCCEEDED = "step_up.succeeded"
    STEP_UP_FAILED = "step_up.failed"
    ACCESS_REFUSED = "access.refused"
    ENTERPRISE_CREATED = "enterprise.created"
    ENTERPRISE_CHANGED = "enterprise.changed"
    ENTERPRISE_HANDED_OVER = "enterprise.handed_over"
    OPERATOR_CREATED = "operator.created"
    OPERATOR_CHANGED = "operator.changed"
    OPERATOR_EXPORTED = "operator.exported"
    DEVICE_REGISTERED = "device.registered"
    DEVICE_CHANGED = "device.changed"
    DEVICE_READ = "device.read"
    DEVICE_CLOCK_SET = "device.clock_set"
    DEVICE_HANDED_OVER = "device.handed_over"
    DEVICE_RETIRED = "device.retired"
    AGENT_REGISTERED = "agent.registered"
    AGENT_CHANGED = "agent.changed"
    AGENT_REMOVED = "agent.removed"
    AGENT_ENROLLMENT_CREATED = "agent.enrollment_created"
    AGENT_ENROLLED = "agent.enrolled"
    INVOICE_CREATED = "invoice.created"
    INVOICE_IMPORTED = "invoice.imported"
    INVOICE_CHANGED = "invoice.changed"
    INVOICE_ISSUED = "invoice.issued"
    INVOICE_DELETED = "invoice.deleted"
    CLEARING_SUBMITTED = "clearing.submitted"
    CLEARING_APPROVED = "clearing.approved"
    CLEARING_REJECTED = "clearing.rejected"
    CLEARING_SCHEDULED = "clearing.scheduled"
    CLEARING_CANCELLED = "clearing.cancelled"
    CLEARING_EXECUTED = "clearing.executed"
    CLEARING_STARTED = "clearing.started"
    CLEARING_RETRIED = "clearing.retried"
    CLEARING_SUCCEEDED = "clearing.succeeded"
    CLEARING_FAILED = "clearing.failed"
    CLEARING_NEEDS_ATTENTION = "clearing.needs_attention"
    CLEARING_DECIDED = "clearing.decided"
    CLEARING_CONFIRMED = "clearing.confirmed"
    CLEARING_ATTACHED = "clearing.attached"
    CLEARING_CHECKLIST_CHANGED = "clearing.checklist_changed"
    CLEARING_WARNINGS_ACCEPTED = "clearing.warnings_accepted"
    CLEARING_HANDED_OVER = "clearing.handed_over"
    CLEARING_EXPORTED = "clearing.exported"
    BATCH_CREATED = "batch.created"
    BATCH_PREPARED = "batch.prepared"
    BATCH_PAUSED = "batch.paused"
    BATCH_RESUMED = "batch.resumed"
    BATCH_RETRIED = "batch.retried"
    BATCH_EXPORTED = "batch.exported"
    RECONCILIATION_RUN = "reconciliation.run"
    RECONCILIATION_HANDLED = "reconciliation.handled"
    BACKUP_CREATED = "backup.created"
    BACKUP_FAILED = "backup.failed"
    BACKUP_VERIFIED = "backup.verified"
    BACKUP_VERIFICATION_FAILED = "backup.verification_failed"
    BACKUP_RESTORED = "backup.restored"
    BACKUP_DOWNLOADED = "backup.downloaded"
    BACKUP_DELETED = "backup.deleted"
    BACKUP_DRILLED = "backup.drilled"
    BACKUP_REENCRYPTED = "backup.reencrypted"
    CALENDAR_OVERRIDDEN = "calendar.overridden"
    CALENDAR_OVERRIDE_REMOVED = "calendar.override_removed"
    INSPECTION_RUN = "inspection.run"
    MAINTENANCE_RUN = "maintenance.run"
    NOTIFICATION_CHANNEL_CHANGED = "notification_channel.changed"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_REMOVED = "webhook.removed"
    WEBHOOK_REPLAYED = "webhook.replayed"
    SETTING_CHANGED = "setting.changed"
    ROOT_KEY_REPLACED = "system.root_key_replaced"
    AUDIT_VERIFIED = "audit.verified"
    AUDIT_VERIFICATION_FAILED = "audit.verification_failed"
    AUDIT_CHECKPOINTED = "audit.checkpointed"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_EVIDENCE_ADOPTED = "audit.evidence_adopted"
    AUDIT_RESTORE_ACCEPTED = "audit.restore_accepted"
    DIAGNOSTICS_COLLECTED = "diagnostics.collected"
    SYSTEM_STARTED = "system.started"
    SYSTEM_STOPPED = "system.stopped"
    SYSTEM_MIGRATED = "system.migrated"

    @property
    def label(self) -> str:
        """As pages name it."""
        return LABELS[self]


LABELS: dict[AuditAction, str] = {
    AuditAction.ACCOUNT_SIGNED_IN: "登录",
    AuditAction.ACCOUNT_SIGN_IN_FAILED: "登录失败",
    AuditAction.ACCOUNT_LOCKED: "账号锁定",
    AuditAction.ACCOUNT_UNLOCKED: "账号解锁",
    AuditAction.ACCOUNT_SIGNED_OUT: "退出登录",
    AuditAction.ACCOUNT_CREATED: "新建账号",
    AuditAction.ACCOUNT_CHANGED: "修改账号",
    AuditAction.ACCOUNT_ROLES_CHANGED: "变更角色",
    AuditAction.ACCOUNT_PASSWORD_CHANGED: "修改密码",
    AuditAction.ACCOUNT_PASSWORD_RESET: "重置密码",
    AuditAction.ACCOUNT_TOTP_ENABLED: "启用动态口令",
    AuditAction.ACCOUNT_TOTP_DISABLED: "停用动态口令",
    AuditAction.ACCOUNT_DISABLED: "停用账号",
    AuditAction.ACCOUNT_ENABLED: "启用账号",
    AuditAction.SESSION_ENDED: "结束会话",
    AuditAction.API_KEY_CREATED: "新建 API 密钥",
    AuditAction.API_KEY_REVOKED: "吊销 API 密钥",
    AuditAction.API_KEY_HANDED_OVER: "移交 API 密钥",
    AuditAction.API_KEY_LIMITED: "限定 API 密钥的企业",
    AuditAction.STEP_UP_SUCCEEDED: "验证用户身份",
    AuditAction.STEP_UP_FAILED: "验证用户身份失败",
    AuditAction.ACCESS_REFUSED: "拒绝访问",
    AuditAction.ENTERPRISE_CREATED: "新建企业",
    AuditAction.ENTERPRISE_CHANGED: "修改企业",
    AuditAction.ENTERPRISE_HANDED_OVER: "移交企业",
    AuditAction.OPERATOR_CREATED: "新建操作员",
    AuditAction.OPERATOR_CHANGED: "修改操作员",
    AuditAction.OPERATOR_EXPORTED: "导出操作员",
    AuditAction.DEVICE_REGISTERED: "登记设备",
    AuditAction.DEVICE_CHANGED: "修改设备",
    AuditAction.DEVICE_READ: "读取设备",
    AuditAction.DEVICE_CLOCK_SET: "校准设备时钟",
    AuditAction.DEVICE_HANDED_OVER: "移交设备",
    AuditAction.DEVICE_RETIRED: "注销设备",
    AuditAction.AGENT_REGISTERED: "登记设备代理",
    AuditAction.AGENT_CHANGED: "修改设备代理",
    AuditAction.AGENT_REMOVED: "移除设备代理",
    AuditAction.AGENT_ENROLLMENT_CREATED: "生成设备代理登记码",
    AuditAction.AGENT_ENROLLED: "设备代理自行登记",
    AuditAction.INVOICE_CREATED: "新增发票",
    AuditAction.INVOICE_IMPORTED: "导入发票",
    AuditAction.INVOICE_CHANGED: "修改发票",
    AuditAction.INVOICE_ISSUED: "草稿开具完成",
    AuditAction.INVOICE_DELETED: "删除草稿",
    AuditAction.CLEARING_SUBMITTED: "提交清卡申请",
    AuditAction.CLEARING_APPROVED: "通过清卡申请",
    AuditAction.CLEARING_REJECTED: "驳回清卡申请",
    AuditAction.CLEARING_SCHEDULED: "预约清卡",
    AuditAction.CLEARING_CANCELLED: "取消清卡申请",
    AuditAction.CLEARING_EXECUTED: "执行清卡",
    AuditAction.CLEARING_STARTED: "清卡开始",
    AuditAction.CLEARING_RETRIED: "重试清卡",
    AuditAction.CLEARING_SUCCEEDED: "清卡成功",
    AuditAction.CLEARING_FAILED: "清卡失败",
    AuditAction.CLEARING_NEEDS_ATTENTION: "清卡结果待查",
    AuditAction.CLEARING_DECIDED: "人工认定清卡结果",
    AuditAction.CLEARING_CONFIRMED: "确认清卡成功",
    AuditAction.CLEARING_ATTACHED: "添加异常清卡附件",
    AuditAction.CLEARING_CHECKLIST_CHANGED: "更改异常清卡清单",
    AuditAction.CLEARING_WARNINGS_ACCEPTED: "确认清卡提醒",
    AuditAction.CLEARING_HANDED_OVER: "移交清卡申请",
    AuditAction.CLEARING_EXPORTED: "导出清卡记录",
    AuditAction.BATCH_CREATED: "批量清卡",
    AuditAction.BATCH_PREPARED: "批量清卡的申请已生成",
    AuditAction.BATCH_PAUSED: "暂停批量清卡",
    AuditAction.BATCH_RESUMED: "继续批量清卡",
    AuditAction.BATCH_RETRIED: "重试批量清卡中失败的申请",
    AuditAction.BATCH_EXPORTED: "导出批量清卡结果",
    AuditAction.RECONCILIATION_RUN: "执行核对",
    AuditAction.RECONCILIATION_HANDLED: "处理核对差异",
    AuditAction.BACKUP_CREATED: "创建备份",
    AuditAction.BACKUP_FAILED: "备份失败",
    AuditAction.BACKUP_VERIFIED: "校验备份",
    AuditAction.BACKUP_VERIFICATION_FAILED: "备份校验失败",
    AuditAction.BACKUP_RESTORED: "恢复备份",
    AuditAction.BACKUP_DOWNLOADED: "下载备份",
    AuditAction.BACKUP_DELETED: "清理备份",
    AuditAction.BACKUP_DRILLED: "恢复演练",
    AuditAction.BACKUP_REENCRYPTED: "备份重新加密",
    AuditAction.CALENDAR_OVERRIDDEN: "调整申报期限",
    AuditAction.CALENDAR_OVERRIDE_REMOVED: "取消申报期限调整",
    AuditAction.INSPECTION_RUN: "执行定期检查",
    AuditAction.MAINTENANCE_RUN: "执行系统维护",
    AuditAction.NOTIFICATION_CHANNEL_CHANGED: "修改通知渠道",
    AuditAction.WEBHOOK_CREATED: "新建 Webhook",
    AuditAction.WEBHOOK_CHANGED: "修改 Webhook",
    AuditAction.WEBHOOK_REMOVED: "移除 Webhook",
    AuditAction.WEBHOOK_REPLAYED: "重发 Webhook",
    AuditAction.SETTING_CHANGED: "修改设置",
    AuditAction.ROOT_KEY_REPLACED: "更换系统密钥",
    AuditAction.AUDIT_VERIFIED: "验证审计链",
    AuditAction.AUDIT_VERIFICATION_FAILED: "审计链验证失败",
    AuditAction.AUDIT_CHECKPOINTED: "签发审计检查点",
    AuditAction.AUDIT_EXPORTED: "导出审计记录",
    AuditAction.AUDIT_EVIDENCE_ADOPTED: "原有资料纳入审计链",
    AuditAction.AUDIT_RESTORE_ACCEPTED: "认可恢复自较早的备份",
    AuditAction.DIAGNOSTICS_COLLECTED: "收集诊断信息",
    AuditAction.SYSTEM_STARTED: "系统启动",
    AuditAction.SYSTEM_STOPPED: "系统停止",
    AuditAction.SYSTEM_MIGRATED: "升级数据库结构",
}

OBJECT_LABELS: dict[str, str] = {
    "account": "账号",
    "agent": "设备代理",
    "api_key": "API 密钥",
    "audit": "审计链",
    "audit_checkpoint": "审计检查点",
    "backup": "备份",
    "calendar_override": "申报期限调整",
    "clearing_batch": "批量清卡",
    "clearing_record": "清卡记录",
    "clearing_request": "清卡申请",
    "device": "税控设备",
    "enterprise": "企业",
    "inspection": "定期检查",
    "invoice": "发票",
    "notification_channel": "通知渠道",
    "operator": "操作员",
    "permission": "权限",
    "reconciliation": "核对",
    "reconciliation_difference": "核对差异",
    "session": "会话",
    "setting": "设置",
    "system": "系统",
    "webhook": "Webhook",
}
"""Words for types of objects on pages; one that is not here is shown by its name."""
