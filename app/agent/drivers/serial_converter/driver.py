"""A device behind a serial converter, which talks to the bureau by itself.

report (抄报): 0x11 of each type      clear (清卡): 0x12 of each type, group by group

The steps have the names of the messages whose place they take, so that the runtime treats them alike.
"""

from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import TypeVar

from app.agent.config import ConfigError, DeviceConfig
from app.agent.drivers.base import (
    COMMIT_STEP,
    DELIVER_STEP,
    REPORT_STEP,
    Capability,
    Conversation,
    DriverError,
    OutcomeUnknown,
    StepRecorder,
)
from app.agent.drivers.recording import StepResult, recorded
from app.agent.drivers.serial_converter import codes, messages
from app.agent.drivers.serial_converter.commands import Commands, greeting
from app.agent.drivers.serial_converter.link import ConverterError, Link, LinkError, Timing
from app.agent.drivers.serial_converter.messages import Command
from app.agent.drivers.serial_converter.ports import SerialSettings, open_serial
from app.agent.drivers.serial_converter.xml_frames import NoBureau, XmlFrames
from app.agent.drivers.xml.bureau import BureauClient
from app.agent.drivers.xml.codes import Refusal, error_of
from app.agent.drivers.xml.dialects import dialect_of
from app.agent.drivers.xml.driver import XmlDriver
from app.agent.drivers.xml.messages import MessageInvalid
from app.contracts.devices import (
    BureauTypeView,
    DeviceInfo,
    DeviceInvoice,
    DeviceKind,
    InvoiceType,
    Monitor,
    Statistics,
)
from app.contracts.operations import StepState
from app.contracts.periods import Period, is_cleared

FAMILY = "serial_converter"
DEFAULT_TIMEOUT = 30.0
"""Seconds for one message, where the configuration gives none."""

_PROBE_TIMEOUT = 2.0
"""Seconds: a device that is not there has to be noticed within three."""

T = TypeVar("T")


class SerialConverterDriver:
    """One device behind one converter."""

    family = FAMILY
    capabilities = frozenset(Capability) - {Capability.BUREAU_VIEW}

    def __init__(
        self,
        link: Link,
        kind: DeviceKind,
        *,
        transport: str,
        password: str,
        machine: str = "",
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self.kind = kind
        self.transport = transport
        self._link = link
        self._probe_timeout = min(_PROBE_TIMEOUT, timeout)
        self._commands = Commands(link, kind, password=password, machine=machine, timeout=timeout)
        self._xml = XmlDriver(
            FAMILY,
            kind,
            dialect=dialect_of("component"),
            transport=XmlFrames(link, transport, timeout=timeout),
            bureau=BureauClient(NoBureau(), dialect_of("component")),
            password=password,
            machine=machine,
            timeout=timeout,
        )

    # -- reading ---------------------------------------------------------------------------------

    def probe(self) -> str:
        """编号查询: no password, so that probing never costs a try."""
        fields = self._commands.number_fields()
        data = self._commands.query(Command.NUMBER, fields, timeout=self._probe_timeout)
        return _understood(partial(messages.parse_number, data))

    def read_info(self) -> DeviceInfo:
        """设备信息."""
        data = self._commands.query(Command.INFO, self._commands.info_fields())
        return _understood(partial(messages.parse_info, data))

    def read_monitor(self, info: DeviceInfo, invoice_type: InvoiceType) -> Monitor:
        """监控数据 of one type."""
        fields = self._commands.type_fields(info, invoice_type)
        data = self._commands.query(Command.MONITOR, fields)
        return _understood(partial(messages.parse_monitor, data, invoice_type))

    def read_statistics(
        self, info: DeviceInfo, invoice_type: InvoiceType, first: date, last: date
    ) -> Statistics:
        """统计 of one type, both days included."""
        days = {"qsrq": f"{first:%Y%m%d}", "zzrq": f"{last:%Y%m%d}"}
        fields = self._commands.type_fields(info, invoice_type) | days
        data = self._commands.query(Command.STATISTICS, fields)
        return _understood(partial(messages.parse_statistics, data, invoice_type))

    def read_invoices(
        self, info: DeviceInfo, invoice_type: InvoiceType, period: Period
    ) -> list[DeviceInvoice]:
        """The invoices of one type and month, by XML: plain 0x0C gives one invoice at a time."""
        return self._by_xml(partial(self._xml.read_invoices, info, invoice_type, period))

    # -- conversations ---------------------------------------------------------------------------

    def report(self, conversation: Conversation, steps: StepRecorder) -> None:
        """抄报. A lost answer is `DeviceUnavailable`: reporting again does no harm."""
        for kind in conversation.invoice_types:
            if steps.done(REPORT_STEP, kind) is None:
                with recorded(steps, REPORT_STEP, kind) as result:
                    self._report_type(conversation, kind, result)
        if steps.done(DELIVER_STEP) is None:
            with recorded(steps, DELIVER_STEP) as result:
                # 0x11 is answered once the bureau has the totals: there is nothing left to send.
                result.message = "已由转换器上报"
                result.payload = dict.fromkeys(
                    (kind.value for kind in conversation.invoice_types), ""
                )

    def clear_groups(self, invoice_types: tuple[InvoiceType, ...]) -> list[tuple[InvoiceType, ...]]:
        """The groups of the device behind the converter (docs/domain.md, rule 4)."""
        return self._xml.clear_groups(invoice_types)

    def clear(self, conversation: Conversation, steps: StepRecorder) -> None:
        """清卡. A 0x12 whose outcome an earlier run did not learn is not sent before reading 0x06."""
        for group in self.clear_groups(conversation.invoice_types):
            for kind in group:
                if steps.done(COMMIT_STEP, kind) is None:
                    self._clear_once(conversation, kind, steps)

    def set_clock(self, info: DeviceInfo, at: datetime) -> None:
        """校准时钟 to `at`, naive Asia/Shanghai, by XML: the plain protocol has no command for it."""
        self._by_xml(partial(self._xml.set_clock, info, at))

    def bureau_reachable(self, info: DeviceInfo) -> bool | None:
        """Not known: the converter talks to the bureau by itself."""
        return None

    def bureau_view(self, info: DeviceInfo) -> tuple[BureauTypeView, ...]:
        """Refused: the converter holds the whole conversation with the bureau inside."""
        raise error_of("device.operation_unsupported")

    def close(self) -> None:
        """Closes the port."""
        self._link.close()

    # -- one type --------------------------------------------------------------------------------

    def _report_type(
        self, conversation: Conversation, kind: InvoiceType, result: StepResult
    ) -> None:
        try:
            self._commands.converse(Command.REPORT, conversation.info, kind)
        except ConverterError as refused:
            error = codes.refusal_error(self.kind, refused.data, kind)
            self._accept_done_before(conversation, kind, result, error)
        except LinkError as error:
            raise codes.link_error(error, changes=False, invoice_type=kind) from error

    def _accept_done_before(
        self,
        conversation: Conversation,
        kind: InvoiceType,
        result: StepResult,
        error: DriverError,
    ) -> None:
        """Refusals that say it was done before: 当天不能再次抄报, and no report data once cleared."""
        if error.fault.code == "device.already_reported_today":
            result.message = "本期已抄报"
        elif error.fault.code == "device.no_report_data":
            result.message = self._found_cleared(conversation, kind)
        if not result.message:
            raise error
        result.state = StepState.SKIPPED
        _keep_answer(result, error)

    def _clear_once(
        self, conversation: Conversation, kind: InvoiceType, steps: StepRecorder
    ) -> None:
        if steps.interrupted(COMMIT_STEP, kind):
            # Read before a new step begins: a device that cannot be read leaves the outcome open.
            found = self._found_cleared(conversation, kind)
            if found:
                steps.end(COMMIT_STEP, kind, message=found)
                return
        with recorded(steps, COMMIT_STEP, kind) as result:
            self._clear_type(conversation, kind, result)

    def _clear_type(
        self, conversation: Conversation, kind: InvoiceType, result: StepResult
    ) -> None:
        try:
            self._commands.converse(Command.CLEAR, conversation.info, kind)
        except ConverterError as refused:
            error = codes.refusal_error(self.kind, refused.data, kind)
            if not codes.may_have_acted(refused) or error.fault.code == "device.password_wrong":
                raise error from refused
            self._decide_by_reading(conversation, kind, result, error)
        except LinkError as error:
            raise codes.link_error(error, changes=True, invoice_type=kind) from error

    def _decide_by_reading(
        self,
        conversation: Conversation,
        kind: InvoiceType,
        result: StepResult,
        error: DriverError,
    ) -> None:
        """The refusal stands unless the device shows that it was cleared (docs/domain.md, rule 3)."""
        try:
            result.message = self._found_cleared(conversation, kind)
        except DriverError as unread:
            raise OutcomeUnknown(error.fault) from unread
        if not result.message:
            raise error
        _keep_answer(result, error)

    def _found_cleared(self, conversation: Conversation, kind: InvoiceType) -> str:
        """What the device shows when it is cleared for the period; empty when it is not."""
        lock_date = self.read_monitor(conversation.info, kind).lock_date
        if not is_cleared(conversation.period, lock_date):
            return ""
        return f"读取设备确认已清卡，锁死日期 {lock_date}"

    def _by_xml(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except ConverterError as error:
            raise codes.refusal_error(self.kind, error.data) from error


def build(
    config: DeviceConfig, password: str, *, timing: Timing = Timing()
) -> SerialConverterDriver:
    """The driver of the converter on a configured port."""
    if config.port is None:
        raise ConfigError("driver = 'serial_converter' 需要 port")
    settings = SerialSettings(config.port, config.baud, config.parity, config.stop_bits)
    link = Link(partial(open_serial, settings), greeting(config.machine, timing), timing)
    return SerialConverterDriver(
        link,
        config.kind,
        transport=config.port,
        password=password,
        machine=config.machine,
        timeout=config.timeout_seconds or DEFAULT_TIMEOUT,
    )


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except MessageInvalid as error:
        raise error_of("device.answer_invalid", Refusal("", str(error))) from error


def _keep_answer(result: StepResult, error: DriverError) -> None:
    result.device_code = error.fault.device_code
    result.device_message = error.fault.device_message
