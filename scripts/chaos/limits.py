"""Limits of what is around: a bureau slower than 10 s, a full disk under the data directory."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.chaos.kills import MOMENTS, hold, reach
from scripts.chaos.tally import Tally
from scripts.chaos.truth import (
    Case,
    keeps_state_before,
    patiently,
    settle,
    settle_all,
    verify_whole,
    wait_end,
)
from scripts.rig import Rig, RigPlan

BUREAU_SECONDS = 12.0
SLOW_MESSAGES = ("LJCS", "WLCB", "QLJS", "QLJSJGQR")
"""Is the bureau there, here is the report, may this be cleared, it was cleared."""

DISK_MB = 192
FULL_MOMENTS = ("init", "sealed, not delivered", "writing")
UNREADY_SECONDS = 30.0


def limits(tally: Tally, folder: Path) -> None:
    """Both. The disk is a small one of memory, which only root may mount."""
    _slow_bureau(tally, folder / "slow-bureau")
    if os.geteuid() != 0:
        tally.see("full disk", "not tried: mounting a small disk takes root")
        return
    with _small_disk(folder / "full-disk" / "data"):
        _full_disk(tally, folder / "full-disk")


def _slow_bureau(tally: Tally, folder: Path) -> None:
    """One device for every message of the bureau: each is waited for, and nobody has to press retry."""
    part = f"a bureau that takes {BUREAU_SECONDS:.0f} s"
    rig = Rig(folder, RigPlan(devices=len(SLOW_MESSAGES)))
    try:
        rig.start()
        subjects = rig.subjects(len(SLOW_MESSAGES))
        for subject, message in zip(subjects, SLOW_MESSAGES, strict=True):
            rig.simulation.fault(
                subject.number, "slow", message=message, seconds=BUREAU_SECONDS, times=1
            )
        cases = [
            Case(one, rig.begin(one), f"{message} slow")
            for one, message in zip(subjects, SLOW_MESSAGES, strict=True)
        ]
        settle_all(rig, tally, part, cases, tries=1)
        verify_whole(rig, tally, part)
    finally:
        rig.close()


def _full_disk(tally: Tally, folder: Path) -> None:
    part = "a full disk under the data directory"
    moments = [one for one in MOMENTS if one.name in FULL_MOMENTS]
    settings = {"QINGKA_BACKUP_MIN_FREE_MB": "20"}
    rig = Rig(folder, RigPlan(devices=len(moments), settle=1.0, settings=settings))
    filler = rig.data_dir / "filler"
    try:
        rig.start()
        for moment in moments:
            (subject,) = rig.subjects(1)
            hold(rig, subject, moment)
            case = Case(subject, rig.begin(subject), f"full at {moment.name}")
            tally.check(part, "the moment was reached", reach(rig, moment, case), case.name)
            _fill(filler)
            rig.simulation.mend(subject.number)
            request = wait_end(rig, case, seconds=20.0)
            said = "it is not over" if request is None else request["state"]
            tally.see(part, f"{moment.name}: {said}")
            _says_that_it_is_full(rig, tally, part)
            filler.unlink()
            settle(rig, tally, part, case)
            wrong = keeps_state_before(rig, case)
            tally.check(part, "the archive still shows the state before", not wrong, wrong)
        verify_whole(rig, tally, part)
        _starts_full(rig, tally, part, filler)
    finally:
        filler.unlink(missing_ok=True)
        rig.close()


def _says_that_it_is_full(rig: Rig, tally: Tally, part: str) -> None:
    def unready() -> list[str]:
        found: list[str] = rig.api.get(f"{rig.server.address}/readyz").json()["missing"]
        return found

    tally.check(part, "readyz says so", bool(patiently(unready, seconds=UNREADY_SECONDS)), "")


def _starts_full(rig: Rig, tally: Tally, part: str, filler: Path) -> None:
    """kill -9 and a start while it is full, then one with room: the data are what they were."""
    secret = (rig.data_dir / "secret.key").read_bytes()
    rig.kill("server")
    _fill(filler)
    try:
        rig.start()
        rig.kill("server")
    except Exception as error:  # noqa: BLE001 - whether it starts is not the question
        rig.daemons.pop("server", None)
        tally.see(part, f"a start on it ends with {type(error).__name__}")
    filler.unlink()
    rig.start()
    same = (rig.data_dir / "secret.key").read_bytes() == secret
    tally.check(part, "the secret is what it was", same and len(secret) >= 32, "it changed")
    verify_whole(rig, tally, f"{part}, afterwards")


def _fill(filler: Path) -> None:
    """Write until nothing more goes in."""
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue
    time.sleep(0.1)


@contextmanager
def _small_disk(path: Path) -> Iterator[None]:
    path.mkdir(parents=True)
    size = f"size={DISK_MB}m,mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", path], check=True)  # noqa: S603, S607
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)  # noqa: S603, S607
