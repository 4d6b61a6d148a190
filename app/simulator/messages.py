"""The XML of the business messages, from the device's side: read requests, write answers. GBK both ways."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

ENCODING = "gbk"
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_CANONICAL = {"skpbh": "sksbbh", "skpkl": "sksbkl"}
_COMPONENT_NAMES = {device: component for component, device in _CANONICAL.items()}

Value = str | Sequence["Fields"]
Fields = Mapping[str, Value]
"""Fields of an answer in order; a sequence of fields becomes `count` and numbered groups."""


class Dialect(StrEnum):
    """`component` has yylxdm="1" and skpbh/skpkl; `middleware` has sksbbh/sksbkl."""

    COMPONENT = "component"
    MIDDLEWARE = "middleware"


class InvalidRequest(Exception):
    """Not a business message at all."""


@dataclass(frozen=True, slots=True)
class Request:
    """A business message; field names are those of the middleware dialect."""

    id: str
    dialect: Dialect = Dialect.MIDDLEWARE
    comment: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[Mapping[str, str], ...] = ()

    def get(self, name: str) -> str:
        """A field, or an attribute of the body; empty when there is none."""
        return self.fields.get(name) or self.attributes.get(name, "")


def parse_request(payload: bytes) -> Request:
    """Read a business message. Raises InvalidRequest when it is none."""
    try:
        text = _DECLARATION.sub("", payload.decode(ENCODING))
        root = fromstring(text, forbid_dtd=True)
    except (UnicodeDecodeError, ParseError, DefusedXmlException, ValueError) as error:
        raise InvalidRequest(str(error)) from error
    body = root.find("body")
    if root.tag != "business" or body is None:
        raise InvalidRequest("no business body")
    return _request(root, body)


def _request(root: Any, body: Any) -> Request:
    source = body.find("input")
    named = _leaves(body) | (_leaves(source) if source is not None else {})
    return Request(
        id=root.get("id", ""),
        dialect=_dialect(body, named),
        comment=root.get("comment", ""),
        attributes=_renamed(body.attrib),
        fields=_renamed(named),
        groups=tuple(one for group in body.iter("group") for one in _group(group)),
    )


def _leaves(element: Any) -> dict[str, str]:
    return {child.tag: (child.text or "").strip() for child in element if len(child) == 0}


def _group(group: Any) -> Iterable[dict[str, str]]:
    """One group for each fplxdm in it: some senders put all types into one group."""
    fields = _leaves(group)
    for kind in group.findall("fplxdm"):
        yield fields | {"fplxdm": (kind.text or "").strip()}


def _renamed(fields: Mapping[str, str]) -> dict[str, str]:
    return {_CANONICAL.get(name, name): value for name, value in fields.items()}


def _dialect(body: Any, named: Mapping[str, str]) -> Dialect:
    component = body.get("yylxdm") == "1" or any(name in named for name in _CANONICAL)
    return Dialect.COMPONENT if component else Dialect.MIDDLEWARE


def build_answer(
    request_id: str,
    output: Fields,
    *,
    comment: str = "",
    dialect: Dialect = Dialect.MIDDLEWARE,
    attributes: Mapping[str, str] | None = None,
) -> bytes:
    """A business message with one `output`, encoded."""
    known = ({"yylxdm": "1"} if dialect is Dialect.COMPONENT else {}) | dict(attributes or {})
    marks = "".join(f" {name}={quoteattr(value)}" for name, value in known.items())
    text = (
        f'<?xml version="1.0" encoding="{ENCODING}"?>\r\n'
        f"<business id={quoteattr(request_id)} comment={quoteattr(comment)}><body{marks}>"
        f"<output>{_inner(output, dialect)}</output></body></business>"
    )
    return text.encode(ENCODING, "xmlcharrefreplace")


def _inner(fields: Fields, dialect: Dialect) -> str:
    return "".join(_element(name, value, dialect) for name, value in fields.items())


def _element(name: str, value: Value, dialect: Dialect) -> str:
    if isinstance(value, str):
        tag = _COMPONENT_NAMES.get(name, name) if dialect is Dialect.COMPONENT else name
        return f"<{tag}>{escape(value)}</{tag}>"
    groups = groups_xml(value, dialect)
    return groups if name == "group" else f'<{name} count="{len(value)}">{groups}</{name}>'


def groups_xml(groups: Sequence[Fields], dialect: Dialect) -> str:
    """Numbered groups, counted from 1."""
    return "".join(
        f'<group xh="{place}">{_inner(fields, dialect)}</group>'
        for place, fields in enumerate(groups, start=1)
    )


def result(code: str, text: str) -> dict[str, Value]:
    """The two fields that end every answer."""
    return {"returncode": code, "returnmsg": text}


def success() -> dict[str, Value]:
    """returncode 0."""
    return result("0", "成功")


def unparsable() -> bytes:
    """The answer to what is no known business message: an empty id and -101."""
    return build_answer("", result("-101", "解析请求数据错误"))
