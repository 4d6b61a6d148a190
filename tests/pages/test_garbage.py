"""Whatever stands in an address or a form: the page says so in the product's own words."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any, get_args

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic_core.core_schema import ErrorType
from starlette.testclient import TestClient

from app import features
from app.core.ids import new_id
from app.core.messages import message
from app.core.templating import environment

GARBAGE = ["abc", "-1", "99999999999999999999", "2026-13-45", "x" * 3000, "\x00", "[]", "1e5"]
SENTENCE = re.compile(r"\b(?!qingka\b)[A-Za-z][a-z']*(?: [a-z']+){2,}")  # a command is none
_NO_PAGES = {"/clearing/requests/{request_id}/now"}
"""Asked by a script alone, which reads the status."""


def routes() -> list[APIRoute]:
    features.compose()
    return [route for route in features.page_router().routes if isinstance(route, APIRoute)]


def of_all(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for one in dependant.dependencies:
        yield from of_all(one)


def names(route: APIRoute, place: str) -> set[str]:
    return {
        field.alias for one in of_all(route.dependant) for field in getattr(one, f"{place}_params")
    }


def asked() -> list[Any]:
    """Every parameter of the address of every page that is read."""
    return [
        pytest.param(route.path, name, id=f"{route.path}?{name}")
        for route in routes()
        for name in sorted(names(route, "query"))
        if "GET" in (route.methods or ()) and route.path not in _NO_PAGES
    ]


def said(html: str) -> str:
    """What stands on the page, without marks and what was typed into it."""
    main = html[html.index("<main") :]
    return unescape(
        re.sub(r"<(?:script|style).*?</(?:script|style)>|<[^>]*>", " ", main, flags=re.S)
    )


@pytest.mark.parametrize(("path", "name"), asked())
def test_garbage_in_an_address_is_answered_in_chinese(
    client: TestClient, path: str, name: str
) -> None:
    address = re.sub(r"\{\w+\}", str(new_id()), path)
    for value in GARBAGE:
        answer = client.get(address, params={name: value}, follow_redirects=False)
        assert answer.status_code < 500, (value, answer.status_code)
        if answer.headers.get("content-type", "").startswith("text/html"):
            words = said(answer.text).replace(value, "")
            assert SENTENCE.search(words) is None, (value, SENTENCE.search(words))
        if answer.status_code == 422:
            assert f"{name}：" not in said(answer.text)


def test_every_parameter_of_a_page_has_a_name_people_know() -> None:
    module: Any = environment().get_template("words.html").module
    known = module.FIELDS
    wanted = {name for route in routes() for name in names(route, "query") | names(route, "body")}
    assert sorted(wanted - set(known)) == []


def test_a_limit_that_is_no_number(client: TestClient) -> None:
    page = client.get("/audit?limit=abc")
    assert page.status_code == 422
    assert "每页条数：请填写整数" in said(page.text)
    assert "返回首页" in said(page.text)


@pytest.mark.parametrize("path", ["/devices/abc", "/clearing/operators/1", "/nowhere"])
def test_an_address_that_leads_nowhere_is_a_page_of_the_product(
    client: TestClient, path: str
) -> None:
    page = client.get(path)
    assert page.status_code == 404
    assert 'class="nav"' in page.text
    assert "返回首页" in page.text


def test_a_wrong_method_is_told_in_chinese(client: TestClient) -> None:
    page = client.post("/clearing/records")
    assert page.status_code == 405
    assert "这个地址不能这样使用" in said(page.text)
    assert SENTENCE.search(said(page.text)) is None


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_every_error_pydantic_knows_has_a_chinese_sentence(kind: str) -> None:
    numbers = "gt ge lt le multiple_of min_length max_length max_digits decimal_places whole_digits"
    context = {name: 3 for name in numbers.split()} | {"expected": "'a' or 'b'"}
    text = message({"type": kind, "msg": "Input should be something", "ctx": context})
    assert re.search(r"[一-鿿]", text)
    assert SENTENCE.search(text) is None


def test_programs_are_told_which_values_there_are() -> None:
    item = {"type": "literal_error", "msg": "", "ctx": {"expected": "'a', 'b' or 'c'"}}
    assert message(item, values=True) == "只能是：a、b、c"
    assert message(item) == "请选择列表中的一项"


def test_what_a_rule_of_ours_says_is_kept() -> None:
    assert message({"type": "value_error", "msg": "Value error, 属期不存在"}) == "属期不存在"
    assert message({"type": "string_too_short", "msg": "", "ctx": {"min_length": 1}}) == "必填"
