"""/readyz says when nothing can be written; connections on PostgreSQL stay within their limit."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import sqlalchemy as sa

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

LIMIT = 8


def _ready(world: "World") -> tuple[int, list[str]]:
    answer = httpx.get(f"{world.address}/readyz", trust_env=False, timeout=60)
    return answer.status_code, answer.json()["missing"]


def test_readyz_says_that_a_read_only_database_takes_no_writes(
    new_world: "NewWorld", postgres_url: str, until: Callable[..., Any]
) -> None:
    """Pages can still be read, but nobody may be sent here to work."""
    world = new_world(devices=1, settings={"QINGKA_DATABASE_URL": postgres_url})
    assert _ready(world) == (200, [])
    admin = sa.create_engine(
        sa.make_url(postgres_url), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
    )
    name = sa.make_url(postgres_url).database
    with admin.connect() as connection:
        connection.exec_driver_sql(
            f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
        )
        connection.exec_driver_sql(_END_OTHERS)
    until(lambda: _ready(world) == (503, ["writing"]), what="not ready")
    assert httpx.get(f"{world.address}/healthz", trust_env=False).status_code == 200
    with admin.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        connection.exec_driver_sql(_END_OTHERS)
    until(lambda: _ready(world) == (200, []), what="ready again")
    admin.dispose()


_END_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def test_a_process_keeps_to_its_connections_however_many_ask_at_once(
    new_world: "NewWorld", postgres_url: str
) -> None:
    """Who finds none free waits; nobody is refused. Doctor compares the sum with the server's limit."""
    settings = {"QINGKA_DATABASE_URL": postgres_url, "QINGKA_DATABASE_CONNECTIONS": str(LIMIT)}
    world = new_world(devices=1, settings=settings)
    admin = sa.create_engine(sa.make_url(postgres_url), poolclass=sa.NullPool)
    count = sa.text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    world.database.engine.dispose()  # this test's own
    seen: list[int] = []
    with world.signed_in() as browser, ThreadPoolExecutor(60) as pool:

        def ask(place: int) -> int:
            path = "/clearing" if place % 2 else "/"
            return httpx.get(
                f"{world.address}{path}", cookies=browser.cookies, trust_env=False, timeout=60
            ).status_code

        answers = pool.map(ask, range(240))
        for _ in range(20):
            with admin.connect() as connection:
                seen.append(int(connection.execute(count).scalar_one()))
        assert set(answers) == {200}
    assert max(seen) <= LIMIT
    admin.dispose()
    told = world.qingka("doctor").stdout
    assert f"1 个进程各至多 {LIMIT} 个，共 {LIMIT} 个" in told
