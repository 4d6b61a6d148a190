"""The one hierarchy of errors that may be shown to a person or a calling system.

An error is a fact (`RequestAlreadyReviewed`), defined next to the rule it expresses, with a status, a
stable code, a sentence and a remedy. `error_handlers` renders it as problem+json and as a page.
"""

from typing import Any, ClassVar


class QingkaError(Exception):
    """Base. Subclasses set the class attributes; `detail` says what exactly happened this time."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "系统内部错误"
    remedy: ClassVar[str] = "请稍后重试；仍然出现时收集诊断信息并联系技术支持。"
    page_redirect: ClassVar[str] = ""
    """Where a browser is sent instead of being shown an error page; empty: nowhere."""

    def __init__(
        self,
        detail: str = "",
        *,
        errors: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = errors or {}
        self.headers = headers or {}
        self.extensions: dict[str, Any] = {}
        """Further members of the problem (RFC 9457, 3.2), for programs."""


class NotFound(QingkaError):
    status = 404
    code = "not_found"
    title = "没有找到"
    remedy = "它可能已被删除，或您没有查看的权限。请返回列表重新查找。"


class Forbidden(QingkaError):
    status = 403
    code = "forbidden"
    title = "没有权限"
    remedy = "请联系管理员为您的账号分配所需的角色。"


class Unauthenticated(QingkaError):
    status = 401
    code = "unauthenticated"
    title = "需要登录"
    remedy = "请登录，或检查 API 密钥。"


class Invalid(QingkaError):
    """Input that breaks a rule; `errors` maps fields to messages."""

    status = 422
    code = "invalid"
    title = "输入有误"
    remedy = "请按提示修改后重新提交。"


class Conflict(QingkaError):
    status = 409
    code = "conflict"
    title = "与当前状态冲突"
    remedy = "请刷新页面，查看最新状态后再操作。"


class PreconditionFailed(QingkaError):
    status = 412
    code = "stale"
    title = "数据已被他人修改"
    remedy = "请重新读取后再修改。"


class TooManyRequests(QingkaError):
    status = 429
    code = "rate_limited"
    title = "操作过于频繁"
    remedy = "请稍候再试。"


class PayloadTooLarge(QingkaError):
    status = 413
    code = "too_large"
    title = "提交的内容过大"
    remedy = "请减小文件或内容后重试。"


class BodyTooSlow(QingkaError):
    """The body of a request did not come in the time it has."""

    status = 408
    code = "body.timeout"
    title = "提交的内容没有及时传完"
    remedy = "请检查网络后重试。"


class BodyAmbiguous(QingkaError):
    """Content-Length beside Transfer-Encoding: two readers could see two different requests."""

    status = 400
    code = "body.ambiguous"
    title = "请求同时给出 Content-Length 与 Transfer-Encoding，已拒绝"
    remedy = "请检查客户端或代理，只用其中一个。"


class BadGateway(QingkaError):
    """A device or an agent could not be used."""

    status = 502
    code = "gateway"
    title = "设备或代理不可用"
    remedy = "请检查设备与代理后重试。"
