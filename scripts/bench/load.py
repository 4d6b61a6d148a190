"""Loads on servers of this machine, bounded in count and time, and what came of them."""

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from urllib.parse import urlsplit

MOST_REQUESTS = 50_000
TIMEOUT = 60.0


class LoadFailed(Exception):
    """An answer was not 200: a figure of errors would say nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for: one address, paths taken in turn, headers."""

    address: str
    paths: tuple[str, ...]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Load:
    """The latencies of all answers (seconds) and how long it took in all."""

    latencies: tuple[float, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """The latency that `percent` of the answers stay below, in milliseconds."""
        return percentile(self.latencies, percent) * 1000


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def load(target: Target, *, seconds: float, connections: int, most: int = MOST_REQUESTS) -> Load:
    """Ask on so many kept-alive connections until the time is up or `most` answers have come."""
    share = max(1, most // connections)
    end = time.monotonic() + seconds
    found: list[list[float]] = [[] for _ in range(connections)]
    errors: list[BaseException] = []

    def work(place: int) -> None:
        try:
            _ask(target, found[place], end, share)
        except Exception as error:  # noqa: BLE001 - raised below, on the caller's thread
            errors.append(error)

    started = time.monotonic()
    threads = [threading.Thread(target=work, args=(place,)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Load(tuple(one for part in found for one in part), time.monotonic() - started)


def _ask(target: Target, latencies: list[float], end: float, most: int) -> None:
    parts = urlsplit(target.address)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT)
    try:
        for path in islice(cycle(target.paths), most):
            started = time.monotonic()
            if started > end:
                return
            connection.request("GET", path, headers=dict(target.headers))
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise LoadFailed(f"{path} answered {answer.status}: {body[:200]!r}")
            latencies.append(time.monotonic() - started)
    finally:
        connection.close()


def rates(
    targets: Sequence[Target], *, seconds: float, rounds: int, connections: int
) -> list[float]:
    """Requests per second of each, the median of rounds in turn, so that all get the same weather."""
    found: list[list[float]] = [[] for _ in targets]
    for target in targets:
        load(target, seconds=seconds / 4, connections=connections)
    for _ in range(rounds):
        for place, target in enumerate(targets):
            found[place].append(load(target, seconds=seconds, connections=connections).rate)
    return [statistics.median(one) for one in found]


def medians(calls: Sequence[Callable[[], object]], *, rounds: int) -> list[float]:
    """The median seconds of each call, taken in turn."""
    found: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    for _ in range(rounds):
        for place, call in enumerate(calls):
            started = time.perf_counter()
            call()
            found[place].append(time.perf_counter() - started)
    return [statistics.median(one) for one in found]
