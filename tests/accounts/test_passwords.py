"""Rules of passwords."""

import pytest

from app.accounts.service.passwords import (
    _common_passwords,
    check_new_password,
    one_time_password,
)
from app.errors import Invalid


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("short7!", "至少"),
        ("x7" * 65, "最多"),
        ("Password123", "常见"),
        ("WOAINI1314", "常见"),
        ("zzzzzzzzzzzz", "常见"),
        ("wangxiaomei12", "用户名"),
        ("correct horse battery", "原密码"),
    ],
)
def test_refused(password: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_new_password(password, name="wangxiaomei", old="correct horse battery")
    assert message in caught.value.errors["new_password"]


@pytest.mark.parametrize(
    "password", ["tr0ub4dor&3x", "四个不相关的词语", " spaces count ", "y7m4" * 32]
)
def test_accepted(password: str) -> None:
    check_new_password(password, name="wangxiaomei", old="something else")


def test_the_list_of_common_ones_is_useful() -> None:
    words = _common_passwords()
    assert len(words) >= 3000, "ASVS 6.2.4 asks for the 3,000 most used"
    assert all(len(word) >= 8 and word == word.casefold() for word in words)


def test_one_time_passwords_pass_their_own_rules() -> None:
    made = {one_time_password() for _ in range(50)}
    assert len(made) == 50
    for password in made:
        check_new_password(password, name="anna")
