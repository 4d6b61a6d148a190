"""An installation is a database and the root secret its seals and signatures were made with.

The database keeps a fingerprint of the secret (never the secret), so that a process with another one, or
with none, is stopped before it makes a new one: sealed tokens could not be opened and what it signs
would not be this installation's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from app.core import migrate
from app.core.columns import UtcDateTime
from app.core.db import Database, Session
from app.core.security import derive_key
from app.settings import Settings, load_settings
from app.startup import StartRefused

NAME = "root_secret.fingerprint"
_SETTINGS = sa.table(
    "settings",
    sa.column("name", sa.String),
    sa.column("value", sa.JSON),
    sa.column("updated_by", sa.String),
    sa.column("updated_at", UtcDateTime),
)

BREAKS = (
    "没有原来的系统密钥：设备代理的令牌、通知渠道与 Webhook 的密钥、动态验证码无法解开，"
    "此前打印的清卡凭证无法核验，此前签发的审计检查点无法核对"
)
BRING = (
    "把原服务器数据目录中的 secret.key 复制到 {directory}，或把 QINGKA_SECRET_KEY 设为原来的值；"
    "确实丢失时运行 qingka secret replace"
)


class SecretMissing(StartRefused):
    """The data was made with a secret that is not here."""


class SecretDiffers(StartRefused):
    """The secret here is not the one the data was made with."""


class NoDatabase(StartRefused):
    """A command was given a place where no installation is."""


def fingerprint(settings: Settings) -> str:
    """Sixteen hexadecimal digits that tell one root secret from another and give nothing away."""
    return derive_key(settings.root_secret, "root secret fingerprint", 8).hex()


def kept_fingerprint(database: Database) -> str | None:
    """The fingerprint of the secret the data was made with; None before the first start."""
    if migrate.current_revision(database) is None:
        return None
    with database.reading() as session:
        wanted = sa.select(_SETTINGS.c.value).where(_SETTINGS.c.name == NAME)
        found = session.execute(wanted).scalar_one_or_none()
    return None if found is None else str(found)


def secret_trouble(database: Database, settings: Settings) -> StartRefused | None:
    """What is wrong with the secret here, if anything. Makes no secret."""
    kept = kept_fingerprint(database)
    if kept is None:
        return None
    where = BRING.format(directory=settings.data_dir)
    if not settings.has_secret:
        return SecretMissing(f"缺少系统密钥（指纹 {kept}）。{BREAKS}。{where}")
    own = fingerprint(settings)
    if own != kept:
        return SecretDiffers(
            f"系统密钥（指纹 {own}）不是本数据的（指纹 {kept}）。{BREAKS}。{where}"
        )
    return None


def require_secret(database: Database, settings: Settings) -> None:
    """Stop here with a secret that is not the data's; keep the fingerprint where there is none yet.

    Raise SecretMissing, SecretDiffers.
    """
    trouble = secret_trouble(database, settings)
    if trouble is not None:
        raise trouble
    if kept_fingerprint(database) is None:
        try:
            with database.transaction() as session:
                keep_fingerprint(session, settings, by="系统", at=datetime.now(UTC))
        except IntegrityError:  # another process was first: it has to be the same one
            require_secret(database, settings)


def keep_fingerprint(session: Session, settings: Settings, *, by: str, at: datetime) -> None:
    """From now on the data belongs to the secret here."""
    session.execute(sa.delete(_SETTINGS).where(_SETTINGS.c.name == NAME))
    row = {"name": NAME, "value": fingerprint(settings), "updated_by": by, "updated_at": at}
    session.execute(sa.insert(_SETTINGS), [row])


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Database]:
    """The database of an installation for a command, migrated and with its own secret.

    A command does not make an installation: in a wrong directory it would answer from an empty one.
    Raise NoDatabase, SecretMissing, SecretDiffers.
    """
    settings = settings or load_settings()
    database = Database(settings.resolved_database_url, connections=settings.own_connections)
    try:
        require_database(database, settings)
        migrate.upgrade(database)
        require_secret(database, settings)
        yield database
    finally:
        database.dispose()


def require_database(database: Database, settings: Settings) -> None:
    """Raise NoDatabase where no installation is; nothing is made there."""
    path = database.url.database or ""
    missing = database.is_sqlite and path != ":memory:" and not Path(path).exists()
    if missing or migrate.current_revision(database) is None:
        shown = database.url.render_as_string() if not database.is_sqlite else path
        raise NoDatabase(
            f"这里没有清卡管理的数据库：{shown}。请用 QINGKA_DATA_DIR 或 QINGKA_DATABASE_URL 指明数据所在；"
            "新装请先运行 qingka serve 或 qingka migrate"
        )
