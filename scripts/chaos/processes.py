"""Several processes on PostgreSQL: their clocks differ; connections are few."""

from pathlib import Path

from scripts.chaos.postgres import begun
from scripts.chaos.tally import Tally
from scripts.chaos.truth import keeps_state_before, patiently, settle_all, verify_whole
from scripts.rig import Rig, RigPlan
from scripts.rig_postgres import Postgres, postgres

SKEW_SECONDS = 300
CONNECTIONS = 30
PROCESSES_THAT_FIT = 3
BEFORE = "the archive still shows the state before"


def processes(tally: Tally, folder: Path, *, clearings: int) -> None:
    """Both, on one PostgreSQL."""
    with postgres(folder / "processes-postgres") as server:
        _skewed(tally, folder / "skewed", server, clearings)
        server.limit(CONNECTIONS)
        _few(tally, folder / "few", server, clearings)


def _skewed(tally: Tally, folder: Path, server: Postgres, clearings: int) -> None:
    """One worker's clock is ahead, the other's behind; the devices' and the server's are right."""
    part = f"clocks {SKEW_SECONDS} s apart"
    (library,) = [str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")][:1]
    fake = {"LD_PRELOAD": library, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    plan = RigPlan(
        devices=clearings,
        seconds=1.0,
        split=True,
        workers=2,
        database_url=server.new_database(),
        of_worker={
            "worker-1": fake | {"FAKETIME": f"+{SKEW_SECONDS}s"},
            "worker-2": fake | {"FAKETIME": f"-{SKEW_SECONDS}s"},
        },
    )
    rig = Rig(folder, plan)
    try:
        rig.start()
        cases = begun(rig, rig.subjects(clearings))
        settle_all(rig, tally, part, cases)
        _nobody_taken_for_dead(rig, tally, part)
        for case in cases:
            wrong = keeps_state_before(rig, case)
            tally.check(part, BEFORE, not wrong, f"{case.name}: {wrong}")
        verify_whole(rig, tally, part)
    finally:
        rig.close()


def _few(tally: Tally, folder: Path, server: Postgres, clearings: int) -> None:
    """As many processes as its connections are enough for, all busy at once."""
    part = f"PostgreSQL with {CONNECTIONS} connections"
    plan = RigPlan(
        devices=clearings,
        seconds=1.0,
        split=True,
        workers=PROCESSES_THAT_FIT - 1,
        database_url=server.new_database(),
    )
    rig = Rig(folder, plan)
    try:
        rig.start()
        rig.database.dispose()  # the one of this program
        cases = begun(rig, rig.subjects(clearings))
        settle_all(rig, tally, part, cases, tries=1)
        _nobody_taken_for_dead(rig, tally, part)
        refused = sum(one.logged("too many clients") for one in rig.daemons.values())
        tally.check(part, "no connection is refused", not refused, f"{refused} times")
        ready = patiently(lambda: rig.api.get(f"{rig.server.address}/readyz").json(), seconds=10)
        missing = None if ready is None else ready["missing"]
        tally.check(part, "the server is ready", missing == [], f"missing: {missing}")
        verify_whole(rig, tally, part)
    finally:
        rig.close()


def _nobody_taken_for_dead(rig: Rig, tally: Tally, part: str) -> None:
    taken = sum(one.logged("taking over") for name, one in rig.daemons.items() if name != "agent")
    tally.check(part, "no living process is taken for dead", not taken, f"{taken} times")
