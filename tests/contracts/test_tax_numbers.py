"""GB 32100-2015 check characters and the other forms of a tax number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contracts.tax_numbers import check_character, is_valid_tax_no, normalize_tax_no

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
KNOWN = ["91350100M000100Y43", "91110000600037341L", "914403001922038216"]


@pytest.mark.parametrize("code", KNOWN)
def test_published_codes_are_valid(code: str) -> None:
    assert check_character(code[:17]) == code[17]
    assert is_valid_tax_no(code)


@given(st.text(alphabet=ALPHABET, min_size=17, max_size=17), st.sampled_from(range(18)), st.data())
def test_any_single_wrong_character_is_found(first17: str, place: int, data: st.DataObject) -> None:
    code = first17 + check_character(first17)
    other = data.draw(st.sampled_from(ALPHABET.replace(code[place], "")))
    assert is_valid_tax_no(code)
    assert not is_valid_tax_no(code[:place] + other + code[place + 1 :])


@pytest.mark.parametrize(
    "first17", ["", "9" * 16, "9" * 18, "9135010OM000100Y4", "91350100m000100Y4"]
)
def test_check_character_refuses_what_cannot_be_a_code(first17: str) -> None:
    with pytest.raises(ValueError, match="统一社会信用代码"):
        check_character(first17)


@pytest.mark.parametrize("letter", "IOSVZ")
def test_letters_outside_the_alphabet_are_invalid(letter: str) -> None:
    assert not is_valid_tax_no("9135010" + letter + "M000100Y43"[:10])


@pytest.mark.parametrize("length", [15, 17, 20])
def test_older_numbers_have_no_check(length: int) -> None:
    assert is_valid_tax_no("1A" * (length // 2) + "3" * (length % 2))


@pytest.mark.parametrize(
    "text", ["", "123", "1" * 14, "1" * 16, "1" * 19, "1" * 21, "12345678901234-"]
)
def test_other_forms_are_invalid(text: str) -> None:
    assert not is_valid_tax_no(text)


def test_normalising_trims_raises_and_narrows() -> None:
    assert normalize_tax_no(" ９１３５０１００Ｍ０００１００ｙ４３\u3000\n") == "91350100M000100Y43"
