"""The rules of passwords (ASVS 5.0 V6.2): length, not common, not the name, not the old one."""

import secrets
from functools import cache
from importlib.resources import files

from app.errors import Invalid

MIN_LENGTH = 8
MAX_LENGTH = 128
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"


@cache
def _common_passwords() -> frozenset[str]:
    text = files("app.accounts").joinpath("data/common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(text.split())


def one_time_password() -> str:
    """A random password to be handed over and changed: 16 readable characters, about 79 bits."""
    groups = ("".join(secrets.choice(_READABLE) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def check_new_password(
    password: str, *, name: str, old: str | None = None, field: str = "new_password"
) -> None:
    """Raises Invalid, naming `field`, unless the password may be used."""
    fault = _fault(password, name, old)
    if fault:
        raise Invalid(errors={field: fault})


def _fault(password: str, name: str, old: str | None) -> str:
    folded = password.casefold()
    if len(password) < MIN_LENGTH:
        return f"密码至少 {MIN_LENGTH} 个字符"
    if len(password) > MAX_LENGTH:
        return f"密码最多 {MAX_LENGTH} 个字符"
    if password == old:
        return "新密码不能与原密码相同"
    if folded in _common_passwords() or len(set(folded)) <= 2:
        return "这个密码太常见，容易被猜到，请换一个"
    if name in folded and len(folded) - len(name) < MIN_LENGTH // 2:
        return "密码不能由用户名组成"
    return ""
