"""Counts and times of requests in this process, for /metrics and for the inspection's report."""

import time
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds."""

UNKNOWN_ROUTE = "other"

disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class ResponseTime:
    """How long requests of a route took, in seconds; a quantile is the bound of its bucket.

    `p95` and the like are None where the slowest bucket has no bound.
    """

    method: str
    route: str
    count: int
    mean: float
    p50: float | None
    p95: float | None
    p99: float | None


class RequestMetrics:
    """One registry an application, so that two in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._count = Counter(
            "qingka_http_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "qingka_http_request_duration_seconds",
            "Time to the end of the answer",
            ("method", "route"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one request. `route` is the template of its path, never the path itself."""
        key = method, route, status
        if key not in self._series:
            count = self._count.labels(method, route, str(status))
            self._series[key] = count, self._seconds.labels(method, route)
        count, times = self._series[key]
        count.inc()
        times.observe(seconds)

    def text(self) -> bytes:
        """In the exposition format of Prometheus."""
        return generate_latest(self.registry)

    def response_times(self) -> list[ResponseTime]:
        """By route, the most used first."""
        found: dict[tuple[str, str], _Samples] = {}
        for metric in self._seconds.collect():
            for sample in metric.samples:
                key = sample.labels["method"], sample.labels["route"]
                samples = found.setdefault(key, _Samples())
                if sample.name.endswith("_bucket"):
                    samples.buckets.append((float(sample.labels["le"]), int(sample.value)))
                elif sample.name.endswith("_sum"):
                    samples.seconds = sample.value
        times = [_response_time(*key, samples) for key, samples in found.items()]
        return sorted(times, key=lambda one: -one.count)


class _Samples:
    def __init__(self) -> None:
        self.buckets: list[tuple[float, int]] = []
        self.seconds = 0.0


def _response_time(method: str, route: str, samples: _Samples) -> ResponseTime:
    buckets = sorted(samples.buckets)
    count = buckets[-1][1]
    at = {share: _quantile(buckets, share) for share in (0.5, 0.95, 0.99)}
    mean = samples.seconds / count if count else 0.0
    return ResponseTime(method, route, count, mean, at[0.5], at[0.95], at[0.99])


def _quantile(buckets: list[tuple[float, int]], share: float) -> float | None:
    """The bound of the bucket the quantile lies in; None for the one without a bound."""
    wanted = share * buckets[-1][1]
    for bound, count in buckets[:-1]:
        if count >= wanted:
            return bound
    return None


class Measured:
    """ASGI middleware: notes every HTTP request."""

    def __init__(self, app: ASGIApp, *, metrics: RequestMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            spent = time.perf_counter() - started
            self.metrics.observe(_method(scope), _route(scope), status, spent)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _method(scope: Scope) -> str:
    """A stranger's invented method makes no new series."""
    return scope["method"] if scope["method"] in _METHODS else "OTHER"


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path", "") or UNKNOWN_ROUTE)
