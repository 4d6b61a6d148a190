"""Figures of the start: how long until ready, how much memory an idle server has."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from scripts.bench.memory import memory_of
from scripts.bench.options import Options
from scripts.bench.table import Figure, below
from scripts.rig import Rig, RigPlan

DEVICES = 12
IDLE_SECONDS = 5.0


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """`serve` on a data directory that is in use, the median of several starts."""
    if "start" not in options.only:
        return
    rig = Rig(folder / "start", RigPlan(devices=DEVICES))
    try:
        rig.start()
        first = rig.server.ready_seconds
        rig.subjects(DEVICES)
        again = [_restart(rig) for _ in range(options.rounds + 1)]
        time.sleep(IDLE_SECONDS)
        memory = memory_of(rig.server.pid)
    finally:
        rig.close()
    yield below(
        "start: serve until ready",
        statistics.median(again),
        unit="s",
        most=2,
        first=first,
        all=again,
    )
    yield below("start: memory when idle", memory.resident, unit="MB", most=180, own=memory.own)


def _restart(rig: Rig) -> float:
    rig.api.close()
    rig.daemons.pop("server").stop()
    rig.start()
    return rig.server.ready_seconds
