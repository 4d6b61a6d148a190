"""Takes secrets out of text that leaves the system: the known ones by value, the rest by their form."""

import re
from collections.abc import Iterable

HIDDEN = "***"
_SHORTEST = 6
"""A shorter value would blot out ordinary words."""

_FORMS = (
    re.compile(r"whsec_[A-Za-z0-9+/=]+"),
    re.compile(r"(?<=://)[^/\s@\"']+(?=@)"),  # user:password@ of an address
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]+"),
    re.compile(r"(?i)\b(?:wecombot|dingtalk|feishu|smtps?|jsons?)://[^\s\"']+"),
    re.compile(r"aes-256-gcm\$[A-Za-z0-9_=-]+"),
    re.compile(r"\$argon2[a-z]*\$[^\s\"']+"),
    re.compile(r"(?i)[?&](?:access_token|key|token|sign|secret|password)=[^&\s\"']+"),
)


class Scrubber:
    """Knows the secrets of this installation."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def clean(self, text: str) -> str:
        """The text with every secret replaced."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for form in _FORMS:
            text = form.sub(HIDDEN, text)
        return text
