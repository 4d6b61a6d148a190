"""The catalogue of fault codes shared by agent and server, and the devices' own codes.

A code is stable: it is shown on pages, returned by the API and listed on the help page. The device's
or the bureau's own code is always kept beside ours and never replaced by it.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from app.contracts.operations import Fault


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a code means. `retryable`: a later try may succeed without anybody doing anything."""

    code: str
    title: str
    remedy: str
    retryable: bool = False


def _kinds(*rows: tuple[str, str, str, bool]) -> dict[str, FaultKind]:
    return {row[0]: FaultKind(*row) for row in rows}


FAULTS: dict[str, FaultKind] = _kinds(
    (
        "agent.unreachable",
        "设备代理无法访问",
        "检查代理电脑是否开机、网络是否通畅、代理服务是否在运行，然后重试。",
        True,
    ),
    (
        "agent.unauthorized",
        "设备代理拒绝了本系统的令牌",
        "在“税控设备 → 设备代理”重新登记该代理。",
        False,
    ),
    (
        "agent.certificate",
        "设备代理的证书不可信",
        "确认代理没有被替换：核对证书指纹，或为该代理生成登记码重新登记。",
        False,
    ),
    ("agent.version", "设备代理版本不兼容", "把设备代理升级到与本系统相同的版本。", False),
    ("agent.failed", "设备代理内部错误", "收集诊断信息并联系技术支持；重试是安全的。", True),
    (
        "agent.answer_too_large",
        "设备代理的应答过大，已停止接收",
        "检查代理地址后面是否真是设备代理；确认后收集诊断信息并联系技术支持。",
        True,
    ),
    (
        "agent.operation_conflict",
        "同一操作编号的内容不一致",
        "请重新提交，不要重复使用操作编号。",
        False,
    ),
    ("agent.operation_not_found", "设备代理没有这个操作", "重试；仍失败时收集诊断信息。", True),
    ("agent.cancelled", "操作已取消", "设备上没有清卡；需要时重新提交。", False),
    (
        "agent.not_cancellable",
        "操作已不能取消",
        "清卡已经开始写入设备，或操作已经结束：请等待并查看结果。",
        False,
    ),
    (
        "device.not_found",
        "设备代理上没有这台设备",
        "检查设备是否插在这台代理电脑上，以及代理配置中的设备编号。",
        False,
    ),
    ("device.disconnected", "设备未连接", "检查设备的连接与驱动，重新插接后重试。", True),
    ("device.timeout", "设备没有在规定时间内应答", "稍后重试；反复出现时重新插接设备。", True),
    ("device.busy", "设备忙", "等待正在进行的操作完成后重试。", True),
    (
        "device.locked",
        "设备已锁死",
        "设备自己报告锁死、拒绝办理：到主管税务机关解锁，解锁后重新读取设备，再清卡。",
        False,
    ),
    (
        "device.password_wrong",
        "设备口令错误",
        "在设备代理上改正该设备的口令（口令文件、系统钥匙串或代理配置），不必重启代理；改好后“重新读取设备”，"
        "能读到再重试。口令没有改过，系统不再试：次数用完设备将锁定。",
        False,
    ),
    (
        "device.password_missing",
        "设备代理没有保存该设备的口令",
        "在设备代理上为该设备设置口令（口令文件、系统钥匙串或代理配置），不必重启代理，然后“重新读取设备”。",
        False,
    ),
    (
        "device.number_mismatch",
        "设备编号与登记不一致",
        "核对插接的设备是否正确，必要时重新读取设备并确认差异。",
        False,
    ),
    (
        "device.taxpayer_mismatch",
        "设备的纳税人识别号与登记不一致",
        "核对设备与企业的对应关系，不要在错误的设备上清卡。",
        False,
    ),
    (
        "device.type_not_authorized",
        "设备没有该票种的授权",
        "核对票种授权，必要时到主管税务机关办理发行。",
        False,
    ),
    ("device.not_reported", "有票种尚未抄报", "把全部票种抄报完成后再清卡。", True),
    (
        "device.already_reported_today",
        "当天已抄报，不能再次抄报",
        "已有抄报结果，可直接清卡。",
        True,
    ),
    (
        "device.no_report_data",
        "设备内没有可抄报的汇总资料",
        "可能本期已清卡：读取锁死日期确认。",
        True,
    ),
    ("device.several_periods", "存在多个属期未抄报", "从最早的属期开始依次抄报、清卡。", False),
    ("device.not_due", "未到抄报期", "次月 1 日以后再办理。", False),
    (
        "device.offline_not_uploaded",
        "有离线开具的发票尚未上传",
        "联网上传全部离线发票后重试。",
        False,
    ),
    ("device.void_not_uploaded", "有作废发票尚未上传", "联网上传作废发票后重试。", False),
    ("device.red_not_uploaded", "有红字发票尚未上传", "联网上传红字发票后重试。", False),
    ("device.clock_wrong", "设备时钟异常", "校准设备时钟，重新抄报后再清卡。", False),
    (
        "device.ciphertext_rejected",
        "设备不接受清卡信息",
        "重新读取设备确认锁死日期，然后重试以重新取得清卡信息。",
        True,
    ),
    (
        "device.lock_date_not_moved",
        "清卡后锁死日期没有变化",
        "读取设备确认；仍未变化时重新取得清卡信息后重试，或联系服务单位。",
        False,
    ),
    ("device.refused", "设备拒绝了操作", "按设备返回的原因处理后重试。", False),
    (
        "device.answer_invalid",
        "设备返回的内容无法识别",
        "检查驱动配置（方言、编码）与设备版本；收集诊断信息联系技术支持。",
        True,
    ),
    (
        "device.version_too_old",
        "设备版本过低",
        "请服务单位升级设备的软件版本，或核对代理配置中的 minimum_version。",
        False,
    ),
    ("device.fault", "设备故障", "联系服务单位检修设备。", False),
    (
        "device.outcome_unknown",
        "设备上的结果尚未确定",
        "系统会持续读取设备直到确定；请保持设备连接，不要在别处重复清卡。",
        True,
    ),
    ("device.operation_unsupported", "该设备不支持此操作", "在设备或厂家客户端上手工办理。", False),
    (
        "device.text_not_encodable",
        "内容含有设备编码（GBK）不能表示的字符",
        "修改内容，去掉生僻字或特殊符号后重试。",
        False,
    ),
    ("bureau.unreachable", "税务端无法访问", "检查网络与税务端地址，稍后重试。", True),
    ("bureau.not_filed", "税务端未申报", "先完成本期纳税申报，再重试清卡。", False),
    (
        "bureau.mismatch",
        "申报与开票数据比对不符",
        "更正申报后重试；申报无误、税务机关同意放行的，按异常清卡提交。",
        False,
    ),
    ("bureau.pending", "税务端处理中", "税务端正在处理申报数据，稍后重试。", True),
    ("bureau.clock_factor", "时钟校准因子失效", "校准设备时钟，重新抄报后再清卡。", False),
    ("bureau.refused", "税务端拒绝了请求", "按税务端返回的原因处理后重试。", False),
    (
        "bureau.answer_invalid",
        "税务端返回的内容无法识别",
        "稍后重试；仍失败时收集诊断信息联系技术支持。",
        True,
    ),
)


_OURS = frozenset({"internal", "backup.failed"})
"""Failures of this program that may be gone at the next try."""


def is_transient(code: str) -> bool:
    """Whether a later try may succeed without anybody doing anything: the one place that says so."""
    kind = FAULTS.get(code)
    return kind.retryable if kind is not None else code in _OURS


def fault(
    code: str,
    *,
    message: str = "",
    device_code: str = "",
    device_message: str = "",
    **details: object,
) -> Fault:
    """A `Fault` of the catalogue; `message` overrides the title, the remedy stays the catalogue's."""
    kind = FAULTS[code]
    return Fault.model_validate(
        {
            "code": code,
            "message": message or kind.title,
            "remedy": kind.remedy,
            "retryable": kind.retryable,
            "device_code": device_code,
            "device_message": device_message,
            **details,
        }
    )


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """One row of data/device_codes.csv: a code as a device or the bureau gives it."""

    family: str
    code: str
    text: str
    phase: str
    klass: str
    remedy: str


@cache
def device_codes() -> dict[tuple[str, str], DeviceCode]:
    """All known codes of devices and the bureau by (family, code in lower case)."""
    text = files("app.contracts").joinpath("data/device_codes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        (row["family"], row["code"].lower()): DeviceCode(
            row["family"], row["code"], row["text"], row["phase"], row["class"], row["remedy"]
        )
        for row in rows
    }


def device_code(family: str, code: str) -> DeviceCode | None:
    """The known meaning of a device's own code, or None."""
    return device_codes().get((family, code.strip().lower()))
