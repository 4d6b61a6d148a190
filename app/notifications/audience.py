"""Who hears of an event: accounts by their roles, their operator and their enterprises; addresses."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select

from app.accounts.models import Account, AccountEnterprise, AccountRole
from app.accounts.principal import Role
from app.core.db import Session
from app.core.ids import uuid_or_none
from app.notifications import queries
from app.notifications.kinds import ROLES_OF, RULES, Concern, EventKind
from app.notifications.models import Channel, Event
from app.operators.models import Operator


@dataclass(frozen=True, slots=True)
class Reader:
    """An account concerned, and how it wants to hear of it. `address` may be empty."""

    account_id: UUID
    in_app: bool
    email: bool
    address: str


def readers(session: Session, event: Event) -> list[Reader]:
    """The accounts that hear of this event, with what they chose."""
    return _readers(session, event.kind, _concerned(session, event))


def _readers(session: Session, kind: EventKind, accounts: list[Account]) -> list[Reader]:
    rule = RULES[kind]
    ids = [account.id for account in accounts]
    chosen = queries.preferences_for(session, ids, kind)
    addresses = _addresses(session, accounts)
    return [
        Reader(
            account.id,
            chosen[account.id].in_app if account.id in chosen else rule.in_app,
            chosen[account.id].email if account.id in chosen else rule.email,
            addresses.get(account.id, ""),
        )
        for account in accounts
    ]


Subjects = Collection[tuple[UUID, UUID]]
"""Pairs of enterprise and operator that events are about; an operator is of one enterprise."""


def readers_of_many(
    session: Session, kind: EventKind, subjects: Subjects
) -> list[tuple[Reader, Subjects]]:
    """The accounts that hear of this kind, each with the subjects that concern it.

    The same as `readers` of an event about each subject, in a few selects however many there are.
    """
    rule = RULES[kind]
    roles = [role for concern in rule.concerns for role in ROLES_OF.get(concern, ())]
    holders = _enabled_accounts(session, roles)
    limits = _enterprises_of(session, [account.id for account in holders])
    found: dict[UUID, tuple[Account, set[tuple[UUID, UUID]]]] = {
        account.id: (
            account,
            {one for one in subjects if account.all_enterprises or one[0] in limits[account.id]},
        )
        for account in holders
    }
    if Concern.OPERATOR in rule.concerns:
        by_operator = {
            operator_id: (enterprise_id, operator_id) for enterprise_id, operator_id in subjects
        }
        for account in _accounts_of_operators(session):
            own = by_operator.get(account.operator_id) if account.operator_id else None
            if own is not None:
                found.setdefault(account.id, (account, set()))[1].add(own)
    concerned = [(account, own) for account, own in found.values() if own]
    wanting = _readers(session, kind, [account for account, _ in concerned])
    return [(reader, own) for reader, (_, own) in zip(wanting, concerned, strict=True)]


def email_addresses(session: Session, event: Event, channel: Channel) -> list[str]:
    """Where a channel sends this event: its own lists, the operator, the accounts that want e-mail."""
    found = [*channel.finance, *channel.business]
    if channel.to_operator:
        found += _operator_address(session, event.operator_id)
    if channel.to_accounts:
        found += [one.address for one in readers(session, event) if one.email and one.address]
    return list({address.casefold(): address for address in reversed(found)}.values())[::-1]


def address_of(session: Session, account: Account) -> str:
    """The address of one account: its own, else its operator's, else none."""
    return _addresses(session, [account]).get(account.id, "")


def _concerned(session: Session, event: Event) -> list[Account]:
    """Enabled accounts; roles only reach those who may see the enterprise and did not ask themselves."""
    concerns = RULES[event.kind].concerns
    if event.data.get("awaits_review") is False:
        concerns -= {Concern.REVIEWERS}
    reasons: list[sa.ColumnElement[bool]] = []
    # An API key's or the system's id is nobody's inbox.
    requester = uuid_or_none(event.requester_id)
    if Concern.REQUESTER in concerns and requester is not None:
        reasons.append(col(Account.id) == requester)
    if Concern.OPERATOR in concerns and event.operator_id is not None:
        reasons.append(col(Account.operator_id) == event.operator_id)
    roles = [role for concern in concerns for role in ROLES_OF.get(concern, ())]
    if roles:
        reasons.append(_holds(roles, event, requester))
    if not reasons:
        return []
    wanted = select(Account).where(col(Account.disabled_at).is_(None), sa.or_(*reasons))
    return list(session.exec(wanted.order_by(col(Account.id))))


def _holds(roles: list[Role], event: Event, requester: UUID | None) -> sa.ColumnElement[bool]:
    holding = sa.select(col(AccountRole.account_id)).where(col(AccountRole.role).in_(roles))
    conditions = [col(Account.id).in_(holding), _sees(event.enterprise_id)]
    if requester is not None and Concern.REQUESTER not in RULES[event.kind].concerns:
        conditions.append(col(Account.id) != requester)
    return sa.and_(*conditions)


def _sees(enterprise_id: UUID | None) -> sa.ColumnElement[bool]:
    if enterprise_id is None:
        return col(Account.all_enterprises).is_(True)
    allowed = sa.select(col(AccountEnterprise.account_id)).where(
        col(AccountEnterprise.enterprise_id) == enterprise_id
    )
    return sa.or_(col(Account.all_enterprises).is_(True), col(Account.id).in_(allowed))


def _enabled_accounts(session: Session, roles: Sequence[Role]) -> list[Account]:
    """Accounts in use that hold one of these roles."""
    holding = sa.select(col(AccountRole.account_id)).where(col(AccountRole.role).in_(roles))
    wanted = select(Account).where(col(Account.disabled_at).is_(None), col(Account.id).in_(holding))
    return list(session.exec(wanted.order_by(col(Account.id))))


def _accounts_of_operators(session: Session) -> list[Account]:
    """Accounts in use that belong to an operator."""
    wanted = select(Account).where(
        col(Account.disabled_at).is_(None), col(Account.operator_id).is_not(None)
    )
    return list(session.exec(wanted.order_by(col(Account.id))))


def _enterprises_of(session: Session, account_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """The enterprises each of these accounts is limited to."""
    found: dict[UUID, set[UUID]] = {account_id: set() for account_id in account_ids}
    rows = session.exec(
        select(AccountEnterprise.account_id, AccountEnterprise.enterprise_id).where(
            col(AccountEnterprise.account_id).in_(account_ids)
        )
    )
    for account_id, enterprise_id in rows:
        found[account_id].add(enterprise_id)
    return found


def _addresses(session: Session, accounts: list[Account]) -> dict[UUID, str]:
    own = queries.addresses_of(session, [account.id for account in accounts])
    operators = {account.operator_id for account in accounts if account.operator_id}
    rows = session.exec(select(Operator.id, Operator.email).where(col(Operator.id).in_(operators)))
    emails = dict(rows.all())
    of_operators = {
        account.id: emails[account.operator_id]
        for account in accounts
        if account.operator_id in emails
    }
    return of_operators | own


def _operator_address(session: Session, operator_id: UUID | None) -> list[str]:
    operator = session.get(Operator, operator_id) if operator_id else None
    return [operator.email] if operator is not None and operator.email else []
