"""Which types a clearing acts on, on one device: those chosen and what its groups drag along.

A golden-tax disk clears 004 with 007, a UKey everything at once (docs/domain.md, rule 4). The groups
are the driver's; the server knows them from the device's last reading.
"""

from collections.abc import Iterable, Sequence

from app.contracts.devices import InvoiceType


def types_to_clear(
    chosen: Iterable[str], groups: Sequence[Sequence[str]]
) -> tuple[InvoiceType, ...]:
    """The chosen types and the rest of their groups, in order; () when none is chosen, which means all."""
    asked = {InvoiceType(kind) for kind in chosen}
    along = {InvoiceType(kind) for group in groups if not asked.isdisjoint(group) for kind in group}
    return tuple(sorted(asked | along))
