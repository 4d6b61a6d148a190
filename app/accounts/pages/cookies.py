"""The session cookie: HttpOnly, SameSite=Lax, for this host only, gone when the browser closes."""

from starlette.responses import Response

from app.accounts.service.sessions import cookie_name
from app.settings import Settings


def set_session_cookie(response: Response, token: str, settings: Settings) -> None:
    """Hand the token to the browser."""
    response.set_cookie(
        cookie_name(settings),
        token,
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )


def drop_session_cookie(response: Response, settings: Settings) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        cookie_name(settings),
        path="/",
        secure=settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )
