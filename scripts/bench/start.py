"""Figures of the start: how long until ready, and what an idle server costs in memory and processor time."""

import compileall
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from app.settings import ROOT
from scripts.bench.memory import measured, memory_of, processor_seconds
from scripts.bench.options import Options
from scripts.bench.table import Figure, below
from scripts.rig import Rig, RigPlan

DEVICES = 12
IDLE_SECONDS = 5.0
QUIET_SECONDS = 75.0
"""After the start: the engine's own threads look more often in their first minute."""
WATCHED_SECONDS = 30.0


def figures(options: Options, folder: Path) -> Iterator[Figure]:
    """`serve` on a data directory that is in use, the median of several starts.

    The modules are compiled first, as `make setup` and the image do: where nothing may be written beside them
    (PYTHONDONTWRITEBYTECODE) a checkout would be compiled anew at every start.
    """
    if "start" not in options.only:
        return
    compileall.compile_dir(ROOT / "app", quiet=1)
    rig = Rig(folder / "start", RigPlan(devices=DEVICES))
    try:
        rig.start()
        first = rig.server.ready_seconds
        rig.subjects(DEVICES)
        again = [_restart(rig) for _ in range(options.rounds + 1)]
        time.sleep(IDLE_SECONDS)
        memory = memory_of(rig.server.pid)
        share = _idle_share(rig.server.pid)
    finally:
        rig.close()
    yield below(
        "start: serve until ready",
        statistics.median(again),
        unit="s",
        most=1.5,
        first=first,
        all=again,
    )
    yield below("start: memory when idle", memory.resident, unit="MB", most=170, own=memory.own)
    yield below(f"start: processor when idle, {DEVICES} devices", share, unit="%", most=1)
    yield _version(options, rig)


def _restart(rig: Rig) -> float:
    rig.api.close()
    rig.daemons.pop("server").stop()
    rig.start()
    return rig.server.ready_seconds


def _idle_share(pid: int) -> float:
    """Percent of one processor, once nothing of the start is left."""
    time.sleep(QUIET_SECONDS)
    before = processor_seconds(pid)
    time.sleep(WATCHED_SECONDS)
    return (processor_seconds(pid) - before) / WATCHED_SECONDS * 100


def _version(options: Options, rig: Rig) -> Figure:
    runs = [
        measured(["app.cli", "version"], rig.environment, limit=60).seconds
        for _ in range(options.rounds + 1)
    ]
    return below("start: qingka version", statistics.median(runs), unit="s", most=0.3, all=runs)
