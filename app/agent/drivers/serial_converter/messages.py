"""Commands of the serial converter (docs/protocols.md, section 4): request fields and answers. No I/O.

The fields have the names of the XML messages (section 2), so their values are read by the same code.
Parsers raise `MessageInvalid`.
"""

from enum import IntEnum

from app.agent.drivers.serial_converter.fields import Layout, layout
from app.agent.drivers.xml import values
from app.agent.drivers.xml.messages import SUCCESS, Answer, Fields, MessageInvalid
from app.agent.drivers.xml.readings import device_info, monitor, statistics
from app.contracts.devices import DeviceInfo, InvoiceType, Monitor, Statistics


class Command(IntEnum):
    """The third byte of a request."""

    ONLINE = 0x01  # 联机
    NUMBER = 0x02  # 编号查询
    INFO = 0x04  # 设备信息
    MONITOR = 0x06  # 监控数据
    REPORT = 0x11  # 数据抄报
    CLEAR = 0x12  # 网络监控回传
    STATISTICS = 0x13  # 统计


_DEVICE = "nsrsbh 20, skpbh 12, skpkl 8, fplxdm 3"

REQUESTS: dict[Command, Layout] = {
    Command.ONLINE: Layout(()),
    Command.NUMBER: layout("jqbh 12"),
    Command.INFO: layout("skpkl 8, jqbh 12"),
    Command.MONITOR: layout(f"{_DEVICE}, jqbh 12"),
    Command.REPORT: layout(f"{_DEVICE}, jqbh 12, jzlx 1, kpjh 5"),
    Command.CLEAR: layout(f"{_DEVICE}, jqbh 12, kpjh 5"),
    Command.STATISTICS: layout(f"{_DEVICE}, qsrq 8, zzrq 8, jqbh 12"),
}
"""Fields of each request."""

STATISTICS_HEAD = layout("fplxdm 3, count 3")
STATISTICS_PERIOD = layout(
    "qsrq 8, jzrq 8, qckcfs 10, lgfpfs 10, thfpfs 10, zsfpfs 10, zffpfs 10, fsfpfs 10, fffpfs 10,"
    "kffpfs 10, qmkcfs 10, zsfpljje 12, zsfpljse 12, zffpljje 12, zffpljse 12, fsfpljje 12,"
    "fsfpljse 12, fffpljje 12, fffpljse 12"
)

ANSWERS: dict[Command, Layout] = {
    Command.ONLINE: Layout(()),
    Command.NUMBER: layout("sksbbh 12"),
    Command.INFO: layout(
        "skpbh 12, nsrsbh 20, nsrmc 80, swjgdm 11, swjgmc 80, fplxdm 30, dqsz 14, qysj 14, bbh 10,"
        "kpjh 5, qylx 3, blxx 16, qtkzxx 80"
    ),
    Command.MONITOR: layout(
        "fplxdm 3, kpjzrq 8, bsqsrq 14, bszzrq 14, dzkpxe 12, zxbsrq 14, syrl 12, scjzrq 2,"
        "lxkpsc 5, lxzsljje 12, lxkzxx 160, zdyxx 100"
    ),
    Command.REPORT: Layout(()),
    Command.CLEAR: Layout(()),
}
"""Fields of the answers with a fixed length: of all commands but the statistics."""

REPORT_OVER_NETWORK = "1"
"""jzlx: the sealed totals go to the bureau over the network."""


def fits(command: Command, data: bytes) -> bool:
    """Whether `data` has a length the answer to `command` can have."""
    if command is Command.STATISTICS:
        rest = len(data) - STATISTICS_HEAD.size
        return rest >= 0 and rest % STATISTICS_PERIOD.size == 0
    return len(data) == ANSWERS[command].size


def parse_number(data: bytes) -> str:
    """The device number in the answer to 0x02."""
    return ANSWERS[Command.NUMBER].unpack(data)["sksbbh"]


def parse_info(data: bytes) -> DeviceInfo:
    """The answer to 0x04."""
    fields = ANSWERS[Command.INFO].unpack(data)
    return device_info(_answer(Command.INFO, {**fields, "sksbbh": fields["skpbh"]}))


def parse_monitor(data: bytes, invoice_type: InvoiceType) -> Monitor:
    """The answer to 0x06 for this type."""
    fields = ANSWERS[Command.MONITOR].unpack(data)
    return monitor(_answer(Command.MONITOR, {**fields, "kpjzsj": fields["kpjzrq"]}), invoice_type)


def parse_statistics(data: bytes, invoice_type: InvoiceType) -> Statistics:
    """The answer to 0x13 for this type."""
    head = STATISTICS_HEAD.unpack(data[: STATISTICS_HEAD.size])
    if head["fplxdm"] != invoice_type:
        raise MessageInvalid(f"应答的票种不是 {invoice_type.value}")
    body, size = data[STATISTICS_HEAD.size :], STATISTICS_PERIOD.size
    if len(body) != values.number(head, "count") * size:
        raise MessageInvalid(f"统计应有 {head['count']} 段，实际为 {len(body)} 字节")
    groups = tuple(
        STATISTICS_PERIOD.unpack(body[start : start + size]) for start in range(0, len(body), size)
    )
    return statistics(_answer(Command.STATISTICS, {}, groups), invoice_type)


def _answer(command: Command, fields: Fields, groups: tuple[Fields, ...] = ()) -> Answer:
    """The same answer as the XML message with the same fields gives."""
    return Answer(command.name, SUCCESS, "", fields, groups)
