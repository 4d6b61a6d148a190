"""The terms an operator is found by, and the words of a query: pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.operators.search import MAX_WORDS, query_words, search_terms

TERMS = search_terms(
    code="KP-0012", name="单晓梅", department="财务部", device_numbers=["661814461322"]
)


def _finds(terms: list[str], q: str) -> bool:
    """What both databases do: every word begins some term."""
    words = query_words(q)
    return bool(words) and all(any(term.startswith(word) for term in terms) for word in words)


@pytest.mark.parametrize(
    "q",
    [
        "单晓梅",
        "晓梅",
        "梅",
        "danxiaomei",
        "shanxiaomei",
        "xiaomei",
        "xm",
        "sxm",
        "SXM",
        "ｓｘｍ",
        "KP-0012",
        "kp0012",
        "0012",
        "12",
        "财务",
        "caiwu",
        "cwb",
        "661814461322",
        "6618",
        "1322",
        "4461322",
        "单 财务 1322",
        "xm KP",
        "单xm",
    ],
)
def test_found_by(q: str) -> None:
    assert _finds(TERMS, q)


@pytest.mark.parametrize("q", ["322", "王", "xiaoming", "单 仓储", "", "  ", "---", "'\"*:&|!()"])
def test_not_found_by(q: str) -> None:
    assert not _finds(TERMS, q)


@pytest.mark.parametrize(
    ("name", "q"),
    [
        ("吕布", "lvbu"),
        ("吕布", "lubu"),
        ("吕布", "lyubu"),
        ("曾志伟", "zengzhiwei"),
        ("曾志伟", "zzw"),
        ("尉迟恭", "yuchigong"),
        ("万俟咏", "moqiyong"),
        ("长孙无忌", "zhangsun"),
        ("查良镛", "zha"),
        ("解缙", "xiejin"),
        ("仇英", "qiuying"),
        ("区大相", "oudaxiang"),
        ("阿里 Ali·买买提", "ali"),
        ("阿里 Ali·买买提", "买买提"),
        ("阿里 Ali·买买提", "mmt"),
        ("𫠆明", "𫠆"),
        ("İnci", "i"),
    ],
)
def test_surnames_and_other_scripts(name: str, q: str) -> None:
    assert _finds(search_terms(code="x", name=name, department="", device_numbers=[]), q)


def test_many_words_are_cut() -> None:
    assert len(query_words(" ".join(str(number) for number in range(100)))) == MAX_WORDS


@given(st.text(max_size=80), st.text(max_size=40))
def test_terms_and_words_are_plain_letters_and_digits(name: str, code: str) -> None:
    terms = search_terms(code=code, name=name, department=name, device_numbers=[code])
    for word in [*terms, *query_words(name)]:
        assert word.isalnum()
        assert word == word.casefold() or not word.isascii()


@given(st.text(min_size=1, max_size=30))
def test_whatever_is_typed_as_a_name_finds_that_name(name: str) -> None:
    terms = search_terms(code="x", name=name, department="", device_numbers=[])
    words = query_words(name)
    assert all(any(term.startswith(word) for term in terms) for word in words)
