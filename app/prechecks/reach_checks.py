"""Whether the agent and the device answer, and whether the versions of all three fit together."""

import re
from datetime import timedelta

from app.clearing.check import Check, Seen, Severity, blocking, ok, seen, warning
from app.contracts import CONTRACT_VERSION
from app.contracts.devices import DeviceReading
from app.prechecks.facts import DeviceFacts, DeviceFault, Facts
from app.prechecks.wording import LINK_STATES, moment, span

_VERSION = "software.version"


def reached(device: DeviceFacts) -> list[Check]:
    """Whether the agent answers, and whether the device does."""
    if device.fault is None:
        return [_agent(device), _connected(device)]
    if device.fault.code == "agent.version":
        return [_unreached(_VERSION, device, device.fault)]
    if device.fault.code.startswith("agent."):
        return [_unreached("agent.reachable", device, device.fault)]
    return [_agent(device), _unreached("device.connected", device, device.fault)]


def software(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """This program, the agent and the device against each other (docs/domain.md, Pre-checks)."""
    ours, found = facts.system.version, reading.info.version
    agent = device.agent.version if device.agent else ours
    least = reading.summary.minimum_version
    evidence = seen(
        ("本系统版本", ours),
        ("设备代理版本", agent),
        ("接口版本", device.agent.contract_version if device.agent else CONTRACT_VERSION),
        ("设备版本", found),
        ("登记的设备版本", device.version),
        ("设备最低版本", least or "不限"),
    )
    if least and (problem := _older(found, least, evidence)) is not None:
        return problem
    if agent != ours:
        return warning(
            _VERSION,
            f"设备代理的版本 {agent} 与本系统 {ours} 不同",
            "接口兼容，可以继续；建议把两者升级到同一版本。",
            evidence,
        )
    return ok(_VERSION, "软件版本一致，与设备兼容", evidence)


def _older(found: str, least: str, evidence: Seen) -> Check | None:
    """What speaks against a device of this version where at least `least` is wanted."""
    text = f"设备版本 {found or '未知'}，要求不低于 {least}"
    if _family(found) != _family(least):
        remedy = "两者不是同一系列的版本号，请核对设备版本后再继续。"
        return warning(_VERSION, text, remedy, evidence)
    if _numbers(found) < _numbers(least):
        return blocking(_VERSION, "device.version_too_old", text, evidence)
    return None


def _family(version: str) -> str:
    """What stands before the first digit: K of K4.07.11."""
    return re.split(r"\d", version, maxsplit=1)[0].strip().upper()


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers in order, trailing zeros aside: 4, 7, 11 of K4.07.11."""
    found = [int(part) for part in re.findall(r"\d+", version)]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)


def _unreached(code: str, device: DeviceFacts, fault: DeviceFault) -> Check:
    return Check(
        code,
        Severity.BLOCKING,
        f"设备 {device.number}：{fault.message}",
        fault.remedy,
        fault.code,
        fault.device_code,
        fault.device_message,
        seen(
            ("设备", device.number),
            ("错误代码", fault.code),
            ("原始代码", fault.device_code),
            ("原始信息", fault.device_message),
        ),
    )


def _agent(device: DeviceFacts) -> Check:
    agent = device.agent
    evidence = seen(
        ("设备代理版本", agent and agent.version),
        ("已运行", agent and span(timedelta(seconds=agent.uptime_seconds))),
        ("代理的设备", agent and f"{agent.devices} 台"),
    )
    return ok("agent.reachable", "设备代理应答正常", evidence)


def _connected(device: DeviceFacts) -> Check:
    reading = device.reading
    evidence = seen(
        ("驱动", reading and reading.summary.driver),
        ("连接", reading and reading.summary.transport),
        ("状态", reading and LINK_STATES[reading.summary.state]),
        ("读取时间", reading and moment(reading.read_at)),
    )
    return ok("device.connected", f"设备 {device.number} 已连接，驱动应答正常", evidence)
