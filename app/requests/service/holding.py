"""One open request has a device at a time; who comes second is told which request that is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from app.accounts.principal import Principal
from app.clearing import queries
from app.clearing.errors import ClearingInProgress
from app.core.db import Session


def require_free(session: Session, device_ids: Sequence[UUID], *, principal: Principal) -> None:
    """Refuse while an open request has one of the devices. Raises ClearingInProgress."""
    if queries.order.holder(session, device_ids) is not None:
        raise _in_progress(session, device_ids, principal)


@contextmanager
def taking(
    session: Session,
    device_ids: Sequence[UUID],
    *,
    principal: Principal,
    besides: UUID | None = None,
) -> Iterator[None]:
    """Take the devices within; a unique index lets one request have each. Raises ClearingInProgress.

    `besides` is the request that takes them. What is done within is undone when another one has been
    faster, so that the session can still be asked which one.
    """
    try:
        with session.begin_nested():
            yield
            session.flush()
    except IntegrityError as error:
        raise _in_progress(session, device_ids, principal, besides) from error


def _in_progress(
    session: Session, device_ids: Sequence[UUID], principal: Principal, besides: UUID | None = None
) -> ClearingInProgress:
    """The refusal; it names the request to who may see it."""
    found = queries.order.holder(session, device_ids, besides=besides)
    if found is None or not principal.sees(found.enterprise_id):
        return ClearingInProgress()
    return ClearingInProgress((str(found.id), found.number, found.state))
