"""A whole clearing over each transport: tax server, serial converter, vendor library. Counts are the devices'."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.simulator.operate_disk import ADDRESS_VARIABLE, CONTROL_VARIABLE, build_library

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import SerialSimulation, Subject, World

PASSWORD = "88888888"
TYPES = ("004", "007")


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=1)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The simulated vendor library, compiled."""
    return build_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def serial(
    world: "World", new_serial: Callable[["World"], "SerialSimulation"]
) -> Iterator["SerialSimulation"]:
    """A converter, whose device the world speaks of meanwhile."""
    usual, world.simulation = world.simulation, new_serial(world)
    yield world.simulation
    world.simulation = usual


def library_device(world: "World", library: Path, number: str, control: Path) -> dict[str, Any]:
    return {
        "driver": "operate_disk",
        "library": str(library),
        "number": number,
        "bureau_url": f"{world.simulation.address}/bureau",
        "environment": {
            ADDRESS_VARIABLE: world.simulation.address.removeprefix("http://"),
            CONTROL_VARIABLE: str(control),
        },
        "password": PASSWORD,
        "timeout_seconds": 2,
    }


def cleared_once(world: "World", subject: "Subject") -> None:
    request_id = world.begin(subject)
    request = world.ended(request_id, "succeeded", seconds=90)
    assert [stage["state"] for stage in request["stages"]] == ["done"] * 4
    assert world.simulation.cleared(subject.number) == Counter(TYPES)
    (record,) = world.records(subject)
    assert record["lock_date_after"] == world.simulation.view(subject.number)["lock_date"]


def test_tax_server(world: "World") -> None:
    cleared_once(world, world.subject("税控服务器"))


def test_serial_converter(world: "World", serial: "SerialSimulation") -> None:
    device = {"driver": "serial_converter", "port": str(serial.port), "password": PASSWORD}
    agent = world.remote_agent("串口", [device])
    subject = world.subject("串口", number=serial.number, agent_id=agent.id, code="S1")
    cleared_once(world, subject)
    checks = world.get(f"/operators/{subject.operator_id}/pre-checks", period=subject.period)
    texts = {check["code"]: check["message"] for check in checks["checks"]}
    assert "自行连接" in texts["bureau.reachable"]


def test_vendor_library(world: "World", library: Path, tmp_path: Path) -> None:
    number = world.new_device()
    device = library_device(world, library, number, tmp_path / "control")
    agent = world.remote_agent("组件", [device])
    cleared_once(world, world.subject("组件", number=number, agent_id=agent.id, code="L1"))


@pytest.mark.parametrize("fault", ["hang", "crash-after", "overrun"])
def test_a_library_that_misbehaves_harms_no_other_device(
    world: "World",
    library: Path,
    tmp_path: Path,
    fault: str,
    until: Callable[..., Any],
) -> None:
    """It sleeps for ever, ends by a segmentation fault, or scribbles beyond its buffer."""
    bad, good = world.new_device(), world.new_device()
    control = tmp_path / "control"
    devices = [library_device(world, library, bad, control), world.tax_server_device(good)]
    agent = world.remote_agent(f"组件 {fault}", devices)
    on_library = world.subject("甲", number=bad, agent_id=agent.id, code=f"A{fault}")
    on_server = world.subject("乙", number=good, agent_id=agent.id, code=f"B{fault}")
    control.write_text(f"{fault} JKHC\n", encoding="utf-8")
    struck = world.begin(on_library)
    until(lambda: not control.exists(), what="the library is called for the clearing")
    cleared_once(world, on_server)
    world.ended(struck, "succeeded", seconds=90)
    assert world.simulation.cleared(bad) == Counter(TYPES)
    assert agent.is_alive
