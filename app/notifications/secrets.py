"""Seals what channels and webhooks keep secret; each text is bound to its row."""

from uuid import UUID

from app.core import crypto
from app.core.security import derive_key
from app.settings import Settings

_PURPOSE = "notifications"


def seal(settings: Settings, secret: str, *, owner: UUID) -> str:
    """Encrypt a secret of this channel or webhook."""
    return crypto.seal(_key(settings), secret, context=f"{_PURPOSE}:{owner}")


def unseal(settings: Settings, sealed: str, *, owner: UUID) -> str:
    """The secret again. Raises crypto.NotOpened with another root secret."""
    return crypto.unseal(_key(settings), sealed, context=f"{_PURPOSE}:{owner}")


def _key(settings: Settings) -> bytes:
    return derive_key(settings.root_secret, _PURPOSE)
