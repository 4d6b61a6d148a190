"""纳税人识别号: how a tax number is written and checked (docs/domain.md, rule 12).

Eighteen characters are a unified social credit code (统一社会信用代码, GB 32100-2015) with a check
character; numbers of 15, 17 and 20 characters are older ones without a check. The inner check digit of
the organisation code is deliberately not enforced: valid codes in use violate it.
"""

import re

_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))
_UNCHECKED = re.compile(r"[0-9A-Z]{15}|[0-9A-Z]{17}|[0-9A-Z]{20}")
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


def check_character(first17: str) -> str:
    """The 18th character of a unified social credit code that begins with `first17`.

    Raises ValueError when `first17` is not 17 characters of the code's alphabet (no I O S V Z).
    """
    if len(first17) != 17 or any(character not in _ALPHABET for character in first17):
        raise ValueError("统一社会信用代码前 17 位应为数字或大写字母（不含 I、O、S、V、Z）")
    total = sum(
        _ALPHABET.index(character) * weight
        for character, weight in zip(first17, _WEIGHTS, strict=True)
    )
    return _ALPHABET[(31 - total % 31) % 31]


def normalize_tax_no(text: str) -> str:
    """`text` as it is stored and compared: full-width made half-width, trimmed, upper case."""
    return text.translate(_HALF_WIDTH).strip().upper()


def is_valid_tax_no(text: str) -> bool:
    """Whether a normalised tax number has a valid form and, with 18 characters, a right check."""
    if len(text) == 18:
        return _has_right_check(text)
    return _UNCHECKED.fullmatch(text) is not None


def _has_right_check(code: str) -> bool:
    if any(character not in _ALPHABET for character in code):
        return False
    return check_character(code[:17]) == code[17]
