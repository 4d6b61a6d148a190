"""Every fault, switched on over the control address and seen on the wire and in the log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import httpx
import pytest

from app.simulator.faults import ALL_MESSAGES, SCOPES, FaultBoard, FaultName, FaultRequest

if TYPE_CHECKING:
    from tests.simulator.conftest import VirtualServer

    NewDevice = Callable[..., str]


def switch_on(server: VirtualServer, number: str, fault: str, **more: Any) -> int:
    body = {"fault": fault, "device": number, "times": 1} | more
    return int(server.control("POST", "/faults", body)["id"])


def last(server: VirtualServer, number: str) -> tuple[str, str | None, bool, str | None]:
    entry = server.log(number)[-1]
    return entry["message"], entry["returncode"], entry["acted"], entry["fault"]


def test_a_lost_request_was_not_acted_upon(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    switch_on(server, number, "lost_before", message="SJCB")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        server.ask("SJCB", number, fplxdm="004", jzlx="1")
    assert last(server, number) == ("SJCB", None, False, "lost_before")
    assert server.device(number)["types"][0]["seal"] is None
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == "0"


def test_a_lost_answer_was_acted_upon_exactly_once(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device()
    server.report(number)
    ciphertext = server.unlock(number)["007"]
    switch_on(server, number, "lost_after", message="JKHC", invoice_type="007")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        server.ask("JKHC", number, fplxdm="007", fpjkmw=ciphertext)
    assert last(server, number) == ("JKHC", "0", True, "lost_after")
    assert server.device(number)["lock_dates"]["007"] == "2026-12-15"
    assert server.ask("JKHC", number, fplxdm="007", fpjkmw=ciphertext).code == "09d118"
    acted = [e for e in server.log(number) if e["message"] == "JKHC" and e["acted"]]
    assert len(acted) == 1


def test_sealed_totals_whose_answer_was_lost_are_given_again(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device()
    switch_on(server, number, "lost_after", message="SJCB")
    with pytest.raises(httpx.RemoteProtocolError):
        server.ask("SJCB", number, fplxdm="004", jzlx="1")
    server.report(number)
    server.clear(number)
    assert server.device(number)["lock_date"] == "2026-12-15"


def test_half_an_answer(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    switch_on(server, number, "half")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message"):
        server.ask("SKPXXCX", number)
    assert last(server, number) == ("SKPXXCX", "0", True, "half")
    assert server.ask("SKPXXCX", number).code == "0"


def test_a_damaged_answer_cannot_be_read(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    switch_on(server, number, "garbage")
    with pytest.raises((ParseError, UnicodeDecodeError)):
        server.ask("SKPXXCX", number)
    assert last(server, number) == ("SKPXXCX", "0", True, "garbage")


def test_a_slow_answer(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    switch_on(server, number, "slow", seconds=0.6)
    started = time.monotonic()
    assert server.ask("SKPXXCX", number).code == "0"
    assert time.monotonic() - started >= 0.6
    assert last(server, number) == ("SKPXXCX", "0", True, "slow")


@pytest.mark.parametrize(
    ("fault", "golden", "disk", "word"),
    [
        ("busy", "-101", "-101", "忙"),
        ("unplugged", "4001", "09c000", ""),
        ("locked", "21", "09d109", ""),
        ("wrong_password", "236", "0963c7", ""),
        ("several_periods", "202", "-101", "多"),
        ("disk_full", "-101", "-101", "空间不足"),
    ],
)
@pytest.mark.parametrize("kind", ["golden_tax_disk", "tax_disk"])
def test_refusals_of_the_device(
    server: VirtualServer,
    new_device: NewDevice,
    kind: str,
    fault: str,
    golden: str,
    disk: str,
    word: str,
) -> None:
    number = new_device(kind)
    switch_on(server, number, fault, message="SJCB", invoice_type="007")
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == "0"
    answer = server.ask("SJCB", number, fplxdm="007", jzlx="1")
    assert answer.code == (golden if kind == "golden_tax_disk" else disk)
    assert word in answer.fields["returnmsg"]
    assert last(server, number) == ("SJCB", answer.code, False, fault)
    assert server.ask("SJCB", number, fplxdm="007", jzlx="1").code == "0"


def test_a_forced_wrong_password_costs_real_tries(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device()
    switch_on(server, number, "wrong_password", times=8)
    codes = [server.ask("SKPXXCX", number).code for _ in range(9)]
    assert codes == [f"0963c{left}" for left in (7, 6, 5, 4, 3, 2, 1, 0, 0)]
    server.control("PATCH", f"/devices/{number}", {"password": "88888888"})
    assert server.ask("SKPXXCX", number).code == "0"


def test_a_locked_device_says_so_in_its_information(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device()
    switch_on(server, number, "locked")
    assert server.ask("SKPXXCX", number).fields["qtkzxx"] == "已锁死"
    assert server.control("GET", "/faults")[-1]["times"] == 1
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == "09d109"
    assert server.ask("SKPXXCX", number).fields["qtkzxx"] == ""


@pytest.mark.parametrize("fault", ["clock_factor", "not_filed", "mismatch", "pending"])
def test_refusals_of_the_bureau(server: VirtualServer, new_device: NewDevice, fault: str) -> None:
    number = new_device()
    server.report(number)
    switch_on(server, number, fault, invoice_type="007")
    answer = server.ask_bureau("QLJS", number, [{"fplxdm": "004"}, {"fplxdm": "007"}])
    codes = {group["fplxdm"]: group["returncode"] for group in answer.groups}
    assert codes == {"004": "0", "007": fault}
    assert all(group["returnmsg"] for group in answer.groups)
    assert last(server, number) == ("QLJS", fault, True, fault)
    server.clear(number)


def test_the_bureau_is_down(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    server.report(number)
    switch_on(server, number, "bureau_down")
    with pytest.raises(httpx.HTTPStatusError, match="503"):
        server.unlock(number)
    assert last(server, number) == ("QLJS", None, False, "bureau_down")
    server.clear(number)


@pytest.mark.parametrize("message", ["WLCB", "QLJS", "QLJSJGQR"])
@pytest.mark.parametrize("fault", ["lost_before", "lost_after"])
def test_messages_to_the_bureau_can_be_lost_and_repeated(
    server: VirtualServer, new_device: NewDevice, fault: str, message: str
) -> None:
    number = new_device()
    sealed, ciphertexts = {}, {}
    if message != "WLCB":
        sealed = server.report(number)
    if message == "QLJSJGQR":
        ciphertexts = server.unlock(number)
    groups = [{"fplxdm": kind, "qtxx": text} for kind, text in ciphertexts.items()]
    if message == "WLCB":
        blob = server.ask("SJCB", number, fplxdm="004", jzlx="1").fields["fphz"]
        groups = [{"fplxdm": "004", "fphz": blob}]
    elif message == "QLJS":
        groups = [{"fplxdm": kind} for kind in sealed]
    switch_on(server, number, fault, message=message)
    with pytest.raises(httpx.RemoteProtocolError):
        server.ask_bureau(message, number, groups)
    assert last(server, number)[2:] == (fault == "lost_after", fault)
    again = server.ask_bureau(message, number, groups)
    assert {group["returncode"] for group in again.groups} == {"0"}


def test_any_code_can_be_refused_with(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device("golden_tax_disk")
    switch_on(server, number, "refuse", message="SJCB", code="3", text="时钟停止")
    answer = server.ask("SJCB", number, fplxdm="004", jzlx="1")
    assert (answer.code, answer.fields["returnmsg"]) == ("3", "时钟停止")
    server.report(number)
    switch_on(server, number, "refuse", message="QLJS", code="77", text="其他原因")
    (group,) = server.ask_bureau("QLJS", number, [{"fplxdm": "004"}]).groups
    assert (group["returncode"], group["returnmsg"]) == ("77", "其他原因")


def test_faults_are_for_one_device_and_until_removed(
    server: VirtualServer, new_device: NewDevice
) -> None:
    sick, well = new_device(), new_device()
    fault = switch_on(server, sick, "busy", times=None)
    for _ in range(3):
        assert server.ask("SKPXXCX", sick).code == "-101"
        assert server.ask("SKPXXCX", well).code == "0"
    assert [f["id"] for f in server.control("GET", "/faults")] == [fault]
    assert server.control("DELETE", f"/faults/{fault}") == {"removed": 1}
    assert server.ask("SKPXXCX", sick).code == "0"


def test_a_fault_for_all_devices(server: VirtualServer, new_device: NewDevice) -> None:
    numbers = [new_device(), new_device()]
    server.control("POST", "/faults", {"fault": "unplugged", "times": 2})
    assert [server.ask("SKSBBH", n).code for n in numbers] == ["09c000"] * 2
    assert server.ask("SKSBBH", numbers[0]).code == "0"


def test_slow_and_lost_go_together(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    switch_on(server, number, "slow", seconds=0.01)
    switch_on(server, number, "lost_after")
    with pytest.raises(httpx.RemoteProtocolError):
        server.ask("SKPXXCX", number)
    assert last(server, number) == ("SKPXXCX", "0", True, "slow+lost_after")


@pytest.mark.parametrize(
    "body",
    [
        {"fault": "lost"},
        {"fault": "busy", "times": 0},
        {"fault": "busy", "devise": "1"},
        {"fault": "not_filed", "message": "JKHC"},
        {"fault": "busy", "message": "XYZ"},
    ],
)
def test_a_fault_that_cannot_be(server: VirtualServer, body: dict[str, Any]) -> None:
    answer = server.client.post("/control/faults", json=body)
    assert answer.status_code == 422


@pytest.mark.parametrize("name", list(FaultName))
def test_each_fault_strikes_the_messages_of_its_scope_and_no_other(name: FaultName) -> None:
    for message in ALL_MESSAGES:
        board = FaultBoard([])
        board.add(FaultRequest(fault=name, times=1), 1)
        plan = board.take("1", message, frozenset({"004"}))
        assert (plan.label == name) == (message in SCOPES[name])
        assert (board.all() == []) == (message in SCOPES[name])


def test_the_bureau_can_be_slow_in_every_message_the_probe_too(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device()
    switch_on(server, number, "slow", message="LJCS", seconds=0.5)
    probe = f'<?xml version="1.0" encoding="gbk"?><business id="LJCS"><body skph="{number}"/></business>'
    began = time.monotonic()
    answer = httpx.post(f"{server.url}/bureau", content=probe.encode("gbk"), trust_env=False)
    assert (answer.status_code, time.monotonic() - began >= 0.5) == (200, True)
