"""Frames of a connection that an agent has opened: the server's requests travel through it.

Each frame is one WebSocket text message, JSON. The server sends `request` and `cancel`, the agent answers
each request with `head` and any number of `body` frames, the last without `more`. Bodies are base64.
Requests are those of the agent's HTTP API; a stream of events is a body that does not end.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from app.contracts.devices import Message

CONTRACT_HEADER = "X-Qingka-Contract"
"""Header of the opening handshake with the agent's CONTRACT_VERSION."""

VERSION_HEADER = "X-Qingka-Version"
"""Header of the opening handshake with the agent's version."""

REPLACED = 4000
"""Close code: another connection of the same agent has taken this one's place."""

REVOKED = 4001
"""Close code: the agent was removed from the server, or enrolled anew."""

LARGEST_FRAME = 1 << 20
"""Bytes of one message at most."""

CHUNK = 256 * 1024
"""Bytes of a body that go into one frame at most."""


class _Frame(Message):
    model_config = ConfigDict(
        frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64"
    )


class RequestFrame(_Frame):
    """One request: `path` begins with / and carries the query."""

    kind: Literal["request"] = "request"
    id: int
    method: str
    path: str
    body: bytes = b""


class CancelFrame(_Frame):
    """The server does not wait for the rest of this answer."""

    kind: Literal["cancel"] = "cancel"
    id: int


class HeadFrame(_Frame):
    """Status and headers of an answer."""

    kind: Literal["head"] = "head"
    id: int
    status: int
    headers: tuple[tuple[str, str], ...] = ()


class BodyFrame(_Frame):
    """A piece of an answer's body."""

    kind: Literal["body"] = "body"
    id: int
    data: bytes = b""
    more: bool = False


ToAgent = TypeAdapter[RequestFrame | CancelFrame](
    Annotated[RequestFrame | CancelFrame, Field(discriminator="kind")]
)
"""Reads what the server sends."""

ToServer = TypeAdapter[HeadFrame | BodyFrame](
    Annotated[HeadFrame | BodyFrame, Field(discriminator="kind")]
)
"""Reads what the agent sends."""
