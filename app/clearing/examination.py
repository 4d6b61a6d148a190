"""Runs the pre-checks of an operator on the devices as they are now; nothing is changed."""

from dataclasses import dataclass
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from app.accounts.principal import Principal
from app.clearing import facts, prechecks
from app.clearing.choice_schemas import ChoiceQuery
from app.clearing.effects import Choice
from app.clearing.gathering import collect
from app.clearing.looking import Look, look
from app.clearing.schemas import RequestCreate
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
        self,
        operator_id: UUID,
        principal: Principal,
        wanted: RequestCreate | ChoiceQuery | None = None,
    ) -> tuple[Period, list[prechecks.Check]]:
        """The period (default: the one due) and every check, of what is wanted. Raises NotFound, NoDevices.

        Without `wanted` it is a regular and full clearing.
        """
        subject = await run_in_threadpool(
            self._subject, operator_id, principal, wanted or ChoiceQuery()
        )
        found = await look(self.database, self.agents, self.settings, subject, with_invoices=False)
        return subject.period, await run_in_threadpool(self._checks, subject, found)

    def _subject(
        self,
        operator_id: UUID,
        principal: Principal,
        wanted: RequestCreate | ChoiceQuery,
    ) -> facts.Subject:
        with self.database.reading() as session:
            operator = operators_queries.visible(session, operator_id, principal)
            if isinstance(wanted, RequestCreate):
                return facts.subject_of_operator(
                    session,
                    operator.id,
                    Choice.of(wanted),
                    override_window=wanted.override_window,
                    exceptional=wanted.exceptional,
                    device_ids=wanted.device_ids,
                )
            due = wanted.period or facts.default_period(operator.lock_date, self.clock())
            return facts.subject_of_operator(
                session, operator.id, wanted.choice(due), device_ids=wanted.device_ids
            )

    def _checks(self, subject: facts.Subject, found: Look) -> list[prechecks.Check]:
        with self.database.reading() as session:
            return prechecks.run(collect(session, subject, found, self.settings, self.clock))
