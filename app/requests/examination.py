"""Runs the pre-checks on the devices as they are now, before anything is kept; nothing is changed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from fastapi.concurrency import run_in_threadpool

from app import prechecks
from app.accounts.principal import Principal
from app.clearing import queries
from app.clearing.models import ClearingRequest
from app.clearing.moments import Moment, moment_of
from app.clearing.states import OPEN_STATES, RequestState, Scope
from app.contracts.periods import Period
from app.core.clock import Clock
from app.core.db import Database
from app.devices.connections import AgentClients
from app.operators import queries as operators_queries
from app.prechecks import acceptance
from app.prechecks import subject as facts
from app.prechecks.acceptance import Accepting
from app.prechecks.case import collect
from app.prechecks.choice import Choice, Chosen, Order
from app.prechecks.choice_schemas import ChoiceQuery
from app.prechecks.forecast import foresee
from app.prechecks.readings import Look, look
from app.requests.service import control, start
from app.requests.service.start import Start, Way
from app.settings import Settings


class Wanted(Chosen, start.Wish, Accepting, Protocol):
    """What is asked for: a request, or the input of one."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is examined, and for when. `waits_for`: requests of sub machines in these states go first."""

    choice: Choice
    device_ids: Sequence[UUID] | None = None
    override_window: bool = False
    exceptional: bool = False
    starts_at: datetime | None = None
    waits_for: Collection[RequestState] = ()

    @classmethod
    def of(
        cls,
        choice: Choice,
        wish: start.Wish,
        decided: Start,
        device_ids: Sequence[UUID] | None,
        *,
        queued: bool,
    ) -> "Intent":
        """Of a request that is going to start as decided. `queued`: when there is room, not this moment."""
        waits_for: Collection[RequestState] = {RequestState.RUNNING}
        if decided.way is Way.REVIEW:
            waits_for = OPEN_STATES
        elif queued or decided.moment.is_later:
            waits_for = {RequestState.RUNNING, RequestState.SCHEDULED}
        return cls(
            choice,
            device_ids,
            wish.override_window,
            wish.exceptional,
            decided.moment.at,
            waits_for,
        )


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
        wanted: Intent | ChoiceQuery | None = None,
    ) -> tuple[Period, list[prechecks.Check]]:
        """The period (default: the one due) and every check, of what is wanted. Raises NotFound, NoDevices.

        Without `wanted` it is a regular and full clearing.
        """
        subject, starts_at = await run_in_threadpool(
            self._subject, operator_id, principal, wanted or ChoiceQuery()
        )
        found = await look(self.database, self.agents, self.settings, subject, with_invoices=False)
        checks = await run_in_threadpool(self._checks, subject, found, starts_at)
        return subject.period, checks

    async def require_startable(
        self,
        operator_id: UUID,
        principal: Principal,
        wanted: Wanted,
        decided: Start,
        *,
        device_ids: Sequence[UUID] | None = None,
        queued: bool = False,
        by_register: bool = False,
        also: Sequence[str] = (),
    ) -> list[prechecks.Check]:
        """Refuse what is known to come to nothing; gives the checks. Raises ChecksBlocking, WarningsNotAccepted.

        `also` are codes accepted besides. `by_register`: devices are read only where the register does not say that all is well. Reading a
        device takes seconds, which a program that follows with hundreds must not wait for twice.
        """
        if by_register and await run_in_threadpool(
            self._looks_well, operator_id, principal, wanted, device_ids, also
        ):
            return []
        intent = Intent.of(Choice.of(wanted), wanted, decided, device_ids, queued=queued)
        _, checks = await self.examine(operator_id, principal, intent)
        acceptance.require_startable(wanted, checks, put_off=decided.moment.is_later, also=also)
        return checks

    async def require_executable(
        self, request_id: UUID, principal: Principal, *, accepted: Sequence[str]
    ) -> None:
        """Refuse to start a request now that is known to come to nothing. Raises ChecksBlocking and the like."""

        def load() -> tuple[ClearingRequest, list[UUID]]:
            found, ids = self._request(request_id, principal)
            control.require_executable(
                found, principal=principal, settings=self.settings, clock=self.clock
            )
            return found, ids

        request, device_ids = await run_in_threadpool(load)
        now = Start(Way.AT_ONCE, Moment(self.clock(), is_later=False), proof=False, by_right=True)
        await self.require_startable(
            request.operator_id,
            principal,
            request,
            now,
            device_ids=device_ids,
            by_register=True,
            also=accepted,
        )

    async def require_approvable(self, request_id: UUID, principal: Principal) -> None:
        """Refuse to approve what would start at once and is known to be stopped. Raises ChecksBlocking.

        Warnings were accepted by who asked; a new one stops the run, and is accepted with the retry.
        """
        request, device_ids = await run_in_threadpool(self._request, request_id, principal)
        if request.state is not RequestState.SUBMITTED:
            return
        moment = moment_of(request, self.settings, self.clock())
        decided = Start(Way.AT_ONCE, moment, proof=False, by_right=False)
        await self.require_startable(
            request.operator_id,
            principal,
            request,
            decided,
            device_ids=device_ids,
            queued=True,
            by_register=True,
            also=(acceptance.EVERYTHING,),
        )

    def _request(
        self, request_id: UUID, principal: Principal
    ) -> tuple[ClearingRequest, list[UUID]]:
        with self.database.reading() as session:
            request = queries.visible_request(session, request_id, principal)
            ids = [one.device_id for one in queries.targets(session, request_id)]
            session.expunge(request)
            return request, ids

    def _looks_well(
        self,
        operator_id: UUID,
        principal: Principal,
        wanted: Wanted,
        device_ids: Sequence[UUID] | None,
        also: Sequence[str],
    ) -> bool:
        choice = Choice.of(wanted)
        types = choice.invoice_types if choice.scope is Scope.PARTIAL else ()
        order = Order(
            choice.mode, choice.kind, choice.scope, types, choice.period, wanted.override_window
        )
        with self.database.reading() as session:
            operators_queries.visible(session, operator_id, principal)
            seen = foresee(
                session,
                [operator_id],
                order,
                principal=principal,
                settings=self.settings,
                now=self.clock(),
                device_ids=device_ids,
            )
        accepted = {*(wanted.accepted_warnings or ()), *also}
        open_ones = {case.code for case in seen.warnings} - accepted
        unread = seen.unread or seen.zombies
        return not (
            seen.blockers or unread or (open_ones and acceptance.EVERYTHING not in accepted)
        )

    def _subject(
        self, operator_id: UUID, principal: Principal, wanted: Intent | ChoiceQuery
    ) -> tuple[facts.Subject, datetime | None]:
        with self.database.reading() as session:
            operator = operators_queries.visible(session, operator_id, principal)
            if isinstance(wanted, ChoiceQuery):
                due = wanted.period or facts.default_period(operator.lock_date, self.clock())
                wanted = Intent(wanted.choice(due), wanted.device_ids)
            subject = facts.subject_of_operator(
                session,
                operator.id,
                wanted.choice,
                override_window=wanted.override_window,
                exceptional=wanted.exceptional,
                device_ids=wanted.device_ids,
                waits_for=wanted.waits_for,
            )
            return subject, wanted.starts_at

    def _checks(
        self, subject: facts.Subject, found: Look, starts_at: datetime | None
    ) -> list[prechecks.Check]:
        with self.database.reading() as session:
            gathered = collect(
                session, subject, found, self.settings, self.clock, starts_at=starts_at
            )
            return prechecks.run(gathered)
