"""Where a feature lets features above it act: declared here below, filled in one place by assembly."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

F = TypeVar("F")


class NotComposed(RuntimeError):
    """A program asks a hook before `app.features.compose()` has said who hangs on it."""


class HookPoint(Generic[F]):
    """The functions called at one moment, in their order.

    Not knowing them is an error, not an empty list: a program that forgot to compose itself would
    leave out a rule without a word (delete a backup that a record needs, say).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._functions: tuple[F, ...] | None = None

    def fill(self, functions: Iterable[F]) -> None:
        """Make these the ones; filling it again replaces them."""
        self._functions = tuple(functions)

    @property
    def is_filled(self) -> bool:
        """Whether somebody has said who hangs here."""
        return self._functions is not None

    def __iter__(self) -> Iterator[F]:
        """Go through the functions. Raise NotComposed where nobody has named them."""
        if self._functions is None:
            raise NotComposed(f"{self.name}: call app.features.compose() first")
        return iter(self._functions)
