"""The answer to a change, kept in the transaction of the change: what a retry with the same key is given.

A route that changes things in one transaction (`core.web.Writing`) has nothing to do: its answer is put beside
the change before the commit. A long one, with several transactions, keeps its answer in the one that counts.
"""

from typing import Protocol

from sqlmodel import Session
from starlette.responses import Response

KEEPER = "qingka.keeper"
"""Where in the scope a request has its keeper, if its answer is to be kept."""

WRITING = "qingka.writing"
"""Where in the scope a request has the session that commits once its answer is made."""


class Keeper(Protocol):
    """Keeps the answer of one request."""

    def keep(self, session: Session, answer: Response) -> None:
        """Write it in this transaction. Raises Conflict when the same request has been answered meanwhile."""

    def settle(self, session: Session | None, answer: Response) -> Response:
        """Keep what the route gave, unless it is kept already; gives what goes out."""
