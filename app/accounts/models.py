"""Tables of accounts: logins, their roles and limits, sessions, failed tries, API keys."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.accounts.principal import Role
from app.core.columns import EnumText, UtcDateTime, one_of
from app.core.ids import new_id


class SessionEnd(StrEnum):
    """Why a session ended."""

    SIGNED_OUT = "signed_out"
    ENDED_BY_OWNER = "ended_by_owner"
    ENDED_BY_ADMIN = "ended_by_admin"
    REPLACED = "replaced"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    ACCOUNT_DISABLED = "account_disabled"
    CLEARED = "cleared"


class Account(SQLModel, table=True):
    """A login. `name` is kept case-folded (see `names.normalize_name`).

    `totp_secret` is encrypted; it counts as a second factor only once `totp_confirmed_at` is set.
    `totp_step` is the newest 30-second step whose code was used, so that no code works twice.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        sa.CheckConstraint("length(name) BETWEEN 1 AND 64", name="name"),
        sa.CheckConstraint("totp_secret IS NOT NULL OR totp_confirmed_at IS NULL", name="totp"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(max_length=64, unique=True)
    display_name: str = Field(max_length=64)
    password_hash: str = Field(max_length=255)
    password_changed_at: datetime = Field(sa_type=UtcDateTime)
    must_change_password: bool = False
    all_enterprises: bool = True
    """False: sees only the enterprises of `account_enterprises`, none when there are none."""
    operator_id: UUID | None = Field(default=None, index=True)
    """The operator this person is; kept without a foreign key, operators are a higher layer."""
    totp_secret: str | None = Field(default=None, max_length=255)
    totp_confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    totp_step: int = Field(default=0, sa_type=sa.BigInteger)
    disabled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    revision: int = 1
    """Counts the changes of the row, its roles and limits; its ETag."""


class AccountRole(SQLModel, table=True):
    """One role of one account."""

    __tablename__ = "account_roles"
    __table_args__ = (one_of("role", Role),)

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    role: Role = Field(sa_type=EnumText(Role), primary_key=True)


class AccountEnterprise(SQLModel, table=True):
    """One enterprise a limited account sees; without a foreign key, enterprises are a higher layer."""

    __tablename__ = "account_enterprises"

    account_id: UUID = Field(primary_key=True, foreign_key="accounts.id")
    enterprise_id: UUID = Field(primary_key=True)


class AccountSession(SQLModel, table=True):
    """One sign-in of a browser. Only the hash of its token is stored."""

    __tablename__ = "account_sessions"
    __table_args__ = (
        one_of("ended_reason", SessionEnd),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_reason IS NULL)", name="ended"),
        sa.Index("ix_account_sessions_account_id", "account_id", "ended_at"),
    )

    id: UUID = Field(default_factory=new_id, primary_key=True)
    token_hash: str = Field(max_length=64, unique=True)
    account_id: UUID = Field(foreign_key="accounts.id")
    created_at: datetime = Field(sa_type=UtcDateTime)
    last_seen_at: datetime = Field(sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
    ip: str = Field(default="", max_length=64)
    user_agent: str = Field(default="", max_length=300)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_reason: SessionEnd | None = Field(default=None, sa_type=EnumText(SessionEnd))


class SignInAttempt(SQLModel, table=True):
    """Failed tries since the last success, of one name from one address.

    The name is hashed and need not exist: unknown names are counted and locked just like known ones,
    so that locking tells nothing about which names exist. Address `*` counts all addresses together.
    """

    __tablename__ = "sign_in_attempts"
    __table_args__ = (sa.CheckConstraint("attempts >= 0", name="attempts"),)

    name_hash: str = Field(max_length=64, primary_key=True)
    address: str = Field(max_length=64, primary_key=True)
    attempts: int = 0
    last_at: datetime = Field(sa_type=UtcDateTime, index=True)
    locked_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ApiKey(SQLModel, table=True):
    """A key of another system. `prefix` is shown in lists; only the hash of the key is stored.

    `scopes` are separated by spaces. `created_by` is the person who made it, also through another key;
    `responsible_id` the one who answers for it now: it works only while that account does. Both are None
    for a key of the command line.
    """

    __tablename__ = "api_keys"
    __table_args__ = (sa.CheckConstraint("length(scopes) > 0", name="scopes"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(max_length=64)
    prefix: str = Field(max_length=16, unique=True)
    key_hash: str = Field(max_length=64, unique=True)
    scopes: str = Field(max_length=300)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_by: UUID | None = Field(default=None)
    responsible_id: UUID | None = Field(default=None)
    all_enterprises: bool = Field(
        default=True, sa_column_kwargs={"server_default": sa.true()}, nullable=False
    )
    """False: reaches only the enterprises of `api_key_enterprises`."""
    created_at: datetime = Field(sa_type=UtcDateTime)


class ApiKeyEnterprise(SQLModel, table=True):
    """One enterprise a limited key reaches; without a foreign key, enterprises are a higher layer."""

    __tablename__ = "api_key_enterprises"

    api_key_id: UUID = Field(primary_key=True, foreign_key="api_keys.id")
    enterprise_id: UUID = Field(primary_key=True)
