"""Use cases of notifications, one file each; this is what other features call."""

from app.notifications.kinds import EventKind
from app.notifications.service import disconnected
from app.notifications.service.publish import Subject, publish

__all__ = ["EventKind", "Subject", "disconnected", "publish"]
