"""The canonical form: deterministic, JSON, one reading only."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.audit.canonical import JSON, details_text, moment, plain, record_bytes

TEXTS = ("at", "actor_kind", "actor_id", "actor_name", "action", "object_type", "object_id", "ip")
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
fields = st.fixed_dictionaries({name: text for name in TEXTS} | {"algorithm": text})
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
details = st.dictionaries(text, json_values, max_size=3).map(details_text)


@given(fields, details, st.integers(1, 1 << 62))
def test_is_json_with_sorted_keys_and_gives_everything_back(
    values: dict[str, str], details: str, seq: int
) -> None:
    raw = record_bytes(seq=seq, details=details, version=1, **values)
    parsed = json.loads(raw)
    assert parsed == values | {"seq": seq, "details": json.loads(details), "version": 1}
    again = json.dumps(parsed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert again.encode() == raw


@given(fields, fields, details, details)
def test_different_columns_never_give_the_same_bytes(
    one: dict[str, Any], two: dict[str, Any], details_one: str, details_two: str
) -> None:
    same = one == two and details_one == details_two
    bytes_one = record_bytes(seq=1, details=details_one, **one)
    assert (bytes_one == record_bytes(seq=1, details=details_two, **two)) == same


def test_details_hold_what_the_product_has() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    given_details: dict[str, JSON] = {
        "b": Decimal("1284330.00"),
        "a": UUID(int=7),
        "day": date(2026, 11, 16),
        "at": datetime(2026, 11, 2, 9, 0, tzinfo=shanghai),
        "list": [1, None, True, "清卡"],
    }
    assert details_text(given_details) == (
        '{"a":"00000000-0000-0000-0000-000000000007","at":"2026-11-02T01:00:00.000000Z"'
        ',"b":"1284330.00","day":"2026-11-16","list":[1,null,true,"清卡"]}'
    )


def test_secrets_are_hidden_at_any_depth() -> None:
    text = details_text({"new_password": "hunter2", "agent": {"Token": "abc"}, "api_key_id": "k1"})
    assert text == '{"agent":{"Token":"***"},"api_key_id":"k1","new_password":"***"}'


def test_floats_are_refused() -> None:
    with pytest.raises(ValueError, match="float"):
        details_text({"ratio": 0.5})  # type: ignore[dict-item]


def test_lone_surrogates_and_control_characters_do_no_harm() -> None:
    assert details_text({"name": "a\ud800b\x00\n"}) == '{"name":"a?b\\u0000\\n"}'
    assert plain("x\r\nforged: line\x1b[31m\u2028\ud800", 40) == (
        "x\ufffd\ufffdforged: line\ufffd[31m\ufffd\ufffd"
    )
    assert plain("abcdef", 3) == "abc"


def test_times_are_utc_with_microseconds() -> None:
    assert moment(datetime(2026, 11, 2, tzinfo=UTC)) == "2026-11-02T00:00:00.000000Z"
    with pytest.raises(ValueError, match="time zone"):
        moment(datetime(2026, 11, 2))
