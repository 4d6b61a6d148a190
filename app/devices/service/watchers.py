"""Who else is told when a device's state changes by itself: features above hang on what they do then."""

from collections.abc import Callable

from app.core.db import Session
from app.core.hooks import HookPoint
from app.devices.models import Device, DeviceState

StateWatcher = Callable[[Session, Device, DeviceState], None]

state_watchers = HookPoint[StateWatcher]("devices.state_watchers")
"""Called in the transaction of the change, with the device as it is now and its state before."""


def tell_watchers(session: Session, device: Device, before: DeviceState) -> None:
    """Tell of a change, once; nothing where the state is what it was. The caller has locked the device."""
    if device.state is not before:
        for watcher in state_watchers:
            watcher(session, device, before)
