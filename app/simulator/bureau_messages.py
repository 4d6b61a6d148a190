"""The bureau's messages: one for all types of a device, answered type by type."""

from collections.abc import Callable
from datetime import datetime

from app.simulator.bureau import BureauRefusal, Registered, VirtualBureau
from app.simulator.messages import Fields, Request, Value, result, success

Step = Callable[[str], dict[str, Value]]


def types_of(request: Request) -> tuple[str, ...]:
    """The invoice types a message speaks of, in its order."""
    if request.groups:
        return tuple(group["fplxdm"] for group in request.groups)
    alone = request.get("fplxdm")
    return (alone,) if alone else ()


def device_of(request: Request) -> str:
    """The device a message speaks of."""
    return request.get("skph") or request.get("sksbbh")


def execute(
    bureau: VirtualBureau,
    device: Registered,
    request: Request,
    now: datetime,
    refusal_for: Callable[[str], BureauRefusal | None],
) -> list[Fields]:
    """The groups of the answer. `refusal_for` gives a fault's refusal for a type, or None."""
    step = _step(bureau, device, request, now)
    return [_group(kind, step, refusal_for(kind)) for kind in types_of(request)]


def _group(kind: str, step: Step, forced: BureauRefusal | None) -> Fields:
    try:
        if forced is not None:
            raise forced
        extra = step(kind)
    except BureauRefusal as refusal:
        return {"fplxdm": kind} | result(refusal.code, refusal.text)
    return {"fplxdm": kind} | extra | success()


def _step(bureau: VirtualBureau, device: Registered, request: Request, now: datetime) -> Step:
    def take(kind: str) -> dict[str, Value]:
        bureau.take_totals(device, kind, _totals_of(request, kind), now)
        return {}

    def unlock(kind: str) -> dict[str, Value]:
        return {"fpjkmw": bureau.unlock(device, kind, now), "szjkmw": ""}

    def confirm(kind: str) -> dict[str, Value]:
        bureau.confirm(device, kind, _quoted(request), now)
        return {}

    return {"WLCB": take, "QLJS": unlock, "QLJSJGQR": confirm}[request.id]


def _totals_of(request: Request, kind: str) -> str:
    found = (group.get("fphz", "") for group in request.groups if group["fplxdm"] == kind)
    return next(found, request.get("fphz"))


def _quoted(request: Request) -> str:
    """Every ciphertext quoted: in the groups, or once for the message."""
    quoted = [group.get("qtxx", "") for group in request.groups]
    return " ".join([*quoted, request.get("qtxx")])
