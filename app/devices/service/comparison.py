"""更新设备信息: read devices, compare with the register; what differs is saved once a person has confirmed it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.accounts.principal import Principal
from app.core.clock import Clock
from app.core.db import Database
from app.devices import queries
from app.devices.agent_client import AgentFault
from app.devices.service.differences import Change, differences, taxpayer_differences
from app.devices.service.reading import DeviceHasNoAgent, observe, read_device, take_over
from app.devices.service.register import DeviceRetired
from app.enterprises.models import Enterprise
from app.operators import queries as operators_queries
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a reading differs in from the register, and whether the register says the same by now.

    `taxpayer`: what the device says of its taxpayer against the enterprise as registered, which no reading changes.
    """

    changes: tuple[Change, ...]
    digest: str
    saved: bool
    taxpayer: tuple[Change, ...] = ()


def compare_device(
    database: Database,
    device_id: UUID,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    confirmed: str = "",
) -> Comparison:
    """Read the device now; what differs from the register is kept only once a person has confirmed it.

    `confirmed` is the `digest` of the differences that were shown: others than these are shown again, not
    saved. A first reading contradicts no earlier one and is kept. How the device is right now (state, clock, dates)
    is kept in any case. Raises as refresh_device.
    """
    reading = read_device(database, device_id, principal=principal, settings=settings, clock=clock)
    with database.transaction() as session:
        device = queries.device_for_change(session, device_id, principal=principal)
        found = tuple(differences(session, device, reading))
        enterprise = session.get_one(Enterprise, device.enterprise_id)
        taxpayer = taxpayer_differences(enterprise.tax_no, enterprise.name, reading.info)
        digest = _digest(found)
        if found and confirmed != digest and device.read_at is not None:
            observe(session, device, reading, clock())
            return Comparison(found, digest, saved=False, taxpayer=taxpayer)
        take_over(session, device, reading, principal=principal, at=clock())
        return Comparison(found, digest, saved=True, taxpayer=taxpayer)


def compare_devices_of(
    database: Database,
    operator_id: UUID,
    *,
    principal: Principal,
    settings: Settings,
    clock: Clock,
    confirmed: Mapping[UUID, str] | None = None,
) -> dict[UUID, Comparison | None]:
    """Compare the operator's devices one after the other, by number; None for one that could not be read.

    With `confirmed` only the devices it names, each as compare_device does.
    """
    with database.reading() as session:
        operators_queries.visible(session, operator_id, principal)
        devices = [one.id for one in queries.in_use_of_operator(session, operator_id)]
    wanted = devices if confirmed is None else [one for one in devices if one in confirmed]
    found: dict[UUID, Comparison | None] = dict.fromkeys(wanted)
    for device_id in wanted:
        try:
            found[device_id] = compare_device(
                database,
                device_id,
                principal=principal,
                settings=settings,
                clock=clock,
                confirmed=(confirmed or {}).get(device_id, ""),
            )
        except (AgentFault, DeviceHasNoAgent, DeviceRetired):
            continue  # the device's row says why
    return found


def _digest(found: Sequence[Change]) -> str:
    shown = [[one.field, one.before, one.after] for one in found]
    return hashlib.sha256(json.dumps(shown).encode()).hexdigest()
