"""Runs the pre-checks of an operator on the devices as they are now; nothing is changed."""

from dataclasses import dataclass
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from app.accounts.principal import Principal
from app.clearing import facts, prechecks
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.db import Database
from app.devices.connections import AgentClients
from app.operators import queries as operators_queries
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Examiner:
    """What an examination works with."""

    database: Database
    agents: AgentClients
    settings: Settings
    clock: Clock

    async def examine(
        self, operator_id: UUID, principal: Principal, period: Period | None = None
    ) -> tuple[Period, list[prechecks.Check]]:
        """The period (default: the one due) and every check. Raises NotFound."""
        subject = await run_in_threadpool(self._subject, operator_id, principal, period)
        readings = await facts.read_devices(self.agents, subject, with_invoices=False)
        return subject.period, await run_in_threadpool(self._checks, subject, readings)

    def _subject(
        self, operator_id: UUID, principal: Principal, period: Period | None
    ) -> facts.Subject:
        with self.database.reading() as session:
            operator = operators_queries.visible(session, operator_id, principal)
            wanted = period or facts.default_period(operator.lock_date, self.clock())
            return facts.subject_of_operator(session, operator.id, wanted)

    def _checks(self, subject: facts.Subject, readings: facts.Readings) -> list[prechecks.Check]:
        with self.database.reading() as session:
            return prechecks.run(
                facts.collect(session, subject, readings, self.settings, self.clock)
            )
