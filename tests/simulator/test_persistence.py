"""Killed at any moment the server comes back with what it had answered."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from app.simulator.store import LogEntry, Store
from app.simulator.world import seed_world

if TYPE_CHECKING:
    from tests.simulator.conftest import StartServer

CLOCK = ("--clock", "2026-11-10T10:00:00")


def test_everything_survives_a_kill(start_server: StartServer) -> None:
    first = start_server("--devices", "3", *CLOCK)
    cleared, reported, _ = first.numbers()
    tax_no = first.device(cleared)["tax_no"]
    first.report(cleared)
    ciphertexts = first.clear(cleared)
    first.report(reported)
    issued = {"invoice_type": "007", "uploaded": False}
    first.control("POST", f"/devices/{cleared}/invoices", issued)
    first.control("PUT", f"/filings/{tax_no}/2026-11", {"state": "pending"})
    first.control("POST", "/faults", {"fault": "busy", "message": "JKHC", "times": 2})
    first.control("PATCH", f"/devices/{reported}", {"clock_offset_seconds": 60, "version": "V9"})
    paths = [
        "/log",
        "/faults",
        f"/devices/{cleared}/invoices",
        f"/bureau/{cleared}",
        f"/filings/{tax_no}/2026-11",
    ]
    before = [first.control("GET", path) for path in paths]
    states = [_without_clock(first.device(number)) for number in (cleared, reported)]
    first.stop(signal.SIGKILL)

    second = start_server(*CLOCK, data_dir=first.data_dir)
    assert [second.control("GET", path) for path in paths] == before
    assert [_without_clock(second.device(number)) for number in (cleared, reported)] == states
    for _ in range(2):
        assert second.ask("JKHC", cleared, fplxdm="007", fpjkmw=ciphertexts["007"]).code == "-101"
    used = second.ask("JKHC", cleared, fplxdm="007", fpjkmw=ciphertexts["007"])
    assert used.code == "09d118"
    second.clear(reported)


def _without_clock(view: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in view.items() if name != "clock"}


def test_killed_while_a_device_works_it_has_not_acted(start_server: StartServer) -> None:
    first = start_server("--devices", "1", *CLOCK)
    (number,) = first.numbers()
    first.report(number)
    ciphertext = first.unlock(number)["007"]
    first.control("POST", "/faults", {"fault": "slow", "message": "JKHC", "seconds": 60})
    with pytest.raises(httpx.ReadTimeout):
        first.client.post(
            "/SKServer/SKDo",
            content=first.payload("JKHC", number, fplxdm="007", fpjkmw=ciphertext),
            timeout=0.5,
        )
    first.stop(signal.SIGKILL)
    second = start_server(*CLOCK, data_dir=first.data_dir)
    second.control("DELETE", "/faults")
    assert [e["message"] for e in second.log(number)].count("JKHC") == 0
    assert second.ask("JKHC", number, fplxdm="007", fpjkmw=ciphertext).code == "0"


def test_the_clock_goes_on_where_the_data_directory_remembers(start_server: StartServer) -> None:
    first = start_server("--devices", "1", "--clock", "2031-01-31T23:00:00")
    first.stop()
    second = start_server(data_dir=first.data_dir)
    clock = datetime.fromisoformat(second.control("GET", "/healthz")["clock"])
    assert timedelta(0) < clock - datetime(2031, 1, 31, 23) < timedelta(minutes=5)


def test_what_is_stored_reads_back_equal(tmp_path: Path) -> None:
    path = tmp_path / "virtual.sqlite3"
    world = list(seed_world(20, datetime(2026, 11, 10).date()))
    store = Store(path)
    with store.transaction():
        for state, invoices in world:
            store.keep_state(state)
            store.add_invoices(state.number, invoices)
    store.close()
    again = Store(path)
    assert list(again.states()) == [state for state, _ in world]
    for state, invoices in world:
        expected = sorted(invoices, key=lambda i: (i.issued_at, i.invoice_type, i.number))
        assert again.invoices(state.number) == expected
    again.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "virtual.sqlite3")
    entry = LogEntry(
        datetime(2026, 1, 1, tzinfo=UTC), "device", "1", "JKHC", "007", "0", True, None
    )

    def fail() -> None:
        with store.transaction():
            store.add_log(entry)
            raise RuntimeError("killed here")

    with pytest.raises(RuntimeError, match="killed here"):
        fail()
    assert store.log(None, 0, 10) == []
    store.add_log(entry)
    assert [e["acted"] for e in store.log("1", 0, 10)] == [True]
    store.close()
