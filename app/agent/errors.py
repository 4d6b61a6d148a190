"""What the agent refuses, as facts with our fault codes."""

from uuid import UUID

from app.contracts.faults import fault
from app.contracts.operations import Fault


class AgentRefused(Exception):
    """The request cannot be served; nothing was begun. `status` is the HTTP status."""

    status = 502

    def __init__(self, why: Fault) -> None:
        super().__init__(why.code)
        self.fault = why


class DeviceNotFound(AgentRefused):
    """No configured device has this number."""

    status = 404

    def __init__(self, number: str) -> None:
        super().__init__(fault("device.not_found", message=f"设备代理上没有设备 {number}"))


class OperationNotFound(AgentRefused):
    """No operation of this id was ever asked for."""

    status = 404

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(fault("agent.operation_not_found", message=f"没有操作 {operation_id}"))


class OperationConflict(AgentRefused):
    """The operation id is that of an operation with another content."""

    status = 409

    def __init__(self) -> None:
        super().__init__(fault("agent.operation_conflict"))


class OperationNotCancellable(AgentRefused):
    """The operation has ended, or has begun to write to the device."""

    status = 409

    def __init__(self) -> None:
        super().__init__(fault("agent.not_cancellable"))
