"""ETag and If-Match of single resources (RFC 9110 sections 8.8.3 and 13.1.1)."""

from typing import Annotated

from fastapi import Header
from starlette.responses import Response

from app.errors import PreconditionFailed

IfMatch = Annotated[
    str | None, Header(description="ETag of the version the change is meant for", max_length=200)
]


def etag_of(revision: int) -> str:
    """The strong ETag of a revision of a row."""
    return f'"{revision}"'


def set_etag(response: Response, revision: int) -> None:
    """Say which revision the answer shows."""
    response.headers["ETag"] = etag_of(revision)


def require_match(if_match: str | None, revision: int) -> None:
    """Raise PreconditionFailed when the sender saw another revision; without the header all is well."""
    if if_match is None or if_match.strip() == "*":
        return
    given = {tag.strip() for tag in if_match.split(",")}
    if etag_of(revision) not in given:
        raise PreconditionFailed
