"""What a simulated converter does for each command: the messages to its device and to the bureau."""

import asyncio
from collections.abc import Awaitable, Callable

from app.agent.drivers.serial_converter.fields import Layout
from app.agent.drivers.serial_converter.messages import (
    ANSWERS,
    REQUESTS,
    STATISTICS_HEAD,
    STATISTICS_PERIOD,
    Command,
)
from app.agent.drivers.xml.messages import (
    SUCCESS,
    Answer,
    Fields,
    MessageInvalid,
    Request,
    decode,
    encode,
)
from app.simulator.replies import Ending, Reply
from app.simulator.simulator import Simulator

BAD_LENGTH = b"\x22"
UNKNOWN_COMMAND = b"\x20"
NO_BUREAU = "网络异常，无法连接税务端"
BUSY = "设备忙"
BUSY_SECONDS = 0.2
"""Between two tries at a busy device."""
BUSY_TRIES = 300
"""Tries at a busy device before the host is told."""


class Refused(Exception):
    """The converter answers ER with this data: an error byte or GBK text."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


class Unanswered(Exception):
    """Nothing came from the device, so nothing goes to the host."""


class Broken(Exception):
    """The answer came damaged."""


class Half(Exception):
    """The answer broke off."""


class Commands:
    """The commands of the converter that holds the device `number`."""

    def __init__(self, simulator: Simulator, number: str) -> None:
        self._simulator = simulator
        self._number = number
        self._run: dict[Command, Callable[[Fields], Awaitable[bytes]]] = {
            Command.ONLINE: self._online,
            Command.NUMBER: self._read_number,
            Command.INFO: self._info,
            Command.MONITOR: self._monitor,
            Command.STATISTICS: self._statistics,
            Command.REPORT: self._report,
            Command.CLEAR: self._clear,
        }

    async def execute(self, command: int, data: bytes) -> bytes:
        """The data of the answer to a plain command. Raises what the answer is instead."""
        if command not in set(Command):
            raise Refused(UNKNOWN_COMMAND)
        known = Command(command)
        return await self._run[known](_unpacked(REQUESTS[known], data))

    async def xml(self, message: bytes) -> bytes:
        """The answer to an XML message, as the device gives it."""
        reply = await self._simulator.device_message(message)
        _raise_unanswered(reply)
        return reply.body

    # -- queries ---------------------------------------------------------------------------------

    async def _online(self, fields: Fields) -> bytes:
        return b""

    async def _read_number(self, fields: Fields) -> bytes:
        answer = await self._ask("SKSBBH", {"jqbh": fields["jqbh"]})
        return ANSWERS[Command.NUMBER].pack(dict(answer.fields))

    async def _info(self, fields: Fields) -> bytes:
        wanted = {"jqbh": fields["jqbh"], "sksbkl": fields["skpkl"]}
        known = (await self._ask("SKPXXCX", wanted)).fields
        return ANSWERS[Command.INFO].pack({**known, "skpbh": known["sksbbh"]})

    async def _monitor(self, fields: Fields) -> bytes:
        known = (await self._ask("JKSJCX", _of_type(fields))).fields
        return ANSWERS[Command.MONITOR].pack({**known, "kpjzrq": known["kpjzsj"][:8]})

    async def _statistics(self, fields: Fields) -> bytes:
        days = {"qsrq": fields["qsrq"], "zzrq": fields["zzrq"]}
        answer = await self._ask("TJXXCX", _of_type(fields) | days)
        head = {"fplxdm": fields["fplxdm"], "count": f"{len(answer.groups):03d}"}
        periods = (STATISTICS_PERIOD.pack(dict(group)) for group in answer.groups)
        return STATISTICS_HEAD.pack(head) + b"".join(periods)

    # -- conversations ---------------------------------------------------------------------------

    async def _report(self, fields: Fields) -> bytes:
        lock_date = await self._other_info(fields, "0")
        sealed = await self._ask("SJCB", _of_type(fields) | {"jzlx": fields["jzlx"]})
        totals = {"sq": sealed.fields["sq"], "fphz": sealed.fields["fphz"], "qtxx": lock_date}
        await self._ask_bureau("WLCB", fields, totals, {})
        return b""

    async def _clear(self, fields: Fields) -> bytes:
        reported = await self._other_info(fields, "1")
        unlocked = await self._ask_bureau("QLJS", fields, {}, {"qtxx": reported})
        written = {name: unlocked.get(name, "") for name in ("fpjkmw", "szjkmw")}
        await self._ask("JKHC", _of_type(fields) | written)
        await self._ask_bureau("QLJSJGQR", fields, {}, {"qtxx": written["fpjkmw"]})
        return b""

    async def _other_info(self, fields: Fields, wanted: str) -> str:
        asked = {"jqbh": fields["jqbh"], "sksbkl": fields["skpkl"], "xxlx": wanted}
        return (await self._ask("SKSBQTYXXCX", asked)).fields["sksbxx"]

    # -- messages --------------------------------------------------------------------------------

    async def _ask(self, name: str, fields: Fields) -> Answer:
        """A message to the device. A busy one is asked again: the host sees WT meanwhile."""
        message = encode(Request(name, "", {**fields, "sksbbh": self._number}))
        for _ in range(BUSY_TRIES):
            answer = _decoded(await self._simulator.device_message(message))
            if answer.succeeded:
                return answer
            if BUSY not in answer.returnmsg:
                raise _refusal(answer.returncode, answer.returnmsg)
            await asyncio.sleep(BUSY_SECONDS)
        raise _refusal("", BUSY)

    async def _ask_bureau(self, name: str, fields: Fields, group: Fields, more: Fields) -> Fields:
        """A message to the bureau about one type; its group in the answer."""
        attributes = {
            "count": "1",
            "skph": self._number,
            "nsrsbh": fields["nsrsbh"],
            "kpjh": fields["kpjh"],
        }
        groups = ({"fplxdm": fields["fplxdm"], **group},)
        message = encode(Request(name, "", more, groups, attributes))
        reply = await self._simulator.bureau_message(message)
        if reply.ending is not Ending.WHOLE:
            raise _refusal("", NO_BUREAU)
        answer = _decoded(reply)
        mine = answer.groups[0] if answer.groups else {}
        code = answer.returncode if not answer.succeeded else mine.get("returncode", SUCCESS)
        if code != SUCCESS:
            raise _refusal(code, mine.get("returnmsg", answer.returnmsg))
        return mine


def _unpacked(layout: Layout, data: bytes) -> Fields:
    try:
        return layout.unpack(data)
    except MessageInvalid as error:
        raise Refused(BAD_LENGTH) from error


def _of_type(fields: Fields) -> dict[str, str]:
    return {
        "jqbh": fields["jqbh"],
        "nsrsbh": fields["nsrsbh"],
        "sksbkl": fields["skpkl"],
        "fplxdm": fields["fplxdm"],
    }


def _decoded(reply: Reply) -> Answer:
    _raise_unanswered(reply)
    try:
        return decode(reply.body)
    except MessageInvalid as error:
        raise Broken from error


def _raise_unanswered(reply: Reply) -> None:
    if reply.ending is Ending.HALF:
        raise Half
    if reply.ending is not Ending.WHOLE:
        raise Unanswered


def _refusal(code: str, text: str) -> Refused:
    """The text of a refusal, after the device's own code where there is one; the bureau has words."""
    named = code if any(character.isdigit() for character in code) else ""
    return Refused(f"{named} {text}".strip().encode("gbk"))
