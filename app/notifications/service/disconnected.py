"""`device.disconnected`: published by the very change of the device's state, once for each change."""

from app.core.db import Session
from app.devices.models import Device, DeviceState
from app.enterprises.models import Enterprise
from app.notifications.kinds import EventKind
from app.notifications.service.publish import Subject, publish
from app.operators.models import Operator


def tell_disconnected(session: Session, device: Device, before: DeviceState) -> None:
    """A watcher of states: publish when a device has gone away, whatever it was before."""
    if device.state is not DeviceState.DISCONNECTED or before is DeviceState.DISCONNECTED:
        return
    operator = session.get_one(Operator, device.operator_id)
    publish(
        session,
        EventKind.DEVICE_DISCONNECTED,
        subject=Subject("device", str(device.id), device.enterprise_id, operator.id),
        data={
            "device": device.number,
            "operator": operator.name,
            "operator_code": operator.code,
            "enterprise": session.get_one(Enterprise, device.enterprise_id).name,
            "lock_date": device.lock_date.isoformat() if device.lock_date else "",
            "code": device.fault_code or "device.disconnected",
            "message": device.fault_message or "设备未连接",
            "remedy": "检查设备的连接与驱动，重新插接后系统会自动恢复。",
        },
        at=device.updated_at,
    )
