"""Settings: environment variables named QINGKA_…; secrets may come from the file named in …_FILE.

docs/settings.md holds the table of all of them; a test keeps the two equal.
"""

import os
import secrets
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.files import kept_once
from app.startup import StartRefused

ROOT = Path(__file__).resolve().parent.parent
"""Where templates/, static/ and migrations/ stand, beside the package."""


SECRET_BYTES = 32
"""No root secret is shorter: keys and signatures derive from it."""


class SecretUnusable(StartRefused):
    """The root secret is empty or too short."""


class AgentMode(StrEnum):
    """Whether the device agent runs inside the server."""

    MOUNTED = "mounted"
    OFF = "off"


class AgentAway(StrEnum):
    """What becomes of a clearing whose device agent cannot be reached."""

    FAIL = "fail"
    WAIT = "wait"


class Profile(StrEnum):
    """Policy profile: `dengbao` adds what 等保 2.0 三级 asks for (password rotation, separated duties)."""

    STANDARD = "standard"
    DENGBAO = "dengbao"


class Settings(BaseSettings):
    """All settings of the server, with their defaults."""

    model_config = SettingsConfigDict(env_prefix="QINGKA_", extra="ignore")

    data_dir: Path = Field(
        Path("data"), description="directory of the database, backups and secrets"
    )
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the data directory")
    database_connections: int = Field(
        9,
        ge=6,
        description="connections one process opens on PostgreSQL at most, the workflow engine's included",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="root of all derived keys; empty: made once and kept in the data directory",
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0: a free one")
    public_url: str = Field("", description="address people use; https makes cookies Secure")
    agent: AgentMode = Field(AgentMode.MOUNTED, description="`mounted` or `off`")
    agent_config: Path | None = Field(None, description="TOML file of the agent's devices")
    agent_away: AgentAway = Field(
        AgentAway.FAIL,
        description="a clearing whose agent is away: `fail`, or `wait` for operation_timeout_seconds",
    )
    agent_ca: Path | None = Field(
        None, description="PEM file of the authority of agents' certificates; empty: the system's"
    )
    internal_url: str = Field(
        "",
        description="where other processes of this installation reach this one; empty: nowhere",
    )
    profile: Profile = Field(Profile.STANDARD, description="`standard` or `dengbao`")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    session_idle_minutes: int = Field(
        60, ge=1, description="a session ends after this long without use"
    )
    session_hours: int = Field(12, ge=1, description="a session ends after this long in any case")
    password_max_days: int = Field(90, ge=0, description="passwords expire after; 0: never")
    login_attempts: int = Field(5, ge=1, description="wrong passwords before an account is locked")
    login_lock_minutes: int = Field(15, ge=1, description="how long it stays locked")
    body_limit_mb: int = Field(20, ge=1, description="largest request body")
    api_rate_per_minute: int = Field(1200, ge=1, description="requests per minute of one API key")
    peak_window: str = Field(
        "",
        description="no clearing in these hours (Asia/Shanghai) without override, e.g. 09:00-11:30",
    )
    min_days_between_clearings: int = Field(
        20, ge=0, description="clearing sooner than this is a warning"
    )
    review_required_default: bool = Field(
        True,
        description="whether clearings of a new enterprise need a review unless said otherwise",
    )
    backup_min_free_mb: int = Field(200, ge=0, description="free space required before a clearing")
    backup_dir: Path | None = Field(
        None, description="where backups go; empty: in the data directory"
    )
    backup_targets: str = Field(
        "",
        description="where every backup goes: JSON, or name=url;name=url (file://, s3://); empty: backup_dir",
    )
    backup_require_all: bool = Field(
        False, description="whether every target has to hold the backup, not only the first"
    )
    backup_spool_dir: Path | None = Field(
        None, description="where archives are written first; empty: in the data directory"
    )
    backup_key: SecretStr = Field(
        SecretStr(""), description="32 bytes in base64 that backups are encrypted with; empty: not"
    )
    backup_old_keys: SecretStr = Field(
        SecretStr(""), description="earlier keys, separated by semicolons, for reading and rotation"
    )
    backup_s3_endpoint: str = Field(
        "", description="address of S3-compatible storage; empty: AWS_ENDPOINT_URL, else Amazon's"
    )
    backup_s3_region: str = Field("", description="region; empty: AWS_DEFAULT_REGION")
    backup_s3_access_key: SecretStr = Field(
        SecretStr(""), description="access key of the storage; empty: AWS_ACCESS_KEY_ID"
    )
    backup_s3_secret_key: SecretStr = Field(
        SecretStr(""), description="secret key of the storage; empty: AWS_SECRET_ACCESS_KEY"
    )
    backup_keep_days: str = Field(
        "pre_clearing=1830;post_clearing=1830;on_demand=365;system=90",
        description="days backups are kept, by kind; 0: for ever",
    )
    backup_keep_newest: int = Field(
        10, ge=1, description="the newest backups of every kind are kept however old they are"
    )
    backup_keep_record_years: int = Field(
        5,
        ge=1,
        description="the backup made before a clearing is kept as long as its record is young",
    )
    clearing_concurrency: int = Field(
        100, ge=1, description="clearings running at once in one process"
    )
    agent_concurrency: int = Field(
        50, ge=1, description="clearings running at once through one device agent"
    )
    read_retries: int = Field(
        2, ge=0, description="how often a clearing asks device and bureau again before it fails"
    )
    operation_timeout_seconds: float = Field(
        600.0, gt=0, description="how long a device operation may take before it needs attention"
    )
    unknown_give_up_minutes: float = Field(
        30.0, gt=0, description="how long an unknown outcome is looked into before a person decides"
    )

    reminder_days: str = Field(
        "5,3,1", description="days before the lock date on which people are reminded; empty: never"
    )
    webhook_allow_private: bool = Field(
        False,
        description="whether webhooks, robots and mail servers may be at private and loopback addresses",
    )
    notification_keep_days: int = Field(
        180, ge=1, description="days notifications and their deliveries are kept"
    )
    inspection_schedule: str = Field(
        "monthly,quarterly", description="which inspections are made by themselves; empty: none"
    )
    update_url: str = Field(
        "",
        description="address that says daily which version is the newest; empty: nothing is asked",
    )

    @cached_property
    def resolved_database_url(self) -> str:
        """The database to use."""
        if self.database_url:
            return self.database_url
        return f"sqlite:///{self.data_dir / 'qingka.db'}"

    @property
    def engine_connections(self) -> int:
        """How many of the database's connections the workflow engine may hold, its listener's apart."""
        return self.database_connections // 3

    @property
    def own_connections(self) -> int:
        """How many are left for the product itself."""
        return self.database_connections - self.engine_connections - 1

    @cached_property
    def resolved_backup_dir(self) -> Path:
        """The first backup target."""
        return self.backup_dir or self.data_dir / "backups"

    @cached_property
    def resolved_backup_spool_dir(self) -> Path:
        """Where archives are written and encrypted before they go to their targets."""
        return self.backup_spool_dir or self.data_dir / "backup-spool"

    @cached_property
    def root_secret(self) -> bytes:
        """The secret all keys derive from; made once when none is given."""
        given = self.secret_key.get_secret_value().encode()
        if not given:
            return _stored_secret(self.secret_file)
        if len(given) < SECRET_BYTES:
            raise SecretUnusable(
                f"QINGKA_SECRET_KEY 只有 {len(given)} 字节，至少应为 {SECRET_BYTES}。"
                "可用 openssl rand -base64 48 生成；已有数据请改回原来的值"
            )
        return given

    @property
    def secret_file(self) -> Path:
        """Where the root secret is kept when the environment gives none."""
        return self.data_dir / "secret.key"

    @property
    def has_secret(self) -> bool:
        """Whether there is a root secret, without making one."""
        return bool(self.secret_key.get_secret_value()) or self.secret_file.exists()

    @property
    def secure_cookies(self) -> bool:
        """Whether people reach the pages over TLS."""
        return self.public_url.startswith("https://")


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment; `overrides` win. NAME_FILE stands in for NAME."""
    values = dict(overrides)
    for name in Settings.model_fields:
        path = os.environ.get(f"QINGKA_{name.upper()}_FILE")
        if path and name not in values:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
    settings = Settings(**values)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return settings


def _stored_secret(path: Path) -> bytes:
    """Read the secret file, making it first. Raise SecretUnusable for an empty or short one."""
    secret = kept_once(path, lambda: secrets.token_urlsafe(48).encode())
    if len(secret) < SECRET_BYTES:
        raise SecretUnusable(
            f"系统密钥文件 {path} 只有 {len(secret)} 字节，至少应为 {SECRET_BYTES}。"
            "从备份恢复原来的文件；从未成功启动过的新装可以删除它，下次启动会重新生成"
        )
    return secret
