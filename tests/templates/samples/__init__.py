"""One filled context for every page, for the tests and for scripts/preview_templates.py.

The people, companies and numbers are made up. Everything is fixed: no clock, no random numbers.
"""

from typing import Any

from . import (
    backups,
    batches,
    devices,
    filing_calendar,
    home,
    inspections,
    notifications,
    operators,
    reconciliation,
    records,
    registers,
    requests,
    system,
)

PAGES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    name: page
    for part in (
        home,
        operators,
        requests,
        batches,
        records,
        reconciliation,
        devices,
        registers,
        filing_calendar,
        backups,
        notifications,
        inspections,
        system,
    )
    for name, page in part.PAGES.items()
}
"""Name → template, context, layout."""
