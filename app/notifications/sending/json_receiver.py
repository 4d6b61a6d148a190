"""What a receiver of plain JSON is sent: the document apprise sends to `json://` and `jsons://`.

`?+Name=value` is a header, `?-name=value` goes on into the query, `?:name=value` into the document (the
name of one of its fields: it is renamed, or left out when the value is empty); `?method=` is the method;
`user:password@` signs in (RFC 7617).
"""

import base64
import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

_SECURE = {"json": "http", "jsons": "https"}
METHODS = ("POST", "GET", "DELETE", "PUT", "HEAD", "PATCH", "UPDATE")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to go."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


def request_to(address: str, title: str, text: str) -> Request:
    """The request for a message."""
    parts = urlsplit(address)
    # In the query of such an address a plus stands for itself: it marks the headers.
    options = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)
    headers = {"content-type": "application/json", **_headers(options)}
    _, at, host = parts.netloc.rpartition("@")
    if at and "authorization" not in headers:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers["authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    passed_on = urlencode(_marked(options, "-"))
    url = f"{_SECURE[parts.scheme.lower()]}://{host}{parts.path or '/'}"
    return Request(
        dict(options).get("method", "POST").upper(),
        f"{url}?{passed_on}" if passed_on else url,
        headers,
        json.dumps(_document(options, title, text), ensure_ascii=False).encode(),
    )


def is_sound(address: str) -> bool:
    """Whether a request can be made of it."""
    request = request_to(address, "", "")
    fits = all(
        _HEADER.fullmatch(name) and value.isascii() and value.isprintable()
        for name, value in request.headers.items()
    )
    return fits and request.method in METHODS


def _document(options: list[tuple[str, str]], title: str, text: str) -> dict[str, object]:
    document: dict[str, object] = {
        "version": "1.0",
        "title": title,
        "message": text,
        "attachments": [],
        "type": "info",
    }
    for name, value in _marked(options, ":").items():
        if name not in document:
            document[name] = value
            continue
        held = document.pop(name)
        if value:
            document[value] = held
    return document


def _headers(options: list[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in _marked(options, "+").items()}


def _marked(options: list[tuple[str, str]], mark: str) -> dict[str, str]:
    return {name[1:]: value for name, value in options if name.startswith(mark)}
