"""The first page: no number on it differs from the list it leads to, and a part is never called the whole."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.accounts.principal import Principal, Role

if TYPE_CHECKING:
    from tests.office import Office

Person = Callable[..., Principal]


def _tile(page: str, label: str) -> tuple[int, str]:
    """The number of a tile, and where it leads."""
    found = re.search(
        rf'<a class="tile[^"]*" href="([^"]+)"[^>]*>\s*<span class="k">.*?{label}</span>\s*'
        r'<span class="v">([\d,]+)',
        page,
    )
    assert found is not None, label
    return int(found.group(2).replace(",", "")), found.group(1).replace("&amp;", "&")


@pytest.mark.parametrize("role", list(Role))
def test_what_waits_for_a_review_is_counted_as_its_list_shows_it(
    app: FastAPI, office: "Office", client: TestClient, person: Person, role: Role
) -> None:
    for _ in range(3):
        office.submit(office.operator(), principal=person(Role.OPERATOR))
    app.state.principal = person(role)
    count, address = _tile(client.get("/").text, "待审核")
    assert count == 3
    rows = client.get(address).text.count('<a class="name" href="/clearing/requests/')
    assert rows == count


def test_a_part_of_what_is_to_do_is_not_called_the_whole(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    for _ in range(13):
        office.operator()
    app.state.principal = person(Role.OPERATOR)
    page = client.get("/").text
    assert "共 13 项，先列出 10 项" in page
    assert page.count('class="r act"') == 10


def test_who_reviews_finds_the_requests_among_what_is_to_do_but_never_the_own_ones(
    app: FastAPI, office: "Office", client: TestClient, person: Person
) -> None:
    reviewer = app.state.principal = person(Role.REVIEWER)
    other = office.submit(office.operator(), principal=person(Role.OPERATOR))
    own = office.submit(office.operator(), principal=reviewer)
    page = client.get("/").text
    tasks = page[page.index("现在要做的") : page.index("最近动态")]
    assert f"/clearing/requests/{other}" in tasks
    assert f"/clearing/requests/{own}" not in tasks
    app.state.principal = person(Role.AUDITOR)
    page = client.get("/").text
    assert (
        f"/clearing/requests/{other}" not in page[page.index("现在要做的") : page.index("最近动态")]
    )
