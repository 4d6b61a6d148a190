"""The simulated tax server and bureau over real HTTP: conversations, dialects, addressing, the log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import StartServer, VirtualServer

    NewDevice = Callable[..., str]


@pytest.fixture(params=[False, True], ids=["middleware", "component"])
def dialect(request: pytest.FixtureRequest, server: VirtualServer) -> object:
    """Speak one dialect and then the other."""
    server.component = request.param
    yield "component" if request.param else "middleware"
    server.component = False


def test_a_whole_report_and_clearing(
    server: VirtualServer, new_device: NewDevice, dialect: str
) -> None:
    number = new_device("golden_tax_disk")
    before = server.device(number)["lock_dates"]
    server.report(number)
    server.clear(number)
    after = server.device(number)
    assert before == {"004": "2026-11-30", "007": "2026-11-30"}
    assert after["lock_dates"] == {"004": "2026-12-15", "007": "2026-12-15"}
    assert after["cleared_counts"] == {"004": 1, "007": 1}
    monitor = server.ask("JKSJCX", number, fplxdm="007").fields
    assert (monitor["kpjzsj"], monitor["bsqsrq"]) == ("20261215", "20261101000000")
    assert monitor["zxbsrq"].startswith("20261110")
    assert [(e["side"], e["message"], e["invoice_type"]) for e in server.log(number)][:7] == [
        ("device", "SJCB", "004"),
        ("device", "SJCB", "007"),
        ("bureau", "WLCB", "004,007"),
        ("bureau", "QLJS", "004,007"),
        ("device", "JKHC", "004"),
        ("device", "JKHC", "007"),
        ("bureau", "QLJSJGQR", "004,007"),
    ]
    assert all(e["acted"] and e["returncode"] == "0" for e in server.log(number))


def test_the_answer_names_the_device_as_the_dialect_does(
    server: VirtualServer, new_device: NewDevice, dialect: str
) -> None:
    number = new_device()
    fields = server.ask("SKSBBH", number).fields
    assert fields["skpbh" if dialect == "component" else "sksbbh"] == number


def test_device_information(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device(
        taxpayer_name="青卡（测试）有限公司", machine_no=2, tax_no="91350100M000100Y43"
    )
    answer = server.ask("SKPXXCX", number)
    assert answer.id == "SKPXXCX"
    known = answer.fields
    assert (known["sksbbh"], known["nsrsbh"], known["kpjh"]) == (number, "91350100M000100Y43", "2")
    assert known["nsrmc"] == "青卡（测试）有限公司"
    assert known["fplxdm"] == "004007"
    assert known["dqsz"].startswith("20261110")
    assert known["qtkzxx"] == ""


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("0", "20261130"), ("1", "202610010900"), ("2", "1,113.00"), ("3", "2"), ("5", "1")],
)
def test_other_information(
    server: VirtualServer, new_device: NewDevice, wanted: str, expected: str
) -> None:
    number = new_device()
    for body in ({"count": 2}, {"uploaded": False}):
        server.control("POST", f"/devices/{number}/invoices", {"invoice_type": "004"} | body)
    assert server.ask("SKSBQTYXXCX", number, xxlx=wanted).fields["sksbxx"] == expected


def test_unknown_other_information_is_refused(server: VirtualServer, new_device: NewDevice) -> None:
    assert server.ask("SKSBQTYXXCX", new_device(), xxlx="9").code == "-101"


def test_statistics_and_invoices(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    for status in ("normal", "red", "void"):
        server.control(
            "POST", f"/devices/{number}/invoices", {"invoice_type": "007", "status": status}
        )
    asked = {"fplxdm": "007", "qsrq": "20261001", "zzrq": "20261031"}
    (month,) = server.ask("TJXXCX", number, **asked).groups
    assert (month["zsfpfs"], month["fsfpfs"], month["zffpfs"], month["kffpfs"]) == tuple("1110")
    assert (month["zsfpljje"], month["fsfpljse"]) == ("100.00", "-13.00")
    assert int(month["qckcfs"]) - int(month["qmkcfs"]) == 3
    monthly = server.ask("FPCX", number, fplxdm="007", cxfs="1", cxtj="202610").groups
    invoices = [group for group in monthly if "fphm" in group]
    assert [(i["fphm"], i["fpzt"], i["scbz"]) for i in invoices] == [
        ("00000001", "0", "1"),
        ("00000002", "1", "1"),
        ("00000003", "3", "1"),
    ]
    items = [group for group in monthly if "xm" in group]
    assert len(items) == 3
    condition = invoices[0]["fpdm"].ljust(12) + "00000002" + "00000003"
    ranged = server.ask("FPCX", number, fplxdm="007", cxfs="0", cxtj=condition).groups
    assert [group["fphm"] for group in ranged if "fphm" in group] == ["00000002", "00000003"]


@pytest.mark.parametrize(
    "fields",
    [
        {"cxfs": "1", "cxtj": "2026"},
        {"cxfs": "1", "cxtj": "209913"},
        {"cxfs": "0", "cxtj": "1"},
        {"cxfs": "7", "cxtj": "202610"},
    ],
)
def test_a_query_that_makes_no_sense(
    server: VirtualServer, new_device: NewDevice, fields: dict[str, str]
) -> None:
    assert server.ask("FPCX", new_device(), fplxdm="007", **fields).code == "-101"


def test_setting_the_clock(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device(clock_offset_seconds=-7200)
    assert server.ask("SKPXXCX", number).fields["dqsz"].startswith("2026111008")
    assert server.ask("SKPBSP", number, czlx="4", hzxx="20261110123000").code == "0"
    assert server.ask("SKPXXCX", number).fields["dqsz"].startswith("202611101230")
    assert server.ask("SKPBSP", number, czlx="4", hzxx="12:30").code == "-101"
    assert server.ask("SKPBSP", number, czlx="1").code == "-101"
    assert server.ask("SKPBSP", number, czlx="4", hzxx="20200101000000").code == "09e105"


def test_another_taxpayers_number_is_refused(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    assert server.ask("JKSJCX", number, fplxdm="004", nsrsbh="91110000600037341L").code == "-101"


def test_a_device_is_found_by_its_machine(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device(machine_code="499911112222")
    for machine in ("499911112222", number):
        answer = server.ask("SKPXXCX", "", jqbh=machine)
        assert answer.fields["sksbbh"] == number


@pytest.mark.parametrize("fields", [{"sksbbh": "000000000000"}, {"jqbh": "1"}, {}])
def test_a_device_that_is_not_there(server: VirtualServer, fields: dict[str, str]) -> None:
    assert server.ask("SKPXXCX", **({"number": ""} | fields)).code == "09c000"


def test_what_is_no_message_is_answered_with_an_empty_id(server: VirtualServer) -> None:
    for path in ("/SKServer/SKDo", "/bureau"):
        for payload in (b"", b"\xff\xfe<x/>", b"<business id='WHAT'><body/></business>"):
            answer = server.send(payload, path)
            assert b'id=""' in answer
            assert (
                "<returncode>-101</returncode><returnmsg>解析请求数据错误".encode("gbk") in answer
            )


def test_device_and_bureau_answer_only_their_own_messages(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device()
    assert server.ask("QLJS", number).id == ""
    assert server.ask_bureau("JKHC", number, [{"fplxdm": "004"}]).id == ""


def test_a_message_that_is_too_large_is_not_read(server: VirtualServer) -> None:
    assert b'id=""' in server.send(b" " * 1_100_000)


@pytest.mark.parametrize(("kind", "code"), [("golden_tax_disk", "195"), ("ukey", "09d11b")])
def test_reporting_after_clearing_finds_no_totals(
    server: VirtualServer, new_device: NewDevice, kind: str, code: str
) -> None:
    number = new_device(kind)
    server.report(number)
    again = server.ask("SJCB", number, fplxdm="004", jzlx="1")
    assert (again.code, again.fields["returnmsg"]) == ("-101", "当天不能再次抄报")
    server.clear(number)
    assert server.ask("SJCB", number, fplxdm="004", jzlx="1").code == code
    refused = server.ask_bureau("QLJS", number, [{"fplxdm": "004"}]).groups
    assert [group["returncode"] for group in refused] == ["already_cleared"]


def test_one_type_alone_is_cleared_and_confirmed(
    server: VirtualServer, new_device: NewDevice
) -> None:
    number = new_device()
    server.report(number)
    (group,) = server.ask_bureau("QLJS", number, [{"fplxdm": "007"}]).groups
    server.ask("JKHC", number, fplxdm="007", fpjkmw=group["fpjkmw"])
    server.ask_bureau("QLJSJGQR", number, [{"fplxdm": "007"}], qtxx=group["fpjkmw"])
    assert server.device(number)["lock_dates"] == {"004": "2026-11-30", "007": "2026-12-15"}
    books = server.control("GET", f"/bureau/{number}?period=2026-10")
    assert {b["invoice_type"]: b["confirmed_at"] is not None for b in books} == {
        "004": False,
        "007": True,
    }


def test_a_ciphertext_of_another_device_is_refused(
    server: VirtualServer, new_device: NewDevice
) -> None:
    mine, other = new_device("golden_tax_disk"), new_device("golden_tax_disk")
    server.report(mine)
    server.report(other)
    foreign = server.unlock(other)["007"]
    assert server.ask("JKHC", mine, fplxdm="007", fpjkmw=foreign).code == "156"
    own = server.unlock(mine)["007"]
    assert server.ask("JKHC", mine, fplxdm="007", fpjkmw=own).code == "0"
    assert server.ask("JKHC", mine, fplxdm="007", fpjkmw=own).code == "158"


def test_the_bureau_knows_its_devices(server: VirtualServer, new_device: NewDevice) -> None:
    number = new_device()
    server.control("PATCH", f"/devices/{number}", {"tax_no": "91110000600037341L"})
    assert server.ask_bureau("QLJS", number, []).code == "-101"
    payload = server.send(
        f'<business id="QLJS"><body skph="{number}" nsrsbh="123456789012345"><input><group xh="1">'
        "<fplxdm>004</fplxdm></group></input></body></business>".encode(),
        "/bureau",
    )
    assert "纳税人识别号与设备不一致".encode("gbk") in payload


def test_only_the_chosen_dialect_is_understood(start_server: StartServer) -> None:
    server = start_server("--devices", "1", "--dialect", "component")
    (number,) = server.numbers()
    assert server.ask("SKSBBH", number).id == ""
    server.component = True
    assert server.ask("SKSBBH", "").fields["skpbh"] == number


def test_slow_clearings_do_not_wait_for_each_other(start_server: StartServer) -> None:
    server = start_server("--devices", "30", "--seconds", "1.0", "--clock", "2026-11-10T10:00:00")
    devices = [d for d in server.control("GET", "/devices") if d["lock_date"][:7] == "2026-11"]
    due = [d["number"] for d in devices if not d["locked"]][:20]
    for number in due:
        server.report(number)
    ciphertexts = {number: server.unlock(number) for number in due}
    started = time.monotonic()
    codes = asyncio.run(_write_all(server, ciphertexts))
    took = time.monotonic() - started
    assert codes == {"0"}
    assert 1.0 <= took < 10.0  # one after the other they would take 20 s


async def _write_all(server: VirtualServer, ciphertexts: dict[str, dict[str, str]]) -> set[str]:
    async def write(number: str, kinds: dict[str, str]) -> set[str]:
        fields = [{"fplxdm": kind, "fpjkmw": text} for kind, text in kinds.items()]
        return {(await server.ask_async(client, "JKHC", number, **one)).code for one in fields}

    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        found = await asyncio.gather(*(write(n, kinds) for n, kinds in ciphertexts.items()))
    return set().union(*found)
