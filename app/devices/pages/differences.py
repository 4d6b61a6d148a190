"""What reading a device found, as pages show it: its own page, and that of the operator who holds it."""

from app.accounts.principal import Permission, Principal
from app.devices.contexts import Change, Found
from app.devices.models import Device
from app.devices.service import Comparison
from app.devices.service.differences import Change as Difference

SAVED = "差异已保存，登记与设备一致"
NOT_ALL_SAVED = "已保存；开票机号被另一台设备占用，未保存"


def found_of(device: Device, comparison: Comparison, principal: Principal) -> Found:
    """The differences of a device this principal sees."""
    may_change = principal.can(Permission.OPERATORS_WRITE)
    return Found(
        device_id=str(device.id),
        number=device.number,
        kind=device.kind,
        changes=tuple(map(_change, comparison.changes)),
        confirm="" if comparison.saved else comparison.digest,
        taxpayer=tuple(map(_change, comparison.taxpayer)),
        enterprise_href=f"/settings/enterprises/{device.enterprise_id}" if may_change else "",
    )


def _change(one: Difference) -> Change:
    return Change(one.label, one.before, one.after, one.saved)
