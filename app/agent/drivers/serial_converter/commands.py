"""Commands to the converter: their fields, how long each may take, and how each fails."""

from functools import partial

from app.agent.drivers.serial_converter import codes, messages
from app.agent.drivers.serial_converter.link import Ask, ConverterError, Link, LinkError, Timing
from app.agent.drivers.serial_converter.messages import REQUESTS, Command
from app.agent.drivers.xml.codes import error_of
from app.agent.drivers.xml.messages import NotEncodable
from app.contracts.devices import DeviceInfo, DeviceKind, InvoiceType

CONVERSATION_MESSAGES = 4
"""Messages the converter exchanges for 0x12 (three for 0x11): its answer may take that many times."""


class Commands:
    """The commands to one device. `timeout` is in seconds, for the answer to one message."""

    def __init__(
        self, link: Link, kind: DeviceKind, *, password: str, machine: str, timeout: float
    ) -> None:
        self._link = link
        self._kind = kind
        self._password = password
        self._machine = machine
        self._timeout = timeout

    def number_fields(self) -> dict[str, str]:
        """Fields of 编号查询."""
        return {"jqbh": self._machine}

    def info_fields(self) -> dict[str, str]:
        """Fields of 设备信息."""
        return {"skpkl": self._password, "jqbh": self._machine}

    def type_fields(self, info: DeviceInfo, invoice_type: InvoiceType) -> dict[str, str]:
        """Fields that commands about one type have in common."""
        return {
            "nsrsbh": info.tax_no,
            "skpbh": info.number,
            "skpkl": self._password,
            "fplxdm": invoice_type.value,
            "jqbh": self._machine,
        }

    def query(
        self, command: Command, fields: dict[str, str], *, timeout: float | None = None
    ) -> bytes:
        """The answer to a harmless command. Raises `DriverError`."""
        try:
            return self._link.exchange(_ask(command, fields, timeout or self._timeout))
        except ConverterError as error:
            raise codes.refusal_error(self._kind, error.data) from error
        except LinkError as error:
            raise codes.link_error(error, changes=False) from error

    def converse(self, command: Command, info: DeviceInfo, invoice_type: InvoiceType) -> None:
        """A command for which the converter runs a whole conversation. Raises `LinkError`."""
        fields = self.type_fields(info, invoice_type) | {
            "kpjh": str(info.machine_no),
            "jzlx": messages.REPORT_OVER_NETWORK,
        }
        timeout = self._timeout * CONVERSATION_MESSAGES
        self._link.exchange(_ask(command, fields, timeout, repeatable=False))


def greeting(machine: str, timing: Timing) -> tuple[Ask, ...]:
    """联机, then 编号查询, whose answer no other command has the length of."""
    timeout = timing.half_frame + timing.quiet
    fields = {"jqbh": machine}
    return tuple(_ask(command, fields, timeout) for command in (Command.ONLINE, Command.NUMBER))


def _ask(
    command: Command, fields: dict[str, str], timeout: float, *, repeatable: bool = True
) -> Ask:
    try:
        data = REQUESTS[command].pack(fields)
    except NotEncodable as error:
        raise error_of("device.text_not_encodable", message=str(error)) from error
    return Ask(command, data, timeout, partial(messages.fits, command), repeatable)
