"""Recording of one message of a conversation as a step, whatever comes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.agent.drivers.base import DriverError, OutcomeUnknown, StepRecorder
from app.contracts.devices import InvoiceType
from app.contracts.operations import StepState


@dataclass(slots=True)
class StepResult:
    """What the body of `recorded` says about its step."""

    state: StepState = StepState.SUCCEEDED
    message: str = ""
    device_code: str = ""
    device_message: str = ""
    payload: dict[str, str] | None = None


@contextmanager
def recorded(
    steps: StepRecorder, name: str, invoice_type: InvoiceType | None = None
) -> Iterator[StepResult]:
    """Begin the step, run the body, end the step: with the fault's codes when a `DriverError` leaves it.

    Any other exception leaves the step begun and not ended: then its outcome is not known either.
    """
    steps.begin(name, invoice_type)
    result = StepResult()
    try:
        yield result
    except DriverError as error:
        steps.end(
            name,
            invoice_type,
            state=StepState.UNKNOWN if isinstance(error, OutcomeUnknown) else StepState.FAILED,
            message=error.fault.message,
            device_code=error.fault.device_code,
            device_message=error.fault.device_message,
        )
        raise
    steps.end(
        name,
        invoice_type,
        state=result.state,
        message=result.message,
        device_code=result.device_code,
        device_message=result.device_message,
        payload=result.payload,
    )
