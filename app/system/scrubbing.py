"""Takes secrets out of text that leaves the system: the known ones by value, the rest by their form."""

import re
from collections.abc import Iterable
from urllib.parse import parse_qs, quote, unquote, urlsplit

HIDDEN = "***"
_SHORTEST = 6
"""A shorter value would blot out ordinary words."""
_KEY_LENGTH = 12

_FORMS = (
    re.compile(r"whsec_[A-Za-z0-9+/=]+"),
    re.compile(r"(?<=://)[^/\s@\"']+(?=@)"),  # user:password@ of an address
    re.compile(r"(?i)(?<=bearer )[A-Za-z0-9._~+/=-]+"),
    re.compile(r"(?i)\b(?:wecombot|dingtalk|feishu|smtps?|jsons?)://[^\s\"']+"),
    re.compile(r"aes-256-gcm\$[A-Za-z0-9_=-]+"),
    re.compile(r"\$argon2[a-z]*\$[^\s\"']+"),
    re.compile(r"(?i)[?&](?:access_token|key|token|sign|secret|password)=[^&\s\"']+"),
)


def secrets_in(address: str) -> list[str]:
    """What is secret in an address: its user and password, the values of its query, long parts of the path.

    A host counts too: robots have their key there. Short and ordinary parts are left alone.
    """
    try:
        parts = urlsplit(address)
        found = [parts.username or "", parts.password or "", parts.hostname or ""]
    except ValueError:
        return [address]
    found += [value for values in parse_qs(parts.query).values() for value in values]
    found += parts.path.split("/")
    plain = {unquote(one) for one in found} | set(found)
    return [one for one in plain if parts.password in (one, quote(one)) or _is_key(one)]


def _is_key(text: str) -> bool:
    """Long, with digits, and no name of a machine or a mailbox."""
    return len(text) >= _KEY_LENGTH and any(map(str.isdigit, text)) and not set(".@") & set(text)


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
