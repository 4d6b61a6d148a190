"""What an operation does on a device, message by message, and how it is taken up again."""

from app.agent.operations.base import Context, Execution, Finished, Next, RunAgain
from app.agent.operations.clear import ClearExecution
from app.agent.operations.clock import SetClockExecution
from app.agent.operations.report import ReportExecution
from app.contracts.operations import OperationKind

_EXECUTIONS: dict[OperationKind, type[Execution]] = {
    OperationKind.REPORT: ReportExecution,
    OperationKind.CLEAR: ClearExecution,
    OperationKind.SET_CLOCK: SetClockExecution,
}


def execution_of(context: Context) -> Execution:
    """The execution of an operation, from its beginning or from where the journal says it stopped."""
    return _EXECUTIONS[context.request.kind](context)


__all__ = ["Context", "Execution", "Finished", "Next", "RunAgain", "execution_of"]
