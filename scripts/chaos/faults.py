"""Every fault of the simulator at every stage, once and for as long as nobody mends it; what came of it."""

import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from app.simulator.faults import SCOPES, FaultName
from scripts.bench.table import lines_of
from scripts.chaos.tally import Tally
from scripts.chaos.truth import Case, patiently, settle, verify_whole, wait_end
from scripts.rig import Rig, RigPlan, at_once
from tests.e2e.harness import TYPES, Subject

STAGES: dict[str, str] = {
    # where in the clearing: the message that is struck there
    "init": "FPCX",
    "backup": "TJXXCX",
    "report": "SJCB",
    "deliver": "WLCB",
    "ask": "QLJS",
    "write": "JKHC",
    "confirm": "QLJSJGQR",
    "done": "SKPXXCX",
}
AT_ONCE = 8
CELLS_OF_RIG = 64
SLOW_SECONDS = 1.5
HOLD_SECONDS = 2.0
UNMENDED_SECONDS = 15.0
"""How long a lasting fault lasts when the clearing does not end by itself."""

QUICK_CELLS = 12
REACH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault at one stage. `lasting`: until it is mended, not once."""

    fault: FaultName
    stage: str
    lasting: bool

    @property
    def name(self) -> str:
        """For the report."""
        return f"{self.fault} at {self.stage}, {'lasting' if self.lasting else 'once'}"


def cells() -> list[Cell]:
    """All faults at all stages whose message they can strike."""
    return [
        Cell(fault, stage, lasting)
        for lasting in (False, True)
        for fault in FaultName
        for stage, message in STAGES.items()
        if message in SCOPES[fault]
    ]


def faults(tally: Tally, chance: Random, folder: Path, *, quick: bool) -> str:
    """Carry them out, many at a time on devices of their own; gives the table fault × stage."""
    wanted = cells()
    if quick:
        wanted = sorted(chance.sample(wanted, QUICK_CELLS), key=wanted.index)
    found: dict[Cell, str] = {}
    rest = iter(wanted)
    number = 0
    while part := list(islice(rest, CELLS_OF_RIG)):
        found |= _on_one_rig(tally, part, folder / f"faults-{number}")
        number += 1
    return _matrix(found)


def _on_one_rig(tally: Tally, wanted: list[Cell], folder: Path) -> dict[Cell, str]:
    rig = Rig(folder, RigPlan(devices=len(wanted), timeout=10.0))
    try:
        rig.start()
        subjects = rig.subjects(len(wanted))
        pairs = list(zip(wanted, subjects, strict=True))
        results = at_once(AT_ONCE, pairs, lambda pair: _carry_out(rig, tally, *pair))
        verify_whole(rig, tally, "faults, afterwards")
        return dict(zip(wanted, results, strict=True))
    finally:
        rig.close()


def _carry_out(rig: Rig, tally: Tally, cell: Cell, subject: Subject) -> str:
    if cell.stage != "done":
        _strike(rig, subject, cell)
        case = Case(subject, rig.begin(subject), cell.name)
    else:
        case = Case(subject, _begin_and_strike_late(rig, subject, cell), cell.name)
    request = wait_end(rig, case, seconds=UNMENDED_SECONDS if cell.lasting else REACH_SECONDS)
    code = "" if request is None else (request["error"] or {}).get("code", "")
    rig.simulation.mend(subject.number)
    outcome = settle(rig, tally, f"faults {'lasting' if cell.lasting else 'once'}", case)
    return f"{outcome} {code}".strip() if outcome == "retried" else outcome


def _strike(rig: Rig, subject: Subject, cell: Cell) -> None:
    more = {} if cell.lasting else {"times": 1}
    rig.simulation.fault(
        subject.number, cell.fault, message=STAGES[cell.stage], seconds=SLOW_SECONDS, **more
    )


def _begin_and_strike_late(rig: Rig, subject: Subject, cell: Cell) -> str:
    """The message of the last stage is sent from the first on: strike once the device is cleared."""
    rig.simulation.fault(subject.number, "slow", message="QLJSJGQR", seconds=HOLD_SECONDS, times=1)
    request_id = rig.begin(subject)
    patiently(lambda: rig.simulation.cleared(subject.number).total() == len(TYPES), seconds=60)
    _strike(rig, subject, cell)
    time.sleep(HOLD_SECONDS)
    return request_id


def _matrix(found: dict[Cell, str]) -> str:
    """`once / lasting`, or one word where both came to the same, for every fault and stage tried."""
    rows: list[tuple[str, ...]] = [("once / lasting", *STAGES)]
    for fault in FaultName:
        tried = [cell for cell in found if cell.fault is fault]
        if tried:
            rows.append((fault.value, *(_cell(found, fault, stage) for stage in STAGES)))
    return "\n".join(line.rstrip() for line in lines_of(rows))


def _cell(found: dict[Cell, str], fault: FaultName, stage: str) -> str:
    parts = [
        found.get(Cell(fault, stage, lasting), "–").replace("retried ", "→")
        for lasting in (False, True)
    ]
    return parts[0] if parts[0] == parts[1] else " / ".join(parts)
