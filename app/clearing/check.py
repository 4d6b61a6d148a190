"""What a pre-check says: a stable code, how grave it is, a sentence, a remedy, and what it looked at."""

from dataclasses import dataclass
from enum import StrEnum

from app.contracts.faults import FAULTS


class Severity(StrEnum):
    """`blocking` stops a clearing; `warning` is shown, confirmed by hand and recorded.

    `unknown` is what nothing has looked at yet (未核对): it stops nothing and is no pass.
    """

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    BLOCKING = "blocking"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing a check looked at, in words and figures. Never a secret."""

    label: str
    value: str


Seen = tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. `error_code` is what a request fails with when this one blocks.

    `device_number` is empty for what concerns no device; `device_code` and `device_message` are the
    device's or the bureau's own. `go_first` are the numbers of devices that have to be dealt with before.
    """

    code: str
    severity: Severity
    message: str
    remedy: str = ""
    error_code: str = ""
    device_code: str = ""
    device_message: str = ""
    evidence: Seen = ()
    device_number: str = ""
    go_first: tuple[str, ...] = ()


def seen(*pairs: tuple[str, object]) -> Seen:
    """Evidence in this order; what is missing (None or empty) is shown as a dash."""
    return tuple(Evidence(label, _text(value)) for label, value in pairs)


def ok(code: str, message: str, evidence: Seen = ()) -> Check:
    """The condition holds."""
    return Check(code, Severity.OK, message, evidence=evidence)


def unknown(code: str, message: str, evidence: Seen = ()) -> Check:
    """Nothing has looked at it yet; the sentence says why, or when it will be."""
    return Check(code, Severity.UNKNOWN, message, evidence=evidence)


def warning(code: str, message: str, remedy: str, evidence: Seen = ()) -> Check:
    """A person has to know of it."""
    return Check(code, Severity.WARNING, message, remedy, evidence=evidence)


def blocking(
    code: str, error_code: str, message: str, evidence: Seen = (), *, remedy: str = ""
) -> Check:
    """Nothing is cleared. Without a remedy of its own that of the catalogue of faults is given."""
    return Check(
        code,
        Severity.BLOCKING,
        message,
        remedy or FAULTS[error_code].remedy,
        error_code,
        evidence=evidence,
    )


def _text(value: object) -> str:
    return "—" if value is None or value == "" else str(value)
