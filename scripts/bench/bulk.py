"""Figures of a bulk clearing: hundreds of slow devices, a hundred at a time, while people use the pages."""

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.bench.engine import wait_for_succeeded
from scripts.bench.load import Load, Target, load
from scripts.bench.memory import PeakMemory
from scripts.bench.options import Options
from scripts.bench.table import Figure, at_most, below
from scripts.rig import Rig, RigPlan

AT_ONCE = 100
PAGES = ("/clearing", "/", "/clearing/requests", "/clearing/records")
PAUSE = 0.1
"""Seconds between two pages of the one person who looks on."""


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """One bulk clearing of all devices."""
    if "bulk" not in options.only:
        return
    plan = RigPlan(
        devices=options.devices,
        seconds=options.device_seconds,
        settings={
            "QINGKA_CLEARING_CONCURRENCY": str(AT_ONCE),
            "QINGKA_AGENT_CONCURRENCY": str(AT_ONCE),
        },
    )
    rig = Rig(folder / "bulk", plan)
    try:
        rig.start()
        yield from _measure(rig, options)
    finally:
        rig.close()


def _measure(rig: Rig, options: Options) -> Iterator[Figure]:
    subjects = rig.subjects(options.devices)
    ideal = math.ceil(options.devices / AT_ONCE) * options.device_seconds
    pages = _Onlooker(rig)
    with PeakMemory(rig.server.pid) as memory:
        pages.start()
        started = time.monotonic()
        rig.batch(subjects)
        wait_for_succeeded(rig, options.devices, 20 * ideal + 120)
        wall = time.monotonic() - started
        seen = pages.stop()
    what = f"bulk: {options.devices} devices of {options.device_seconds:g} s"
    yield at_most(f"{what}, wall against ideal", wall, ideal, unit="s", most=1.25)
    yield below(
        f"{what}, memory of the server", memory.resident, unit="MB", most=350, own=memory.own
    )
    yield below(
        f"{what}, pages meanwhile, p99",
        seen.percentile(99),
        unit="ms",
        most=300,
        pages=len(seen.latencies),
        median=seen.percentile(50),
    )


class _Onlooker:
    """One signed-in person who opens page after page."""

    def __init__(self, rig: Rig) -> None:
        headers = {"Cookie": rig.cookie()}
        self._targets = [Target(rig.server.address, (path,), headers) for path in PAGES]
        self._done = threading.Event()
        self._latencies: list[float] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._started = time.monotonic()

    def start(self) -> None:
        """Begin."""
        for target in self._targets:
            load(target, seconds=5, connections=1, most=2)
        self._thread.start()

    def stop(self) -> Load:
        """End; gives what was seen."""
        self._done.set()
        self._thread.join()
        return Load(tuple(self._latencies), time.monotonic() - self._started)

    def _look(self) -> None:
        turn = 0
        while not self._done.wait(PAUSE):
            target = self._targets[turn % len(self._targets)]
            self._latencies += load(target, seconds=60, connections=1, most=1).latencies
            turn += 1
