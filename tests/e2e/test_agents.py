"""Agents in processes of their own: enrolled, dialling out or called over TLS, killed and back."""

import json
import re
import stat
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.free_ports import free_port

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import RemoteAgent, Subject, World

TYPES = ("004", "007")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=1, seconds=1, settings={"QINGKA_LOG_LEVEL": "INFO"})


@pytest.fixture(scope="module")
def numbers(world: "World") -> list[str]:
    return [world.new_device() for _ in range(6)]


@pytest.fixture(scope="module")
def dialling(world: "World", numbers: list[str]) -> "RemoteAgent":
    """An agent that connects by itself, with three devices."""
    return world.remote_agent("门店一", [world.tax_server_device(n) for n in numbers[:3]])


@pytest.fixture(scope="module")
def listening(world: "World", numbers: list[str]) -> "RemoteAgent":
    """An agent that is called over TLS, with three devices."""
    devices = [world.tax_server_device(n) for n in numbers[3:]]
    return world.remote_agent("门店二", devices, listen_port=free_port())


def state_of(world: "World", agent: "RemoteAgent") -> str:
    return str(world.get(f"/agents/{agent.id}")["state"])


def online(world: "World", agent: "RemoteAgent", until: Callable[..., Any]) -> None:
    until(lambda: state_of(world, agent) == "online", what=f"{agent.name} online")


@pytest.fixture(scope="module")
def subjects(
    world: "World",
    numbers: list[str],
    dialling: "RemoteAgent",
    listening: "RemoteAgent",
    until: Callable[..., Any],
) -> list["Subject"]:
    for agent in (dialling, listening):
        online(world, agent, until)
    owners = [dialling] * 3 + [listening] * 3
    return [
        world.subject(f"店员{place}", number=number, agent_id=agent.id, code=f"R{place}")
        for place, (number, agent) in enumerate(zip(numbers, owners, strict=True))
    ]


def test_devices_of_both_agents_are_on_one_page(
    world: "World", subjects: list["Subject"], dialling: "RemoteAgent", listening: "RemoteAgent"
) -> None:
    with world.signed_in() as browser:
        page = browser.get("/devices").text
    for subject in subjects:
        row = re.search(rf"<tr>[^\n]*{subject.number}[^\n]*</tr>", page)
        assert row is not None
        assert "已连接" in row[0]
    assert page.count(f'<td class="hide-s hide-m">{dialling.name}</td>') == 3
    assert page.count(f'<td class="hide-s hide-m">{listening.name}</td>') == 3


def test_a_batch_over_both(world: "World", subjects: list["Subject"]) -> None:
    chosen = (subjects[0], subjects[3])
    body = {"operator_ids": [one.operator_id for one in chosen], "reason": "批量清卡"}
    batch = world.prepared(world.post("/clearing-batches", body)["id"])
    requests = {one["operator_id"]: one["id"] for one in batch["requests"]}
    assert batch["skipped"] == []
    for subject in chosen:
        world.assert_cleared_once(subject, requests[subject.operator_id])
        query = {"operator_id": subject.operator_id, "period": subject.period, "ask_bureau": True}
        (device,) = world.get("/reconciliations", **query)["devices"]
        assert {one["bureau"] for one in device["bureau"]["types"]} == {"cleared"}
        assert device["bureau"]["agreement"] == "agrees"


@pytest.mark.parametrize("place", [1, 4], ids=["dialling", "listening"])
def test_killed_while_clearing_it_ends_right_after_it_is_back(
    world: "World",
    subjects: list["Subject"],
    dialling: "RemoteAgent",
    listening: "RemoteAgent",
    place: int,
    until: Callable[..., Any],
) -> None:
    agent = dialling if place == 1 else listening
    subject = subjects[place]
    request_id = world.begin(subject)
    until(lambda: world.simulation.is_busy(subject.number), what="the device takes the clearing")
    agent.kill()
    until(lambda: state_of(world, agent) == "unreachable", what="the agent is seen to be away")
    device = world.get(f"/devices/{subject.device_id}")
    assert device["state"] == "disconnected"
    assert device["fault_code"] == "agent.unreachable"
    agent.start()
    world.assert_cleared_once(subject, request_id)
    assert world.simulation.cleared(subject.number) == Counter(TYPES)
    until(
        lambda: world.get(f"/devices/{subject.device_id}")["state"] == "connected",
        what="the device is seen again",
    )


def test_what_each_side_keeps(
    world: "World", dialling: "RemoteAgent", listening: "RemoteAgent"
) -> None:
    kept = json.loads((dialling.folder / "agent-enrollment.json").read_text("utf-8"))
    assert kept["mode"] == "dial"
    assert len(kept["token"]) >= 43
    for agent in (dialling, listening):
        for name in ("agent-enrollment.json", "agent-token"):
            assert stat.S_IMODE((agent.folder / name).stat().st_mode) == 0o600
    assert not json.loads((listening.folder / "agent-enrollment.json").read_text("utf-8"))["token"]
    assert (listening.folder / "agent-token").read_text("utf-8").startswith("sha256$")
    rows = {agent["name"]: agent for agent in world.get("/agents")["items"]}
    assert rows[dialling.name]["base_url"].startswith("dial:")
    assert len(rows[listening.name]["pin"]) == 64
    database = (world.data_dir / "qingka.db").read_bytes()
    assert kept["token"].encode() not in database


def test_another_certificate_at_the_same_address_is_not_trusted(
    world: "World", listening: "RemoteAgent", until: Callable[..., Any]
) -> None:
    row = world.get(f"/agents/{listening.id}")
    assert world.api.patch(f"/agents/{listening.id}", json={"pin": "0" * 64}).is_success
    answer = world.api.post(f"/agents/{listening.id}/check")
    assert answer.status_code == 502
    assert answer.json()["code"] == "agent.certificate"
    assert world.api.patch(f"/agents/{listening.id}", json={"pin": row["pin"]}).is_success
    online(world, listening, until)


def test_a_code_works_once(world: "World", dialling: "RemoteAgent") -> None:
    code = world.post("/agents/enrollments", {"name": "门店三"})["code"]
    arguments = ("agent", "enroll", "--server", world.address, "--code", code)
    first = world.qingka(*arguments, data_dir=world.folder / "third")
    assert first.returncode == 0, first.stderr
    second = world.qingka(*arguments, data_dir=world.folder / "fourth")
    assert second.returncode == 1
    assert "登记码无效、已过期或已使用" in second.stderr
    assert not (world.folder / "fourth" / "agent-enrollment.json").exists()


def test_the_page_gives_the_command_with_a_code(world: "World", password: str) -> None:
    with world.signed_in() as browser:
        form = {"agent_name": "门店九", "password": password}
        unproven = browser.post("/devices/agents/enrollments", data={"agent_name": "门店九"})
        assert unproven.status_code == 422
        made = browser.post("/devices/agents/enrollments", data=form)
        assert made.status_code == 200
        command = re.search(r"qingka agent enroll --server (\S+) --code (\S+?)<", made.text)
        assert command is not None
        assert command[1] == world.address
        empty = browser.post("/devices/agents/enrollments", data={**form, "agent_name": " "})
        assert empty.status_code == 422
        assert "必填" in empty.text
    done = world.qingka(
        *("agent", "enroll", "--server", command[1], "--code", command[2]),
        data_dir=world.folder / "ninth",
    )
    assert done.returncode == 0, done.stderr


def test_the_clock_is_corrected_from_the_page(world: "World", subjects: list["Subject"]) -> None:
    subject = subjects[5]
    world.simulation.patch(subject.number, clock_offset_seconds=600)
    world.post(f"/devices/{subject.device_id}/refresh")
    assert 590 < world.get(f"/devices/{subject.device_id}")["clock_drift_seconds"] < 610
    with world.signed_in() as browser:
        page = browser.get(f"/devices/{subject.device_id}").text
        assert "校准时钟" in page
        answer = browser.post(f"/devices/{subject.device_id}/clock")
        assert "时钟已校准" in answer.text
    assert abs(world.get(f"/devices/{subject.device_id}")["clock_drift_seconds"]) < 5
    with world.signed_in("auditor") as browser:
        assert "校准时钟" not in browser.get(f"/devices/{subject.device_id}").text
        assert browser.post(f"/devices/{subject.device_id}/clock").status_code == 403


def test_serving_with_dial_wants_an_enrollment(world: "World") -> None:
    done = world.qingka("agent", "serve", "--dial", data_dir=world.folder / "nobody")
    assert done.returncode == 2
    assert "qingka agent enroll" in done.stderr


def test_the_page_of_an_agent(dialling: "RemoteAgent", subjects: list["Subject"]) -> None:
    with httpx.Client(base_url=dialling.address, trust_env=False, timeout=30) as local:
        page = local.get("/")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert subjects[0].number in page.text
        assert "JKHC 004：成功" in page.text
        assert "dial_connected" in page.text
        assert local.get("/agent.css").headers["content-type"].startswith("text/css")
        assert local.get("/agent/v1/status").status_code == 401
        assert local.get("/", headers={"Host": "evil.example"}).status_code == 401
        assert local.get("/", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 401
        foreign = {"Origin": "https://evil.example"}
        assert local.post("/devices/0/self-test", headers=foreign).status_code == 403
        tested = local.post("/devices/0/self-test", follow_redirects=True)
        assert "✓ 设备信息" in tested.text
        assert "通过" in tested.text


def test_a_removed_agent_is_hung_up_on(world: "World", until: Callable[..., Any]) -> None:
    agent = world.remote_agent("临时", [])
    online(world, agent, until)
    assert world.api.delete(f"/agents/{agent.id}").status_code == 204
    until(lambda: any("dial_revoked" in line for line in agent.lines), what="told so")
    agent.stop()
