"""The whole simulation without a transport: messages in, replies out, faults in between.

A transport hands bytes to `device_message` or `bureau_message` and does with the reply what its `ending`
says. Messages to one device wait for each other, as with hardware; devices do not wait for each other.
"""

import asyncio
from collections.abc import Callable, Iterable

from app.core.clock import Clock
from app.simulator import bureau_messages, codes, device_messages
from app.simulator.bureau import BureauRefusal, Registered, VirtualBureau
from app.simulator.codes import DeviceRefusal, Refusal
from app.simulator.device import VirtualDevice
from app.simulator.faults import (
    BUREAU_MESSAGES,
    DEVICE_MESSAGES,
    PROBE_MESSAGE,
    ActiveFault,
    FaultBoard,
    FaultName,
    FaultRequest,
    Plan,
)
from app.simulator.messages import (
    Dialect,
    Fields,
    InvalidRequest,
    Request,
    Value,
    build_answer,
    parse_request,
    success,
    unparsable,
)
from app.simulator.park import DevicePark
from app.simulator.replies import Ending, Outcome, Reply, answer, refused, reply
from app.simulator.store import LogEntry, Store

WRONG_PASSWORD = "\0wrong"  # noqa: S105 - matches no password a message can carry


class Simulator:
    """All devices and the bureau over one store. `work_seconds` is how long a clearing takes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        work_seconds: float = 0,
        dialects: Iterable[Dialect] = tuple(Dialect),
    ) -> None:
        self.store = store
        self._clock = clock
        self.faults = FaultBoard(store.faults())
        self.bureau = VirtualBureau(store)
        self._work_seconds = work_seconds
        self._dialects = frozenset(dialects)
        self.park = DevicePark(store, clock)

    # -- faults ----------------------------------------------------------------------------------

    def add_fault(self, request: FaultRequest) -> ActiveFault:
        """Switch a fault on, durably."""
        with self.store.transaction():
            fault = self.faults.add(request, self.store.next_fault_id())
            self._keep_faults()
        return fault

    def remove_faults(self, fault_id: int | None = None) -> int:
        """Switch one fault, or all, off; says how many there were."""
        with self.store.transaction():
            removed = self.faults.remove(fault_id)
            self._keep_faults()
        return removed

    def _keep_faults(self) -> None:
        if self.faults.changed:
            self.store.keep_faults(self.faults.all())
            self.faults.changed = False

    # -- messages to a device --------------------------------------------------------------------

    async def device_message(self, payload: bytes) -> Reply:
        """One message to a device (SKDo, OperateDisk, serial type 0x20)."""
        request = self._parse(payload, DEVICE_MESSAGES)
        if request is None:
            return Reply(unparsable())
        number = self.park.find_number(request)
        if number is None:
            refusal = codes.DeviceRefusal("09c000", codes.known_text("tax_disk", "09c000"))
            outcome = refused(request, refusal)
            named = request.get("sksbbh") or request.get("jqbh")
            return self._finish("device", named, request, Plan(), outcome)
        async with self.park.lock(number):
            return await self._device_turn(self.park.device(number), request)

    async def _device_turn(self, device: VirtualDevice, request: Request) -> Reply:
        number = device.state.number
        kind = request.get("fplxdm")
        plan = self.faults.take(number, request.id, frozenset({kind}))
        if plan.lost_before:
            return self._drop("device", number, request, plan)
        await self._work(device, request, plan)
        with self.park.changing(device):
            outcome = self._act(device, request, plan)
            self._log("device", number, request, plan, outcome)
            self._keep_faults()
        return reply(plan, outcome)

    async def _work(self, device: VirtualDevice, request: Request, plan: Plan) -> None:
        seconds = plan.seconds
        if request.id == "JKHC":
            seconds += self._work_seconds / len(device.state.types)
        if seconds:
            await asyncio.sleep(seconds)

    def _act(self, device: VirtualDevice, request: Request, plan: Plan) -> Outcome:
        try:
            if plan.instead is not None:
                self._fail(device, plan.instead)
            output = dict(device_messages.execute(device, request))
        except DeviceRefusal as refusal:
            return refused(request, refusal)
        self._mark_locked(device, output)
        body = answer(request, output | success())
        return Outcome(body, "0", acted=True)

    def _fail(self, device: VirtualDevice, fault: ActiveFault) -> None:
        if fault.fault is FaultName.WRONG_PASSWORD:
            device.check_password(WRONG_PASSWORD)
        if fault.fault is FaultName.REFUSE:
            raise DeviceRefusal(fault.code, fault.text)
        raise device.refusal(_DEVICE_FAULTS[fault.fault])

    def _mark_locked(self, device: VirtualDevice, output: dict[str, Value]) -> None:
        """The fault `locked` shows in the device information too."""
        if "qtkzxx" in output and self.faults.is_on(FaultName.LOCKED, device.state.number):
            output["qtkzxx"] = "已锁死"

    # -- messages to the bureau ------------------------------------------------------------------

    async def bureau_message(self, payload: bytes) -> Reply:
        """One message to the tax bureau (WLCB, QLJS, QLJSJGQR)."""
        request = self._parse(payload, BUREAU_MESSAGES)
        if request is None:
            down = self.faults.takes_down(FaultName.BUREAU_DOWN, _named_device(payload))
            plan = self.faults.take(_named_device(payload), PROBE_MESSAGE, frozenset())
            await asyncio.sleep(plan.seconds)
            return Reply(b"", Ending.DOWN) if down else Reply(unparsable())
        number = bureau_messages.device_of(request)
        types = frozenset(bureau_messages.types_of(request))
        plan = self.faults.take(number, request.id, types)
        if plan.lost_before:
            return self._drop("bureau", number, request, plan)
        if plan.seconds:
            await asyncio.sleep(plan.seconds)
        if plan.instead is not None and plan.instead.fault is FaultName.BUREAU_DOWN:
            return self._drop("bureau", number, request, plan, Ending.DOWN)
        return self._bureau_turn(number, request, plan)

    def _bureau_turn(self, number: str, request: Request, plan: Plan) -> Reply:
        registered = self.park.registered(number)
        if registered is None or not bureau_messages.types_of(request):
            outcome = refused(request, DeviceRefusal(codes.GENERAL, "税务端没有该设备的登记"))
            return self._finish("bureau", number, request, plan, outcome)
        if request.get("nsrsbh") not in ("", registered.tax_no):
            outcome = refused(request, DeviceRefusal(codes.GENERAL, "纳税人识别号与设备不一致"))
            return self._finish("bureau", number, request, plan, outcome)
        device = self.park.device(number)
        with self.park.changing(device):
            outcome = self._ask_bureau(registered, request, plan.instead)
            self._log("bureau", number, request, plan, outcome)
            self._keep_faults()
        return reply(plan, outcome)

    def _ask_bureau(
        self, registered: Registered, request: Request, fault: ActiveFault | None
    ) -> Outcome:
        groups = bureau_messages.execute(
            self.bureau, registered, request, self._clock(), _refusals(fault)
        )
        returncodes = [str(group["returncode"]) for group in groups]
        if request.id == "WLCB":
            self._tell_delivered(registered.number, request, groups)
        attributes = {
            name: request.get(name) for name in ("skph", "nsrsbh", "kpjh") if request.get(name)
        }
        body = build_answer(
            request.id,
            {"group": groups},
            comment=request.comment,
            dialect=request.dialect,
            attributes={"count": str(len(groups))} | attributes,
        )
        refused = next((code for code in returncodes if code != "0"), "0")
        return Outcome(body, refused, acted="0" in returncodes)

    def _tell_delivered(self, number: str, request: Request, groups: list[Fields]) -> None:
        taken = {group["fplxdm"] for group in groups if group["returncode"] == "0"}
        for group in request.groups:
            if group["fplxdm"] in taken:
                self.park.device(number).delivered(group["fplxdm"], group.get("fphz", ""))

    # -- both ------------------------------------------------------------------------------------

    def _parse(self, payload: bytes, known: frozenset[str]) -> Request | None:
        try:
            request = parse_request(payload)
        except InvalidRequest:
            return None
        return request if request.id in known and request.dialect in self._dialects else None

    def _drop(
        self,
        side: str,
        number: str,
        request: Request,
        plan: Plan,
        ending: Ending = Ending.DROPPED,
    ) -> Reply:
        with self.store.transaction():
            self._log(side, number, request, plan, None)
            self._keep_faults()
        return Reply(b"", ending)

    def _finish(
        self,
        side: str,
        number: str,
        request: Request,
        plan: Plan,
        outcome: Outcome,
    ) -> Reply:
        """Commit what is known of a message that changed nothing but counters."""
        with self.store.transaction():
            self._log(side, number, request, plan, outcome)
            self._keep_faults()
        return reply(plan, outcome)

    def _log(
        self, side: str, number: str, request: Request, plan: Plan, outcome: Outcome | None
    ) -> None:
        types = bureau_messages.types_of(request)
        entry = LogEntry(
            at=self._clock(),
            side=side,
            device=number,
            message=request.id,
            invoice_type=",".join(types) or None,
            returncode=outcome.returncode if outcome else None,
            acted=outcome.acted if outcome else False,
            fault=plan.label or None,
        )
        self.store.add_log(entry)


_DEVICE_FAULTS = {
    FaultName.BUSY: Refusal.BUSY,
    FaultName.UNPLUGGED: Refusal.NOT_FOUND,
    FaultName.LOCKED: Refusal.LOCKED,
    FaultName.SEVERAL_PERIODS: Refusal.SEVERAL_PERIODS,
    FaultName.DISK_FULL: Refusal.DISK_FULL,
}


def _named_device(payload: bytes) -> str:
    """The device an unknown message to the bureau is about; empty when it names none."""
    try:
        return bureau_messages.device_of(parse_request(payload))
    except InvalidRequest:
        return ""


def _refusals(fault: ActiveFault | None) -> Callable[[str], BureauRefusal | None]:
    def refusal_for(kind: str) -> BureauRefusal | None:
        if fault is None or fault.invoice_type not in (None, kind):
            return None
        if fault.fault is FaultName.REFUSE:
            return BureauRefusal(fault.code, fault.text)
        if fault.fault is FaultName.BUSY:
            return BureauRefusal(codes.GENERAL, "税务端忙，请稍后重试")
        return BureauRefusal(fault.fault.value)

    return refusal_for
