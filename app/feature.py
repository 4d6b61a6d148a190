"""What a feature is made of, as `app.features` lists it."""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Hook:
    """A function of this feature on a hook point of one below; both as `module:name`."""

    point: str
    function: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of `qingka`, or a group of them; one of a `group` stands below it.

    `composed`: it works on the server's data, so the process has to be the whole product first.
    """

    name: str
    place: str
    group: str = ""
    composed: bool = True


@dataclass(frozen=True, slots=True)
class MenuItem:
    """An entry of the menu: its group, its place in there, and the permission of who sees it."""

    group: str
    place: int
    label: str
    href: str
    permission: str = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """What a package brings. Parts are named `module` or `module:name`, inside the package."""

    package: str
    tables: tuple[str, ...] = ("models",)
    routers: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()
    commands: tuple[Command, ...] = ()
    menu: tuple[MenuItem, ...] = ()

    def part(self, place: str, name: str) -> Any:
        """Import a part: the name after the colon of its place, else `name`."""
        module, _, other = place.partition(":")
        return getattr(import_module(f"app.{self.package}.{module}"), other or name)
