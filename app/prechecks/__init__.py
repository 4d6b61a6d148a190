"""Judges whether a clearing is safe now (清卡前检查), foretells what it does to data, and knows which warnings were accepted.

Judging is pure: facts in, checks out (docs/domain.md, Pre-checks). Facts come from devices as they are read
(`case`, `readings`) or from what is registered (`forecast`), so that page, batch and first stage run the same
checks. A new check is a function of `device_checks` or `system_checks`, entered in the table there.
"""

from app.clearing.check import Check, Evidence, Severity
from app.prechecks.facts import DeviceFacts, DeviceFault, Facts
from app.prechecks.verdict import counted, first_blocking, is_ok, run

__all__ = [
    "Check",
    "DeviceFacts",
    "DeviceFault",
    "Evidence",
    "Facts",
    "Severity",
    "counted",
    "first_blocking",
    "is_ok",
    "run",
]
