"""kill -9 at every boundary of the clearing and at random moments, of server, agent, or both."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

from scripts.chaos.tally import Tally
from scripts.chaos.truth import Case, patiently, settle_all, verify_whole
from scripts.rig import Rig, RigPlan
from tests.e2e.harness import TYPES, Subject

HELD = 2.0
"""Seconds a message is held up, for the kill to come in the middle of it."""

REACH_SECONDS = 30.0
LONGEST_RANDOM = 2.5
RUNS_OF_RIG = 20
DEVICES_OF_RUN = 2
"""One is held at the moment of the kill, the other goes on as fast as it can."""

REACHED = "the moment was reached"

Reached = Callable[[Rig, Subject, str], bool]


def _in_stage(name: str) -> Reached:
    def reached(rig: Rig, subject: Subject, request_id: str) -> bool:
        stages = {one["name"]: one["state"] for one in rig.request(request_id)["stages"]}
        return bool(stages[name] == "running")

    return reached


def _taken(message: str) -> Reached:
    """The device or the bureau has taken the message for every type."""

    def reached(rig: Rig, subject: Subject, request_id: str) -> bool:
        taken = rig.simulation.log(subject.number, message)
        return sorted(",".join(kinds for _, kinds in taken).split(",")) == sorted(TYPES)

    return reached


def _sent_in_vain(rig: Rig, subject: Subject, request_id: str) -> bool:
    return bool(rig.simulation.log(subject.number, "JKHC", acted=False))


def _writing(rig: Rig, subject: Subject, request_id: str) -> bool:
    sent = rig.simulation.log(subject.number, "QLJS")
    return bool(sent) and rig.simulation.is_busy(subject.number)


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: what holds the device up there, how to know that it is there, and how often it is held."""

    name: str
    fault: str
    message: str
    reached: Reached
    times: int | None = 1


MOMENTS = (
    Moment("init", "slow", "FPCX", _in_stage("init")),
    # The pre-checks read the statistics as well: held every time, the second time it is the backup that waits.
    Moment("backup", "slow", "TJXXCX", _in_stage("backup"), times=None),
    Moment("sealed, not delivered", "slow", "WLCB", _taken("SJCB")),
    Moment("asking for the ciphertext", "slow", "QLJS", _taken("WLCB")),
    Moment("ciphertext there, not written", "lost_before", "JKHC", _sent_in_vain),
    Moment("writing", "slow", "JKHC", _writing),
    Moment("written, not confirmed", "slow", "QLJSJGQR", _taken("JKHC")),
    Moment("confirmed, reading again", "slow", "SKPXXCX", _taken("QLJSJGQR")),
)

VICTIMS = (("server",), ("agent",), ("server", "agent"))


@dataclass(frozen=True, slots=True)
class Run:
    """One kill. `moment` None: after `seconds`. `pause`: before what was killed is started again."""

    victims: tuple[str, ...]
    moment: Moment | None
    seconds: float
    pause: float

    @property
    def name(self) -> str:
        """For the report."""
        when = self.moment.name if self.moment else f"after {self.seconds:.2f} s"
        return f"kill {'+'.join(self.victims)}, {when}"


def plan(chance: Random, runs: int) -> tuple[list[Run], list[Run]]:
    """Half with the agent in the server, half with an agent of its own; half of each at random moments."""
    whole = [_run(chance, place, ("server",)) for place in range((runs + 1) // 2)]
    split = [_run(chance, place, VICTIMS[place % len(VICTIMS)]) for place in range(runs // 2)]
    return whole, split


def _run(chance: Random, place: int, victims: tuple[str, ...]) -> Run:
    held = place % 2 == 0
    moment = MOMENTS[place // 2 % len(MOMENTS)] if held else None
    return Run(victims, moment, chance.uniform(0.0, LONGEST_RANDOM), chance.uniform(0.0, 1.0))


def kills(tally: Tally, chance: Random, runs: int, folder: Path) -> None:
    """Carry all runs out, some on each site."""
    whole, split = plan(chance, runs)
    for name, found in (("whole", whole), ("split", split)):
        for number, part in enumerate(_parts(found)):
            _on_one_rig(tally, part, folder / f"kills-{name}-{number}", split=name == "split")


def _parts(runs: list[Run]) -> Iterator[list[Run]]:
    rest = iter(runs)
    while part := list(islice(rest, RUNS_OF_RIG)):
        yield part


def _on_one_rig(tally: Tally, runs: list[Run], folder: Path, *, split: bool) -> None:
    devices = DEVICES_OF_RUN * len(runs)
    rig = Rig(folder, RigPlan(devices=devices, seconds=0.4, settle=1.0, split=split))
    try:
        rig.start()
        for run in runs:
            part = f"kill -9 of {' and '.join(run.victims)}"
            _carry_out(rig, tally, part, run)
        verify_whole(rig, tally, "kill -9, afterwards")
    finally:
        rig.close()


def _carry_out(rig: Rig, tally: Tally, part: str, run: Run) -> None:
    held, free = rig.subjects(DEVICES_OF_RUN)
    begun = rig.begin(held) if run.moment is None else begin_held(rig, held, run.moment)
    cases = [
        Case(held, begun, f"{run.name}, device {held.number}"),
        Case(free, rig.begin(free), f"{run.name}, free device {free.number}"),
    ]
    if run.moment is None:
        time.sleep(run.seconds)
    else:
        reached = reach(rig, run.moment, cases[0])
        tally.check(part, REACHED, reached, run.name)
    for victim in run.victims:
        rig.kill(victim)
    rig.simulation.mend(held.number)
    time.sleep(run.pause)
    rig.start()
    settle_all(rig, tally, part, cases)


def begin_held(rig: Rig, subject: Subject, moment: Moment, *, seconds: float = HELD) -> str:
    """Begin one clearing that is held up at the moment for so long; gives the request's id."""
    is_read_before = moment.message == "SKPXXCX"
    if not is_read_before:
        hold(rig, subject, moment, seconds=seconds)
    request_id = rig.begin(subject)
    if is_read_before:
        # Read from the beginning on: it is to be held up only once all is confirmed.
        patiently(lambda: _taken("JKHC")(rig, subject, request_id), seconds=REACH_SECONDS)
        hold(rig, subject, moment, seconds=seconds)
    return request_id


def hold(rig: Rig, subject: Subject, moment: Moment, *, seconds: float = HELD) -> None:
    """Have the device or the bureau held up at this moment, as often as it needs."""
    rig.simulation.fault(
        subject.number, moment.fault, message=moment.message, seconds=seconds, times=moment.times
    )


def reach(rig: Rig, moment: Moment, case: Case) -> bool:
    """Whether the clearing came to the moment in time."""

    def there() -> bool:
        return moment.reached(rig, case.subject, case.request_id)

    return patiently(there, seconds=REACH_SECONDS) is not None
