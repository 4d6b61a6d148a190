"""What the API takes and gives for accounts and API keys."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, SecretStr

from app.accounts.key_queries import KeyView
from app.accounts.principal import Permission, Principal, Role
from app.accounts.queries import AccountView
from app.accounts.service.totp import uses_totp
from app.core.schemas import ABSENT, Input, Line, Name, Patch

StepUpPassword = Annotated[
    SecretStr | None,
    Field(description="the signed-in person's own password; not needed with an API key"),
]
Roles = Annotated[frozenset[Role], Field(min_length=1)]
EnterpriseIds = Annotated[
    frozenset[UUID] | None,
    Field(max_length=20_000, description="null: sees all enterprises; empty: sees none"),
]


class AccountCreate(Input):
    """A new account. Without `initial_password` a one-time password is made and shown once."""

    name: Name
    display_name: Line = ""
    roles: Roles
    initial_password: Annotated[SecretStr | None, Field(min_length=8, max_length=128)] = None
    enterprise_ids: EnterpriseIds = None
    operator_id: UUID | None = None
    password: StepUpPassword = None


class AccountUpdate(Patch):
    """Changes of an account. `locked: false` forgets its failed tries."""

    nullable: ClassVar[frozenset[str]] = frozenset({"enterprise_ids", "operator_id", "password"})

    display_name: Line = ABSENT
    roles: Roles = ABSENT
    enterprise_ids: EnterpriseIds = ABSENT
    operator_id: UUID | None = ABSENT
    disabled: bool = ABSENT
    locked: Literal[False] = ABSENT
    password: StepUpPassword = ABSENT


class AccountPublic(BaseModel):
    """An account as the API shows it; no secret in it."""

    id: UUID
    name: str
    display_name: str
    roles: list[Role]
    enterprise_ids: list[UUID] | None
    operator_id: UUID | None
    disabled: bool
    locked_until: datetime | None
    must_change_password: bool
    password_changed_at: datetime
    totp_enabled: bool
    created_at: datetime

    @classmethod
    def of(cls, view: AccountView) -> "AccountPublic":
        """From the row with its roles and limits."""
        account, limits = view.account, view.enterprise_ids
        return cls(
            id=account.id,
            name=account.name,
            display_name=account.display_name,
            roles=[role for role in Role if role in view.roles],
            enterprise_ids=None if limits is None else sorted(limits),
            operator_id=account.operator_id,
            disabled=account.disabled_at is not None,
            locked_until=view.locked_until,
            must_change_password=account.must_change_password,
            password_changed_at=account.password_changed_at,
            totp_enabled=uses_totp(account),
            created_at=account.created_at,
        )


class AccountCreated(AccountPublic):
    """The answer to POST only: `one_time_password` is never shown again."""

    one_time_password: str | None


class ApiKeyCreate(Input):
    """A new key. Without `expires_at` it expires in a year; null: never."""

    name: Name
    scopes: Annotated[frozenset[Permission], Field(min_length=1)]
    expires_at: AwareDatetime | None = ABSENT
    enterprise_ids: Annotated[
        frozenset[UUID] | None,
        Field(
            min_length=1,
            max_length=20_000,
            description="the enterprises it reaches; null: all that who answers for it sees",
        ),
    ] = None
    password: StepUpPassword = None


class ApiKeyHandover(Input):
    """POST /api-keys/{id}/hand-over: who answers for the key from now on."""

    to_account_id: UUID
    password: StepUpPassword = None


class ApiKeyRevoke(Input):
    """Body of DELETE, needed by people only."""

    password: StepUpPassword = None


class ApiKeyPublic(BaseModel):
    """A key as the API shows it: only how it begins."""

    id: UUID
    name: str
    prefix: str
    scopes: list[Permission]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_by: Annotated[
        UUID | None, Field(description="the person who made it, also through another key")
    ]
    responsible_id: Annotated[
        UUID | None,
        Field(description="the account that answers for it; the key works only while that does"),
    ]
    enterprise_ids: list[UUID] | None
    created_at: datetime

    @classmethod
    def of(cls, view: KeyView) -> "ApiKeyPublic":
        """From the row with its limits."""
        scopes = [Permission(scope) for scope in view.row.scopes.split()]
        limits = view.enterprise_ids
        return cls(
            **view.row.model_dump(exclude={"scopes", "key_hash"}),
            scopes=scopes,
            enterprise_ids=None if limits is None else sorted(limits),
        )


class ApiKeyCreated(ApiKeyPublic):
    """The answer to POST only: `key` is never shown again."""

    key: str


class Me(BaseModel):
    """Who makes this request."""

    kind: str
    id: UUID
    name: str
    display_name: str
    roles: list[Role]
    permissions: list[Permission]
    enterprise_ids: list[UUID] | None

    @classmethod
    def of(cls, principal: Principal) -> "Me":
        """From the principal."""
        limits = principal.enterprise_ids
        return cls(
            kind=principal.kind.value,
            id=principal.id,
            name=principal.name,
            display_name=principal.display_name,
            roles=[role for role in Role if role in principal.roles],
            permissions=[one for one in Permission if one in principal.permissions],
            enterprise_ids=None if limits is None else sorted(limits),
        )
