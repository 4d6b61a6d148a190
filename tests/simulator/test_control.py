"""The control address and the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import StartServer, VirtualServer

    NewDevice = Callable[..., str]


def test_it_says_that_it_is_a_simulation(server: VirtualServer) -> None:
    health = server.control("GET", "/healthz")
    assert health["simulated"] is True
    assert health["clock"].startswith("2026-11-10T1")


def test_seeded_devices_are_listed_with_all_their_state(server: VirtualServer) -> None:
    devices = server.control("GET", "/devices")[:12]
    assert len(devices) == 12
    one = devices[0]
    assert one["number"] == "661814461322"
    assert one["password"] == "88888888"
    assert one["taxpayer"]["tax_no"] == one["tax_no"]
    assert set(one["lock_dates"]) == set(one["invoice_types"])
    assert one["invoices_count"] >= 20
    assert [d["locked"] for d in devices] == [place == 3 for place in range(12)]


def test_devices_that_are_not_there(server: VirtualServer) -> None:
    for method, path in [
        ("GET", "/control/devices/1"),
        ("PATCH", "/control/devices/1"),
        ("GET", "/control/devices/1/invoices"),
    ]:
        assert server.client.request(method, path, json={}).status_code == 404


def test_a_number_cannot_be_added_twice(server: VirtualServer, new_device: NewDevice) -> None:
    body = {"number": new_device(), "tax_no": "91350100M000100Y43"}
    assert server.client.post("/control/devices", json=body).status_code == 409


def test_changing_a_device(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    path = f"/devices/{number}"
    server.control("PATCH", path, {"plugged": False})
    assert server.ask("SKSBBH", number).code == "09c000"
    server.control("PATCH", path, {"plugged": True, "password": "12345678"})
    assert server.ask("SKPXXCX", number).code == "0963c7"
    changes = {"password": "88888888", "version": "V3", "tax_no": "91350100M000100Y43"}
    server.control("PATCH", path, changes | {"clock_offset_seconds": 3600})
    known = server.ask("SKPXXCX", number).fields
    assert (known["bbh"], known["nsrsbh"]) == ("V3", "91350100M000100Y43")
    assert known["dqsz"].startswith("2026111011")
    assert server.client.patch(f"/control{path}", json={"plug": True}).status_code == 422


def test_an_overdue_device_is_unlocked_and_taken_period_by_period(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device("golden_tax_disk", lock_date="2026-10-15")
    view = server.device(number)
    assert view["locked"]
    assert server.ask("SKPXXCX", number).fields["qtkzxx"] == "已锁死"
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == "21"
    server.control("PATCH", f"/devices/{number}", {"locked": False})
    found = []
    for _ in range(2):
        server.report(number)
        server.clear(number)
        found.append(server.device(number)["lock_date"])
    assert found == ["2026-11-16", "2026-12-15"]
    marks = server.device(number)["types"][0]["cleared"]
    assert [mark["period"] for mark in marks] == ["2026-09", "2026-10"]
    assert server.device(number)["lock_override"] is None


def test_several_open_periods_on_a_device_that_is_not_locked(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device("golden_tax_disk")
    server.control("PATCH", f"/devices/{number}", {"report_from": "2026-08"})
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == "245"


def test_locking_by_hand(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    server.control("PATCH", f"/devices/{number}", {"locked": True})
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == "09d109"
    server.control("PATCH", f"/devices/{number}", {"locked": None})
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == "0"


@pytest.mark.parametrize(
    ("status", "word"), [("normal", "离线"), ("void", "作废"), ("red", "红字")]
)
def test_invoices_issued_offline_block_the_report(
    server: VirtualServer, new_device: NewDevice, status: str, word: str
) -> None:
    number = new_device()
    body = {"invoice_type": "004", "status": status, "uploaded": False, "count": 2}
    added = server.control("POST", f"/devices/{number}/invoices", body)
    assert [invoice["number"] for invoice in added] == ["00000001", "00000002"]
    assert server.control("GET", f"/devices/{number}/invoices") == added
    answer = server.ask("SJCB", number, fplxdm="004", jzlx="1")
    assert word in answer.fields["returnmsg"]
    assert server.device(number)["not_uploaded_count"] == 2


def test_invoices_of_a_type_the_device_has_not(
    server: VirtualServer, new_device: NewDevice
) -> None:
    path = f"/control/devices/{new_device()}/invoices"
    assert server.client.post(path, json={"invoice_type": "026"}).status_code == 422


@pytest.mark.parametrize("state", ["not_filed", "mismatch", "pending"])
def test_the_state_of_a_return(server: VirtualServer, new_device: NewDevice, state: str) -> None:
    number = new_device()
    path = f"/filings/{server.device(number)['tax_no']}/2026-10"
    assert server.control("GET", path)["state"] == "filed"
    server.control("PUT", path, {"state": state})
    server.report(number)
    groups = server.ask_bureau("QLJS", number, [{"fplxdm": "004"}, {"fplxdm": "007"}]).groups
    assert [group["returncode"] for group in groups] == [state, state]
    server.control("PUT", path, {"state": "filed"})
    server.clear(number)
    assert server.client.put(f"/control{path}x", json={"state": "filed"}).status_code == 422


def test_the_bureaus_books(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    for status in ("normal", "red"):
        body = {"invoice_type": "007", "status": status, "amount": "50.10", "count": 2}
        server.control("POST", f"/devices/{number}/invoices", body | {"amount": "50.10"})
    server.report(number)
    books = {b["invoice_type"]: b for b in server.control("GET", f"/bureau/{number}")}
    assert books["007"]["amount"] == "0.00"
    counts = {"normal": 2, "red": 2, "void_blank": 0, "void": 0, "void_red": 0}
    assert books["007"]["counts"] == counts
    assert books["004"]["confirmed_at"] is None
    server.clear(number)
    cleared = server.control("GET", f"/bureau/{number}?period=2026-10")
    assert all(b["confirmed_at"] and b["new_lock_date"] == "2026-12-15" for b in cleared)
    assert server.control("GET", f"/bureau/{number}?period=2026-09") == []


def test_the_log_goes_on_after_a_number(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    server.ask("SKPXXCX", number)
    seen = server.log(number)[-1]["seq"]
    server.ask("SKSBBH", number)
    (entry,) = server.log(number, after=seen)
    assert entry["message"] == "SKSBBH"
    assert entry["seq"] > seen
    assert entry["at"].startswith("2026-11-10T02:")


def test_an_empty_world(start_server: StartServer) -> None:
    assert start_server("--devices", "0").numbers() == []


@pytest.mark.parametrize("option", [["--clock", "yesterday"], ["--seconds", "-1"]])
def test_wrong_options_are_explained(option: list[str]) -> None:
    command = [sys.executable, "-m", "app.simulator", "serve", "--port", "0", *option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert option[0] in done.stderr


def test_it_warns_loudly(start_server: StartServer) -> None:
    server = start_server("--devices", "0")
    server.stop()
    assert "SIMULATION" in (server.data_dir / "stderr.log").read_text()


def test_stopped_it_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "app.simulator", "serve", "--port", "0", "--devices", "1"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("virtual ready on http://127.0.0.1:")
        assert len(list(tmp_path.iterdir())) == 1
        process.terminate()
        assert process.wait(timeout=20) == 0
    assert list(tmp_path.iterdir()) == []
