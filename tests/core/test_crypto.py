"""Sealed texts open only with their key, in their place, unaltered."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.crypto import ALGORITHM, NotOpened, seal, unseal

KEY = bytes(range(32))


@given(st.text(), st.text())
def test_opens_again(secret: str, context: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in secret + context):
        return
    assert unseal(KEY, seal(KEY, secret, context=context), context=context) == secret


def test_two_seals_of_one_secret_differ() -> None:
    assert seal(KEY, "secret", context="a") != seal(KEY, "secret", context="a")


def test_another_key_context_or_algorithm_does_not_open() -> None:
    sealed = seal(KEY, "secret", context="a")
    for key, text, context in (
        (bytes(32), sealed, "a"),
        (KEY, sealed, "b"),
        (KEY, sealed.replace(ALGORITHM, "rot13"), "a"),
        (KEY, "", "a"),
        (KEY, f"{ALGORITHM}$", "a"),
        (KEY, f"{ALGORITHM}$x", "a"),
    ):
        with pytest.raises(NotOpened):
            unseal(key, text, context=context)


def test_every_altered_bit_is_noticed() -> None:
    raw = base64.urlsafe_b64decode(seal(KEY, "secret", context="a").partition("$")[2])
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        text = f"{ALGORITHM}${base64.urlsafe_b64encode(changed).decode()}"
        with pytest.raises(NotOpened):
            unseal(KEY, text, context="a")
