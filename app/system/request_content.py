"""What a request asks for: read once, compared by content, and read again by the route."""

import hashlib
import json

from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope


async def read_body(receive: Receive) -> bytes:
    """The whole body; its size is limited before."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def replay_body(body: bytes) -> Receive:
    """Receive the body once more."""
    sent: list[bool] = []

    async def receive() -> Message:
        if sent:
            return {"type": "http.disconnect"}
        sent.append(True)
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def fingerprint(scope: Scope, body: bytes) -> str:
    """The same for requests that ask for the same: method, path, query and content.

    Of an upload the fields and the bytes of its files count, not the boundary between them, which
    every client draws anew.
    """
    content = body
    if Headers(scope=scope).get("content-type", "").lower().startswith("multipart/form-data"):
        content = await _parts(scope, body)
    address = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"]
    return sha256(address + b"\n" + content)


async def _parts(scope: Scope, body: bytes) -> bytes:
    """The parts of a form in their order; the body as it is when it is no form, which its route then says."""
    parts: list[list[str]] = []
    try:
        async with Request(scope, replay_body(body)).form() as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    digest = sha256(await value.read())
                    parts.append([name, value.filename or "", digest])
                else:
                    parts.append([name, value])
    except HTTPException:
        return body
    return json.dumps(parts).encode()


def sha256(data: bytes) -> str:
    """The digest as text."""
    return hashlib.sha256(data).hexdigest()
