"""The whole comparison as a route asks for it: registers, devices, comparison, each in its own place.

The database is never held open while devices are read.
"""

from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from app.accounts.principal import Principal
from app.core.web import database_of
from app.devices.connections import AgentClients
from app.reconciliation import findings
from app.reconciliation import readings as reading
from app.reconciliation.findings import Findings, Scope
from app.reconciliation.queries import SubjectDevice
from app.reconciliation.readings import DeviceRead


async def compare_now(request: Request, scope: Scope, principal: Principal) -> Findings:
    """Read the devices of the scope now and compare. Raises NotFound, ScopeTooLarge."""
    database = database_of(request)
    agents: AgentClients = request.app.state.agents

    def devices() -> list[SubjectDevice]:
        with database.reading() as session:
            return findings.subjects(session, scope, principal=principal)

    def compare(reads: dict[UUID, DeviceRead]) -> Findings:
        with database.reading() as session:
            return findings.find(session, scope, subjects, reads)

    subjects = await run_in_threadpool(devices)
    reads = await reading.read_devices(agents, subjects, scope.period, ask_bureau=scope.ask_bureau)
    return await run_in_threadpool(compare, reads)
