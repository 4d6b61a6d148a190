"""Counting requests: routes not paths, quantiles from buckets, failures too."""

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from app.core.metrics import Measured, RequestMetrics


def test_quantiles_are_bounds_of_buckets() -> None:
    metrics = RequestMetrics()
    for _ in range(90):
        metrics.observe("GET", "/a", 200, 0.004)
    for _ in range(10):
        metrics.observe("GET", "/a", 200, 0.2)
    metrics.observe("POST", "/b", 200, 60.0)
    a, b = metrics.response_times()
    assert (a.method, a.route, a.count) == ("GET", "/a", 100)
    assert (a.p50, a.p95, a.p99) == (0.005, 0.25, 0.25)
    assert a.mean == pytest.approx(0.0236)
    assert (b.p50, b.mean) == (None, 60.0)


def test_two_registries_do_not_mix() -> None:
    one, other = RequestMetrics(), RequestMetrics()
    one.observe("GET", "/a", 200, 0.1)
    assert other.response_times() == []
    assert b'route="/a"' in one.text()


async def _never(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def _ignore(message: Message) -> None:
    return None


def test_a_request_that_breaks_counts_as_500() -> None:
    metrics = RequestMetrics()
    scope = {"type": "http", "method": "GET", "path": "/x"}

    async def run() -> None:
        await Measured(_never, metrics=metrics)(scope, _nothing, _ignore)

    with pytest.raises(RuntimeError):
        anyio.run(run)
    assert b'route="other",status="500"} 1.0' in metrics.text()
