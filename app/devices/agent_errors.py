"""How a call to a device agent fails: always as an `AgentFault` with a code of the catalogue."""

import json
import ssl
from typing import Any

import httpx

from app.contracts.faults import FAULTS, fault
from app.contracts.operations import Fault
from app.errors import BadGateway

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)

BROKEN = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)
"""The connection broke: a request may have arrived or not."""


class AgentFault(BadGateway):
    """The agent, or the device behind it, could not be used. Code, title and remedy are the catalogue's.

    `never_sent`: the request certainly did not reach the agent.
    """

    def __init__(self, reason: Fault, *, never_sent: bool = False) -> None:
        super().__init__(reason.message)
        self.fault = reason
        self.device_code = reason.device_code
        self.device_message = reason.device_message
        self.never_sent = never_sent
        known = FAULTS.get(reason.code)
        title = known.title if known else reason.message
        vars(self).update(code=reason.code, title=title, remedy=reason.remedy)


def unreachable(error: httpx.HTTPError) -> AgentFault:
    """No answer came, or not from the agent that was meant."""
    if _is_wrong_certificate(error):
        reason = fault("agent.certificate", device_message=type(error).__name__)
    else:
        reason = fault("agent.unreachable", device_message=type(error).__name__)
    return AgentFault(reason, never_sent=isinstance(error, _NEVER_SENT))


def _is_wrong_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def fault_of(answer: httpx.Response) -> Fault:
    """The fault a problem+json answer tells of."""
    if answer.status_code == 401:
        return fault("agent.unauthorized")
    problem = _problem(answer)
    code = str(problem.get("code", ""))
    if code not in FAULTS:
        return fault("agent.failed", device_code=code or str(answer.status_code))
    return fault(
        code,
        message=str(problem.get("title") or ""),
        device_code=str(problem.get("device_code") or ""),
        device_message=str(problem.get("device_message") or ""),
    )


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(answer.content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
