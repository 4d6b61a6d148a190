"""What of a 核对 is evidence: the decisions on its differences."""

from sqlmodel import col

from app.audit.evidence import Kind
from app.reconciliation.models import DifferenceState, ReconciliationDifference

DECISION = Kind(
    "reconciliation_difference",
    "核对差异的处理",
    ReconciliationDifference,
    of=col(ReconciliationDifference.state) == DifferenceState.HANDLED,
)
