"""The words an operator is found by, and the words of a query. Pure: no database.

A query word finds an operator when one of the operator's terms begins with it; every word has to.
So that 晓梅, xiaomei, xm, 0012 and 1322 find 王晓梅 KP0012 with device 661814461322, every place a word
may begin at is a term of its own: each character of a name, each syllable of its pinyin, each initial,
each run of digits of a code, each digit of a device number.

Terms hold only letters and digits, lower case, in Unicode form NFKC: nothing in them means anything
to a query language of a database.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from re import finditer

MAX_WORDS = 8
MAX_WORD_LENGTH = 40
_NUMBER_SUFFIX = 4
"""Shortest end of a device number that finds it."""

_MAX_READINGS = 4

_SURNAMES = {
    "单": ("shan",),
    "区": ("ou",),
    "仇": ("qiu",),
    "朴": ("piao",),
    "盖": ("ge",),
    "查": ("zha",),
    "解": ("xie",),
    "曾": ("zeng",),
    "尉迟": ("yu", "chi"),
    "万俟": ("mo", "qi"),
    "长孙": ("zhang", "sun"),
    "单于": ("chan", "yu"),
    "澹台": ("tan", "tai"),
}
"""Readings of surnames that a dictionary of common words gives otherwise or not at all."""


def search_terms(
    *, code: str, name: str, department: str, device_numbers: Iterable[str]
) -> list[str]:
    """All terms of an operator, without duplicates, in order."""
    terms = {*_code_terms(code), *_name_terms(name), *_name_terms(department)}
    for number in device_numbers:
        terms.update(_number_terms(number))
    return sorted(terms - {""})


def query_words(text: str) -> list[str]:
    """The words of what a person typed; empty when there is not one letter or digit in it."""
    words = dict.fromkeys(word[:MAX_WORD_LENGTH] for word in _words(text))
    return list(words)[:MAX_WORDS]


def _words(text: str) -> list[str]:
    """Letters and digits, cut where ASCII meets another script: 王xm is 王 and xm."""
    return ["".join(group) for kind, group in groupby(_folded(text), _kind) if kind]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _kind(character: str) -> int:
    if not character.isalnum():
        return 0
    return 1 if character.isascii() else 2


def _suffixes(parts: list[str]) -> Iterator[str]:
    for start in range(len(parts)):
        yield "".join(parts[start:])


def _code_terms(code: str) -> Iterator[str]:
    """The code without its punctuation, its ends from each run of digits, each of its words."""
    words = _words(code)
    whole = "".join(words)
    yield from words
    yield whole
    for digits in finditer(r"\d+", whole):
        yield whole[digits.start() :]
        short = digits.group().lstrip("0")
        if short:
            yield short


@lru_cache(maxsize=4096)
def _name_terms(text: str) -> frozenset[str]:
    terms: set[str] = set()
    for word in _words(text):
        if word.isascii():
            terms.add(word)
        else:
            terms.update(_suffixes(list(word)))
            terms.update(_pinyin_terms(word))
    return frozenset(terms)


def _pinyin_terms(word: str) -> Iterator[str]:
    """Full pinyin and initials from every character on, each reading of the first one tried."""
    # Its dictionaries take a quarter of a second and 55 MB: only who indexes a name pays for them.
    from pypinyin import Style, lazy_pinyin

    plain = [syllable for syllable in lazy_pinyin(word, style=Style.NORMAL) if syllable]
    yield from _spellings(plain)
    if len(plain) != len(word):
        return
    for start in range(len(word)):
        for reading in _readings(word[start]):
            yield from _spelling([reading, *plain[start + 1 :]])
    for surname, syllables in _SURNAMES.items():
        if word.startswith(surname):
            yield from _spelling([*syllables, *plain[len(surname) :]])


@lru_cache(maxsize=8192)
def _readings(character: str) -> tuple[str, ...]:
    from pypinyin import Style, pinyin

    found = pinyin(character, style=Style.NORMAL, heteronym=True)
    return tuple(found[0][:_MAX_READINGS]) if found else ()


def _spellings(syllables: list[str]) -> Iterator[str]:
    for start in range(len(syllables)):
        yield from _spelling(syllables[start:])


def _spelling(syllables: list[str]) -> Iterator[str]:
    """The syllables run together, with ü typed v, u or yu; and their initials."""
    full = "".join(_words("".join(syllables)))
    yield full
    if "v" in full:
        yield full.replace("v", "u")
        yield full.replace("v", "yu")
    yield "".join(syllable[0] for syllable in syllables)


def _number_terms(number: str) -> Iterator[str]:
    whole = "".join(_words(number))
    yield whole
    for start in range(1, len(whole) - _NUMBER_SUFFIX + 1):
        yield whole[start:]
