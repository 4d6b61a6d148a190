"""How one try went."""

from dataclasses import dataclass

from app.errors import QingkaError

MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Result:
    """`status` is the HTTP or SMTP code, 0 without an answer; `final`: trying again is no use."""

    ok: bool
    status: int = 0
    code: str = ""
    message: str = ""
    final: bool = False


def done(status: int) -> Result:
    """The receiver has it."""
    return Result(True, status)


def failed(
    error: type[QingkaError], detail: str, *, status: int = 0, final: bool = False
) -> Result:
    """The receiver has it not, or did not say."""
    text = " ".join(detail.split())[:MAX_TEXT] or error.title
    return Result(False, status, error.code, text, final)
