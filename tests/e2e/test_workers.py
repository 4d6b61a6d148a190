"""Several processes on PostgreSQL: a worker clears over the connection an agent made to the server."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tests.free_ports import free_port

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World

CLEARINGS = 6


def executors(world: "World") -> Counter[str]:
    """How many workflows each process has executed."""
    query = "SELECT executor_id, count(*) FROM dbos.workflow_status GROUP BY executor_id"
    with world.database.reading() as session:
        return Counter({name: count for name, count in session.execute(sa.text(query))})


def test_a_worker_clears_by_an_agent_that_dialled_the_server(
    new_world: "NewWorld", postgres_url: str, until: Callable[..., Any]
) -> None:
    port = free_port()
    world = new_world(
        devices=0,
        seconds=1,
        port=port,
        settings={
            "QINGKA_DATABASE_URL": postgres_url,
            "QINGKA_AGENT": "off",
            "QINGKA_INTERNAL_URL": f"http://127.0.0.1:{port}",
            "QINGKA_CLEARING_CONCURRENCY": "1",
        },
    )
    numbers = [world.new_device() for _ in range(CLEARINGS)]
    agent = world.remote_agent("门店", [world.tax_server_device(one) for one in numbers])
    until(lambda: world.get(f"/agents/{agent.id}")["state"] == "online", what="online")
    worker = world.worker(QINGKA_CLEARING_CONCURRENCY="5")
    subjects = [
        world.subject(f"店员{place}", number=number, agent_id=agent.id, code=f"W{place}")
        for place, number in enumerate(numbers)
    ]
    requests = [world.begin(subject) for subject in subjects]
    for subject, request_id in zip(subjects, requests, strict=True):
        world.assert_cleared_once(subject, request_id)
    assert executors(world)[worker.address] > 0
