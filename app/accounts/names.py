"""Login names: compared without regard to case and width."""

import re
import unicodedata

from app.errors import Invalid

_NAME = re.compile(r"[\w.@+-]{1,64}")


def normalize_name(text: str) -> str:
    """The form a name is stored and looked up in: NFKC, trimmed, case-folded."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def is_name(name: str) -> bool:
    """Whether a normalised name can be an account's: 1 to 64 letters, digits or `. _ - @ +`."""
    return _NAME.fullmatch(name) is not None


def checked_name(text: str) -> str:
    """The normalised name. Raises Invalid unless it can be one."""
    name = normalize_name(text)
    if not is_name(name):
        raise Invalid(errors={"name": "用户名为 1 至 64 个字母、汉字、数字或 . _ - @ +，不含空格"})
    return name


def checked_display_name(text: str, fallback: str) -> str:
    """The name shown on pages, at most 64 characters on one line; empty: `fallback`."""
    shown = " ".join(text.split()) or fallback
    if len(shown) > 64 or not shown.isprintable():
        raise Invalid(errors={"display_name": "显示名最多 64 个字符"})
    return shown
