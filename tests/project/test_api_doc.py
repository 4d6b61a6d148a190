"""docs/api.md says of the REST API what the code says: paths, scopes, states, codes, limits."""

import re
from collections.abc import Iterator

import pytest
from starlette.routing import BaseRoute, Route

from app.accounts import presence
from app.accounts.principal import Permission
from app.clearing.states import Outcome, RequestState
from app.contracts.faults import FAULTS
from app.core import bodies, pagination, sse
from app.main import create_app
from app.settings import ROOT, AgentMode, Settings
from app.system import queries

TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SERVER = TEXT.split("\n## Agents\n")[0]
_CALL = re.compile(r"`(GET|POST|PATCH|DELETE) (/[a-z/{}-]+)")
_CODE = re.compile(
    r"`((?:backup|batch|body|certificate|clearing|cursor|idempotency|request|review|streams)\.[a-z_]+)`"
)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """Method and path of every route below /api/v1, with `{id}` for what stands in braces."""
    folder = tmp_path_factory.mktemp("api-doc")
    app = create_app(Settings(data_dir=folder, agent=AgentMode.OFF))
    return {
        (method, _plain(route.path.removeprefix("/api/v1")))
        for route in _routes(app.routes)
        if route.path.startswith("/api/v1/")
        for method in route.methods or ()
    }


def _routes(routes: list[BaseRoute]) -> Iterator[Route]:
    return (route for route in routes if isinstance(route, Route))


def _plain(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{id}", path)


def test_every_call_that_is_named_exists(calls: set[tuple[str, str]]) -> None:
    named = {(method, _plain(path)) for method, path in _CALL.findall(SERVER)}
    assert len(named) >= 15
    assert named <= calls


def test_the_scopes_are_all_there_are() -> None:
    table = TEXT.split("| scope | allows |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([a-z:]+)` \|", table, re.MULTILINE) == [
        one.value for one in Permission
    ]


def test_states_and_outcomes_are_all_there_are() -> None:
    states = TEXT.split("**States.**")[1].split("| step |")[0]
    assert set(re.findall(r"`([a-z_]+)`", states)) == {one.value for one in RequestState}
    (outcomes,) = re.findall(r"^\| result \| `outcome`: (.*?) `record_ids`", TEXT, re.MULTILINE)
    assert {one.value for one in Outcome} <= set(re.findall(r"`([a-z]+)`", outcomes))


def test_every_code_that_is_named_is_one_of_ours() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    known = set(re.findall(r'\bcode = "([a-z_.]+)"', source)) | set(FAULTS)
    named = set(_CODE.findall(SERVER))
    assert {"clearing.blocked", "idempotency.mismatch", "review.own_request"} <= named
    assert named <= known


def test_the_figures_are_those_of_the_code() -> None:
    assert f"`?limit=` (1 to {pagination.MAX_LIMIT}, default {pagination.DEFAULT_LIMIT})" in TEXT
    assert f"within {queries.KEPT_FOR.total_seconds() / 3600:g} hours" in TEXT
    assert f"{presence.STREAMS_EACH} event streams" in TEXT
    assert f"({bodies.SECONDS:g} s, and a second more for each {bodies.RATE // 1000} kB)" in TEXT
    assert f"the {sse.RETRY_MILLISECONDS / 1000:g} s that `retry:` says" in TEXT
    rate = Settings.model_fields["api_rate_per_minute"].default
    assert f"`QINGKA_API_RATE_PER_MINUTE` requests a minute ({rate})" in TEXT
