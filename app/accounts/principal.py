"""Who acts: roles, permissions and the principal every route and service receives."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from app.audit.actor import SYSTEM as SYSTEM_ACTOR
from app.audit.actor import Actor, ActorKind, shell_actor
from app.settings import Profile


class Permission(StrEnum):
    """What may be done; the same words are the scopes of API keys."""

    READ = "read"
    OPERATORS_WRITE = "operators:write"
    DEVICES_WRITE = "devices:write"
    CLEARING_REQUEST = "clearing:request"
    CLEARING_REVIEW = "clearing:review"
    CLEARING_EXECUTE = "clearing:execute"
    BACKUP_RESTORE = "backup:restore"
    AUDIT_READ = "audit:read"
    ADMIN = "admin"


PERMISSION_NAMES = {
    Permission.READ: "查看",
    Permission.OPERATORS_WRITE: "维护企业与操作员",
    Permission.DEVICES_WRITE: "维护税控设备",
    Permission.CLEARING_REQUEST: "提交清卡申请",
    Permission.CLEARING_REVIEW: "审核清卡申请",
    Permission.CLEARING_EXECUTE: "执行清卡",
    Permission.BACKUP_RESTORE: "恢复备份",
    Permission.AUDIT_READ: "查看审计记录",
    Permission.ADMIN: "系统管理",
}


class Role(StrEnum):
    """Roles of accounts."""

    OPERATOR = "operator"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    AUDITOR = "auditor"


ROLE_NAMES = {
    Role.OPERATOR: "操作员",
    Role.REVIEWER: "审核员",
    Role.ADMIN: "管理员",
    Role.AUDITOR: "审计员",
}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OPERATOR: frozenset({Permission.READ, Permission.CLEARING_REQUEST}),
    Role.REVIEWER: frozenset({Permission.READ, Permission.CLEARING_REVIEW}),
    Role.ADMIN: frozenset(Permission),
    Role.AUDITOR: frozenset({Permission.READ, Permission.AUDIT_READ}),
}

SEPARATED_FROM_ADMIN = frozenset({Role.REVIEWER, Role.AUDITOR})
"""Roles an admin must not hold as well under the profile `dengbao` (三权分立)."""

SYSTEM_WIDE = frozenset({Permission.ADMIN, Permission.AUDIT_READ})
"""What knows no enterprise: within limits nobody has it. Accounts, keys and settings are everybody's, and the
trail tells of all enterprises."""

SYSTEM_WIDE_ROLES = frozenset(role for role in Role if ROLE_PERMISSIONS[role] & SYSTEM_WIDE)

_SEPARATED_PERMISSIONS = frozenset({Permission.CLEARING_REVIEW, Permission.AUDIT_READ})


def role_permissions(
    roles: Iterable[Role], profile: Profile = Profile.STANDARD
) -> frozenset[Permission]:
    """What these roles allow together.

    Under `dengbao` an admin neither reviews nor audits: these two belong to the roles kept apart.
    """
    granted: set[Permission] = set()
    for role in roles:
        granted |= _of_admin(profile) if role is Role.ADMIN else ROLE_PERMISSIONS[role]
    return frozenset(granted)


def scope_permissions(
    scopes: Iterable[str], profile: Profile = Profile.STANDARD
) -> frozenset[Permission]:
    """What the scopes of an API key allow; `admin` includes all the others an admin has."""
    granted = frozenset(Permission(scope) for scope in scopes)
    return granted | _of_admin(profile) if Permission.ADMIN in granted else granted


def within_limits(
    permissions: frozenset[Permission], enterprise_ids: frozenset[UUID] | None
) -> frozenset[Permission]:
    """What is left of them for who sees some enterprises only; None: all of them."""
    return permissions if enterprise_ids is None else permissions - SYSTEM_WIDE


def _of_admin(profile: Profile) -> frozenset[Permission]:
    everything = ROLE_PERMISSIONS[Role.ADMIN]
    return everything - _SEPARATED_PERMISSIONS if profile is Profile.DENGBAO else everything


PrincipalKind = ActorKind
"""account, api_key or system: the same kinds the audit trail knows."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request. `enterprise_ids` None: not limited, sees every enterprise.

    Of an API key `maker_id` is the person who made it and `responsible_id` the one who answers for it now.
    """

    kind: PrincipalKind
    id: UUID
    name: str
    display_name: str
    roles: frozenset[Role] = frozenset()
    permissions: frozenset[Permission] = frozenset()
    ip: str = ""
    session_id: UUID | None = None
    must_change_password: bool = False
    enterprise_ids: frozenset[UUID] | None = None
    maker_id: UUID | None = None
    responsible_id: UUID | None = None

    @property
    def persons(self) -> frozenset[UUID]:
        """The people who act: the account's, or those behind the key, who both know or answer for it."""
        behind = (self.id,) if self.is_person else (self.maker_id, self.responsible_id)
        return frozenset(one for one in behind if one is not None)

    @property
    def actor(self) -> Actor:
        """The same, as the audit trail writes it."""
        if self.kind is ActorKind.SYSTEM:
            return SYSTEM_ACTOR if self.name == SYSTEM.name else shell_actor()
        return Actor(self.kind, str(self.id), self.name, self.ip)

    @property
    def is_person(self) -> bool:
        """Whether a person with a password acts, who can be asked for it again."""
        return self.kind is ActorKind.ACCOUNT

    @property
    def role_names(self) -> list[str]:
        """The roles in Chinese, in the order of `Role`."""
        return [ROLE_NAMES[role] for role in Role if role in self.roles]

    def can(self, permission: Permission) -> bool:
        """Whether this is allowed."""
        return permission in self.permissions

    def sees(self, enterprise_id: UUID) -> bool:
        """Whether data of this enterprise may be shown to and changed by this principal."""
        return self.enterprise_ids is None or enterprise_id in self.enterprise_ids


SYSTEM = Principal(
    kind=ActorKind.SYSTEM,
    id=UUID(int=0),
    name="system",
    display_name="系统",
    permissions=frozenset(Permission),
)
"""Background work."""


def at_the_shell() -> Principal:
    """Whoever has the shell of the server: may do everything, and is named."""
    actor = shell_actor()
    return replace(SYSTEM, name=actor.id, display_name=actor.name)
