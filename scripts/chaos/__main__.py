"""Breaks things and counts the promises kept: python -m scripts.chaos [--runs N] [--quick] [--seed N]; `make chaos`.

Prints one table of counts, and exits with 1 when any promise was broken. docs/measuring.md says what is done.
"""

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from scripts.chaos.crowds import crowds
from scripts.chaos.faults import faults
from scripts.chaos.kills import kills
from scripts.chaos.limits import limits
from scripts.chaos.pauses import pauses
from scripts.chaos.postgres import on_postgres
from scripts.chaos.processes import processes
from scripts.chaos.tally import Tally

PARTS = ("kills", "faults", "crowds", "limits", "pauses", "postgres", "processes")
ON_POSTGRES = ("postgres", "processes")
RUNS, QUICK_RUNS = 200, 6
CLEARINGS, QUICK_CLEARINGS = 500, 12
RESTARTS, QUICK_RESTARTS = 10, 2
OTHERS, QUICK_OTHERS = 20, 5
MOST_AT_ONCE = 60
"""Clearings at once where three processes share 30 connections and two cores."""
ROUNDS, QUICK_ROUNDS = 3, 1
"""How often every moment is paused at, for each process that can be."""


def main(arguments: Sequence[str]) -> int:
    """Carry out what is wanted; 0 when every promise was kept."""
    options = _parser().parse_args(arguments)
    tally, notes = Tally(), []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="qingka-chaos-") as folder:
        for name, part in _parts(options, tally, Path(folder)).items():
            notes.append(_carry_out(name, part, tally))
    print("\n\n".join(note for note in notes if note))
    print(tally.table())
    for line in tally.seen():
        print(f"seen   {line}")
    for line in tally.wrong():
        print(f"WRONG  {line}")
    print(f"seed {options.seed}, {time.monotonic() - started:.0f} s")
    return 0 if tally.is_right else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chaos", description="Breaks things and counts.")
    parser.add_argument("--quick", action="store_true", help="small numbers: a look, not a verdict")
    parser.add_argument("--runs", type=int, help=f"kills ({RUNS})")
    parser.add_argument("--clearings", type=int, help=f"clearings on PostgreSQL ({CLEARINGS})")
    parser.add_argument("--postgres", action="store_true", help="what needs PostgreSQL as well")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART")
    parser.add_argument("--seed", type=int, default=1, help="the plan follows from it")
    return parser


def chance(seed: int, part: str) -> Random:
    """What decides in a part: the same for the same seed."""
    return Random(f"{seed} {part}")  # noqa: S311 - repeatable on purpose


def _parts(
    options: argparse.Namespace, tally: Tally, folder: Path
) -> dict[str, Callable[[], str | None]]:
    """What is wanted. Each part has its own chance, so that leaving one out changes no other."""
    quick: bool = options.quick
    runs = options.runs or (QUICK_RUNS if quick else RUNS)
    clearings = options.clearings or (QUICK_CLEARINGS if quick else CLEARINGS)
    restarts = QUICK_RESTARTS if quick else RESTARTS
    seed: int = options.seed

    made: dict[str, Callable[[], str | None]] = {
        "kills": lambda: kills(tally, chance(seed, "kills"), runs, folder),
        "faults": lambda: faults(tally, chance(seed, "faults"), folder, quick=quick),
        "crowds": lambda: crowds(tally, folder, others=QUICK_OTHERS if quick else OTHERS),
        "limits": lambda: limits(tally, folder),
        "pauses": lambda: pauses(
            tally,
            folder,
            rounds=QUICK_ROUNDS if quick else ROUNDS,
            on_postgres=options.postgres or options.only is not None,
        ),
        "postgres": lambda: on_postgres(
            tally, chance(seed, "postgres"), folder, clearings=clearings, restarts=restarts
        ),
        "processes": lambda: processes(tally, folder, clearings=min(clearings, MOST_AT_ONCE)),
    }
    default = PARTS if options.postgres else tuple(one for one in PARTS if one not in ON_POSTGRES)
    return {name: made[name] for name in PARTS if name in (options.only or default)}


def _carry_out(name: str, part: Callable[[], str | None], tally: Tally) -> str:
    """One part; one that breaks counts as wrong, and the others go on."""
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        return part() or ""
    except (Exception, AssertionError) as error:  # noqa: BLE001 - counted, with its trace
        traceback.print_exc()
        tally.check(name, "it could be carried out", False, f"{type(error).__name__}: {error}")
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
