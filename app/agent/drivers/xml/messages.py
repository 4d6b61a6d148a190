"""Building and parsing of the XML messages (docs/protocols.md, section 3). Pure: text and bytes only."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

Fields = Mapping[str, str]

SUCCESS = "0"
"""`returncode` of a message that was carried out."""

_DECLARATION = re.compile(r"^\ufeff?\s*<\?xml[^>]*\?>")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"\r": "&#13;"}


class MessageInvalid(ValueError):
    """Bytes that are not an answer of this protocol, or a value in it that cannot be understood."""


class NotEncodable(ValueError):
    """Text that the devices' encoding (GBK) or XML cannot carry. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One message to a device or the bureau.

    `attributes` stand on `body`; `groups` are numbered by `xh` and stand in `input` before `fields`.
    """

    id: str
    comment: str
    fields: Fields = field(default_factory=dict)
    groups: tuple[Fields, ...] = ()
    attributes: Fields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: the simple fields of its payload, and the groups in it."""

    id: str
    returncode: str
    returnmsg: str
    fields: Fields
    groups: tuple[Fields, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the message was carried out."""
        return self.returncode == SUCCESS


def encode(request: Request) -> bytes:
    """The bytes of a message in GBK. Raises `NotEncodable`."""
    groups = "".join(
        f'<group xh="{number}">{_elements(group)}</group>'
        for number, group in enumerate(request.groups, start=1)
    )
    attributes = "".join(
        f" {name}={quoteattr(_checked(value))}" for name, value in request.attributes.items()
    )
    text = (
        '<?xml version="1.0" encoding="gbk"?>\n'
        f"<business id={quoteattr(request.id)} comment={quoteattr(_checked(request.comment))}>"
        f"<body{attributes}><input>{groups}{_elements(request.fields)}</input></body></business>"
    )
    try:
        return text.encode("gbk")
    except UnicodeEncodeError as error:
        raise NotEncodable(f"GBK 不能表示“{text[error.start : error.end]}”") from error


def decode(data: bytes) -> Answer:
    """The answer in these bytes. Raises `MessageInvalid`, and nothing else."""
    root = _parse(data)
    output = root.find("body/output")
    if root.tag != "business" or output is None:
        raise MessageInvalid("应答中没有 business/body/output")
    payload = output.find("returndata")
    payload = output if payload is None else payload
    fields = _simple(output) | _simple(payload)
    groups = tuple(_simple(group) for group in _groups(payload))
    code = fields.pop("returncode", SUCCESS if groups else None)
    if code is None:
        raise MessageInvalid("应答中没有 returncode")
    return Answer(root.get("id", ""), code, fields.pop("returnmsg", ""), fields, groups)


def _parse(data: bytes) -> Element:
    # The parser refuses multi-byte encodings, so it gets text without the declaration that names one.
    # GB18030 is GBK's superset: what a device writes beyond GBK is still understood.
    try:
        text = _DECLARATION.sub("", data.decode("gb18030").rstrip("\0"), count=1)
        root: Element = fromstring(text, forbid_dtd=True)
    except (UnicodeError, ParseError, DefusedXmlException, ValueError) as error:
        raise MessageInvalid(f"不是有效的应答报文：{type(error).__name__}") from error
    return root


def _elements(fields: Fields) -> str:
    return "".join(
        f"<{name}>{escape(_checked(value), _ESCAPES)}</{name}>" for name, value in fields.items()
    )


def _checked(text: str) -> str:
    if bad := _NOT_XML.search(text):
        raise NotEncodable(f"报文不能含有字符 U+{ord(bad.group()):04X}")
    return text


def _simple(element: Element) -> dict[str, str]:
    return {
        child.tag: (child.text or "").strip()
        for child in element
        if len(child) == 0 and child.tag != "group"
    }


def _groups(payload: Element) -> Iterator[Element]:
    for child in payload:
        if child.tag == "group":
            yield child
        elif child.tag != "returndata":
            yield from child.findall("group")
