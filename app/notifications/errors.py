"""What can go wrong with notifications, each a fact with a stable code and a remedy."""

from app.errors import Conflict, Invalid, NotFound, QingkaError


class ChannelNotFound(NotFound):
    code = "notification.channel_not_found"
    title = "没有找到通知渠道"


class WebhookNotFound(NotFound):
    code = "webhook.not_found"
    title = "没有找到 Webhook"


class DeliveryNotFound(NotFound):
    code = "notification.delivery_not_found"
    title = "没有找到投递记录"


class DeliveryPending(Conflict):
    """It is on its way already; a second one would only be a duplicate."""

    code = "notification.delivery_pending"
    title = "该通知正在等待投递"
    remedy = "等待投递完成；失败后可重发。"


class TargetOff(Conflict):
    """The channel or webhook is switched off or removed."""

    code = "notification.target_off"
    title = "接收方已停用或已移除"
    remedy = "先在系统设置中启用该渠道或 Webhook。"


class ChannelUrlInvalid(Invalid):
    code = "notification.url_invalid"
    title = "渠道地址无效"
    remedy = (
        "邮件：填写服务器、端口与发件地址；群机器人：粘贴企业微信、钉钉、飞书给出的 Webhook 地址。"
    )


class TargetForbidden(Invalid):
    """SSRF guard: the address leads into the own network; of webhooks, robots and mail servers."""

    code = "webhook.target_forbidden"
    title = "目标地址指向内部网络"
    remedy = "使用公网地址；确需内网接收时设置 QINGKA_WEBHOOK_ALLOW_PRIVATE=true。"


class TargetUnresolved(Invalid):
    code = "webhook.target_unresolved"
    title = "目标主机名无法解析"
    remedy = "检查主机名与本机的 DNS 设置。"


class WebhookFailed(QingkaError):
    """The receiver gave no answer of success."""

    status = 502
    code = "webhook.failed"
    title = "Webhook 接收方没有确认"
    remedy = "检查接收方：应在 15 秒内以 2xx 应答；系统会按退避间隔自动重试，也可手工重发。"


class ReceiverGone(QingkaError):
    """410: the receiver wants no more (Standard Webhooks)."""

    status = 502
    code = "webhook.gone"
    title = "接收方已声明不再接收（410）"
    remedy = "该 Webhook 已停用；接收方恢复后重新启用。"


class EmailFailed(QingkaError):
    status = 502
    code = "notification.email_failed"
    title = "邮件未能发送"
    remedy = "检查邮件服务器地址、端口、账号与网络；系统会自动重试，也可手工重发。"


class EmailRefused(QingkaError):
    """The server said no for good (SMTP 5xx)."""

    status = 502
    code = "notification.email_refused"
    title = "邮件服务器拒绝了该邮件"
    remedy = "核对收件地址、发件地址与发送权限后重发。"


class RobotFailed(QingkaError):
    status = 502
    code = "notification.robot_failed"
    title = "群机器人没有确认"
    remedy = "检查机器人的密钥、安全设置（关键词、签名）与网络；系统会自动重试，也可手工重发。"
