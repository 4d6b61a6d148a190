"""Vendors' ways to write the same messages: what stands on `body` and how fields are named."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from app.agent.drivers.xml.messages import Answer, Fields, Request


@dataclass(frozen=True, slots=True)
class Dialect:
    """`names` maps the middleware's field names, which this code uses, to those on the wire."""

    name: str
    attributes: Fields = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    inverted: frozenset[str] = frozenset()
    """Flags, by the middleware's names, that this vendor gives the other way round (0 for yes)."""

    def write(self, request: Request) -> Request:
        """The request as this dialect writes it."""
        return replace(
            request,
            fields=self._renamed(request.fields, self.names),
            groups=tuple(self._renamed(group, self.names) for group in request.groups),
            attributes={**self.attributes, **request.attributes},
        )

    def read(self, answer: Answer) -> Answer:
        """The answer with the names this code uses."""
        names = {wire: name for name, wire in self.names.items()}
        return replace(
            answer,
            fields=self._turned(self._renamed(answer.fields, names)),
            groups=tuple(self._turned(self._renamed(group, names)) for group in answer.groups),
        )

    def _turned(self, fields: dict[str, str]) -> dict[str, str]:
        """What is neither 0 nor 1 is no flag and stays as it is."""
        return {
            name: _OTHER.get(value, value) if name in self.inverted else value
            for name, value in fields.items()
        }

    @staticmethod
    def _renamed(fields: Fields, names: Mapping[str, str]) -> dict[str, str]:
        return {names.get(name, name): value for name, value in fields.items()}


_OTHER = {"0": "1", "1": "0"}
MIDDLEWARE = Dialect("middleware")
COMPONENT = Dialect(
    "component",
    attributes={"yylxdm": "1"},
    names={"sksbbh": "skpbh", "sksbkl": "skpkl"},
)
_DIALECTS = {dialect.name: dialect for dialect in (MIDDLEWARE, COMPONENT)}


def dialect_of(
    name: str, names: Mapping[str, str] | None = None, inverted: Iterable[str] = ()
) -> Dialect:
    """The dialect `name`, with a vendor's further field names and inverted flags."""
    dialect = _DIALECTS[name]
    names = {**dialect.names, **(names or {})}
    return replace(dialect, names=names, inverted=frozenset(inverted))
