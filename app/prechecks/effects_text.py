"""The effects of a clearing as lines of text, for the command line."""

from collections.abc import Iterator

from app.clearing.words import DEVICE_KINDS, KINDS, MODES, SCOPES, figures, invoice_type
from app.prechecks.effects import DeviceEffects, Effects, Kept, RegisterEffect, TypeEffect

_REGISTER = {
    RegisterEffect.KEPT: "不改动，与设备不同之处列为提醒",
    RegisterEffect.BASELINE: "先读取设备，作为基准保存",
    RegisterEffect.UPDATED: "先读取设备，保存与登记不同之处",
}
_KEPT = {
    Kept.OTHER_PERIODS: "其他属期",
    Kept.OTHER_DEVICES: "其他设备",
    Kept.INVOICE_CONTENTS: "发票内容",
    Kept.OTHER_TYPES: "未选的类型",
    Kept.DRAFTS: "草稿",
    Kept.SETTINGS: "个人设置",
    Kept.REGISTER: "登记资料",
}


def lines(effects: Effects) -> Iterator[str]:
    """What is going to happen, then what is not."""
    choice = effects.choice
    yield f"{MODES[choice.mode]} · {KINDS[choice.kind]} · {SCOPES[choice.scope]} · {choice.period}"
    for device in effects.devices:
        yield from _device(device)
    yield f"登记资料：{_REGISTER[effects.register]}"
    if effects.devices and not effects.executes:
        yield "设备已清卡：只核对并记录，不写入设备"
    yield f"记为已清卡（按台账）：{figures(effects.invoices)}"
    if effects.left:
        yield f"清卡后仍未清：{effects.left_said}"
    if effects.drafts:
        yield f"移出草稿：{effects.drafts} 张（备份中保留）"
    if effects.settings:
        yield f"重置个人设置：{'、'.join(effects.settings)}"
    yield f"不会改动：{'、'.join(_KEPT[kept] for kept in effects.keeps)}"
    if effects.left_out:
        yield f"不在其中的设备：{'、'.join(effects.left_out)}"


def _device(device: DeviceEffects) -> Iterator[str]:
    yield f"{DEVICE_KINDS[device.kind]} {device.number}"
    if device.not_first:
        yield "  已有成功的清卡记录，首次清卡会停下"
    if not device.clear:
        yield "  尚未读取，类型在读取后确定"
    for one in device.clear:
        along = "（同组，一并清卡）" if one.along else ""
        yield f"  {invoice_type(one.invoice_type)}{along}：{_what(device, one)}，{figures(one.invoices)}"
    for kind in (*device.report, *device.not_reported):
        if kind in device.untouched:
            yield f"  {invoice_type(kind)}：{'只抄报，不清卡' if device.report else '尚未抄报'}"


def _what(device: DeviceEffects, one: TypeEffect) -> str:
    if one.already:
        return "设备已清卡，只核对并记录"
    if one.invoice_type in device.not_reported:
        return "尚未抄报，清卡会停下"
    return "抄报后清卡" if one.invoice_type in device.report else "已抄报，清卡"
