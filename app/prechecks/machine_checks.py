"""分机 before 主机: a main machine waits until the taxpayer's sub machines are reported (docs/domain.md)."""

from dataclasses import replace

from app.clearing.check import Check, blocking, ok, seen, warning
from app.contracts.devices import DeviceReading
from app.prechecks.facts import DeviceFacts, Facts, SubMachine, SubState

_STATES = {
    SubState.REPORTED: "已抄报",
    SubState.AHEAD: "有清卡申请，在主机之前进行",
    SubState.WAITING: "未抄报",
    SubState.OFFICE: "未抄报，需到办税厅处理",
    SubState.UNKNOWN: "尚未读取",
}
_ORDER = "machines.order"


def order(facts: Facts, device: DeviceFacts, reading: DeviceReading) -> Check:
    """Blocks while a sub machine can still be reported here.

    One that only the tax office can go on with, or that was never read, is for a person to decide on.
    """
    if reading.info.machine_no:
        text = f"分机 {reading.info.machine_no}，先于主机抄报"
        return ok(_ORDER, text, seen(("开票机号", reading.info.machine_no)))
    evidence = seen(("开票机号", "0（主机）"), *(_shown(sub) for sub in device.subs))
    waiting = [sub for sub in device.subs if sub.state is SubState.WAITING]
    doubtful = [sub for sub in device.subs if sub.state in (SubState.OFFICE, SubState.UNKNOWN)]
    if waiting and not facts.exceptional:
        refusal = blocking(
            _ORDER,
            "clearing.sub_machines_first",
            f"分机 {_named(waiting)} 尚未抄报 {facts.period}，主机须在其后",
            evidence,
            remedy="先为所列分机清卡（或抄报），再为主机清卡；批量清卡会自动按此顺序。",
        )
        return replace(refusal, go_first=tuple(sub.number for sub in waiting))
    if waiting or doubtful:
        return warning(
            _ORDER,
            f"分机 {_named([*waiting, *doubtful])} 没有抄报 {facts.period} 的记录",
            "确认这些分机已停用、已在别处抄报，或由办税厅处理后再继续。",
            evidence,
        )
    ahead = [sub for sub in device.subs if sub.state is SubState.AHEAD]
    if ahead:
        return ok(_ORDER, f"分机 {_named(ahead)} 已有清卡申请，主机在其后进行", evidence)
    text = "分机均已抄报" if device.subs else "主机，没有其他分机"
    return ok(_ORDER, text, evidence)


def _named(subs: list[SubMachine]) -> str:
    return "、".join(sub.number for sub in subs)


def _shown(sub: SubMachine) -> tuple[str, str]:
    when = "" if sub.live else "（按上次读取）"
    return f"分机 {sub.machine_no} {sub.number}", f"{_STATES[sub.state]}{when}"
