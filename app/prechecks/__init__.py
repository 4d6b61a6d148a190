"""清卡前检查: the conditions for clearing (docs/domain.md), each with code, severity, sentence, remedy, evidence.

Pure: facts in, checks out. Gathering the facts (reading the devices, asking the database) is
`app.prechecks.subject`, so that a page can show the checks at any time and the first stage runs the
same ones. A new check is a function of `device_checks` or `system_checks`, entered in the table there.
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
