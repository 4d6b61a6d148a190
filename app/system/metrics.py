"""GET /metrics for Prometheus: requests and times of this process, and what the database says.

Open to the machine itself (loopback); from elsewhere it wants an API key with `read`, or a session of
somebody who sees all enterprises.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import cast

from fastapi import Depends, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from app import __version__
from app.accounts.deps import identify
from app.accounts.principal import Permission
from app.clearing.states import RequestState
from app.core.db import Database
from app.core.metrics import RequestMetrics
from app.core.routing import Router
from app.core.web import client_ip, database_of
from app.devices.models import AgentState, DeviceState
from app.errors import Forbidden
from app.notifications import queries as notifications_queries
from app.notifications.models import DeliveryState
from app.system import queries

router = Router(include_in_schema=False)

_FORWARDED = ("forwarded", "x-forwarded-for")


def _may_see(request: Request, response: Response) -> None:
    """Raises Unauthenticated or Forbidden."""
    if _is_local(request):
        return
    principal = identify(request, response)
    if not principal.can(Permission.READ) or principal.enterprise_ids is not None:
        raise Forbidden("指标包含全部企业的数据")


def _is_local(request: Request) -> bool:
    """From this machine, and not through a proxy on it that speaks for others."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(client_ip(request)).is_loopback
    except ValueError:
        return False


def metrics_of(request: Request) -> RequestMetrics:
    """The metrics this application was assembled with."""
    return cast(RequestMetrics, request.app.state.metrics)


@router.get("/metrics", dependencies=[Depends(_may_see)])
def metrics(request: Request) -> Response:
    """In the exposition format."""
    registry = CollectorRegistry()
    registry.register(_Facts(database_of(request)))
    body = metrics_of(request).text() + generate_latest(registry)
    return Response(body, media_type=CONTENT_TYPE_LATEST)


class _Facts(Collector):
    """Gauges of what the database says, asked when they are looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        with self._database.reading() as session:
            clearings = queries.clearings_by_state(session)
            devices = queries.devices_by_state(session)
            agents = queries.agents_by_name(session)
            deliveries = notifications_queries.deliveries_by_state(session)
            waiting = queries.events_waiting(session)
        yield _gauge("qingka_info", "Version of the program", "version", {__version__: 1})
        yield _by_state("qingka_clearing_requests", "Clearing requests", RequestState, clearings)
        yield _by_state("qingka_devices", "Devices", DeviceState, devices)
        yield _by_state("qingka_deliveries", "Deliveries", DeliveryState, deliveries)
        up = {name: int(state == AgentState.ONLINE) for name, state in agents.items()}
        yield _gauge("qingka_agent_up", "Whether the agent answered last", "agent", up)
        yield _gauge(
            "qingka_queue_length",
            "Work that waits",
            "queue",
            _queues(clearings, deliveries, waiting),
        )

    def describe(self) -> Iterator[Metric]:
        """Nothing before it is looked at: registering must not ask the database."""
        return iter(())


def _queues(clearings: dict[str, int], deliveries: dict[str, int], waiting: int) -> dict[str, int]:
    return {
        "review": clearings.get(RequestState.SUBMITTED, 0),
        "scheduled": clearings.get(RequestState.SCHEDULED, 0),
        "running": clearings.get(RequestState.RUNNING, 0),
        "deliveries": deliveries.get(DeliveryState.PENDING, 0),
        "events": waiting,
    }


def _by_state(
    name: str,
    text: str,
    states: type[RequestState | DeviceState | DeliveryState],
    counts: dict[str, int],
) -> GaugeMetricFamily:
    """Every state, also with none: a series that comes and goes is hard to alert on."""
    return _gauge(
        name, text, "state", {state.value: counts.get(state.value, 0) for state in states}
    )


def _gauge(name: str, text: str, label: str, values: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
