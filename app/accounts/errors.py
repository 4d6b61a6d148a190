"""Facts that stop a change of an account, with their codes."""

from app.errors import Conflict, Invalid


class NameTaken(Conflict):
    """Names are unique without regard to case."""

    code = "account.name_taken"
    title = "用户名已被使用"
    remedy = "请换一个用户名。"


class LastAdmin(Conflict):
    """Somebody must be able to administrate."""

    code = "account.last_admin"
    title = "这是最后一个可用的管理员账号"
    remedy = "请先为另一个账号分配管理员角色。"


class OwnAccount(Conflict):
    """One does not shut oneself out by mistake."""

    code = "account.own"
    title = "不能停用自己的账号"
    remedy = "请由另一位管理员操作。"


class LimitedRole(Invalid):
    """Accounts, keys, settings and the trail are of all enterprises: whoever sees some only has no such role."""

    code = "account.limited_role"
    title = "管理员和审计员涉及全部企业，不能限定可见企业"
    remedy = "改用操作员或审核员角色，或设为全部企业可见。"
