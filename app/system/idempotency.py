"""Idempotency-Key on POST (api.md, Retries): the same key with the same body replays the first answer."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from anyio.to_thread import run_sync
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.clock import Clock
from app.core.crypto import seal, unseal
from app.core.db import Database
from app.core.problems import problem
from app.core.security import derive_key
from app.errors import Conflict, Invalid, QingkaError
from app.system.models import IdempotencyKey

PREFIX = "/api/"
KEPT_FOR = timedelta(hours=24)
LEASE = timedelta(minutes=2)
"""A first request that has not answered by then died with its process; the next one runs."""

_KEPT_HEADERS = frozenset({"content-type", "location", "etag"})
_NOT_KEPT = frozenset({401, 403, 413, 429})


class KeyMismatch(Invalid):
    code = "idempotency.mismatch"
    title = "同一 Idempotency-Key 的请求内容不一致"
    remedy = "为新的请求换一个新的 Idempotency-Key。"


class KeyInvalid(Invalid):
    code = "idempotency.invalid"
    title = "Idempotency-Key 应为 1 到 200 个可见 ASCII 字符"
    remedy = "使用 UUID 作为 Idempotency-Key。"


class KeyInProgress(Conflict):
    code = "idempotency.in_progress"
    title = "同一请求正在处理"
    remedy = "稍候用同一个 Idempotency-Key 重试，会得到第一次的结果。"


@dataclass(frozen=True, slots=True)
class _Claim:
    """One request's claim on a key."""

    owner: str
    key: str
    fingerprint: str


class Idempotency:
    """ASGI middleware. Needs `app.state.database` and `app.state.clock`."""

    METHOD: ClassVar[str] = "POST"

    def __init__(
        self, app: ASGIApp, *, database: Database, clock: Clock, root_secret: bytes
    ) -> None:
        self.app = app
        self.database = database
        self.clock = clock
        # An answer may show a new key or password once; at rest nobody reads it.
        self._key = derive_key(root_secret, "idempotency")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._concerns(scope):
            await self.app(scope, receive, send)
            return
        body = await _read_body(receive)
        claim = _claim(scope, body)
        if claim is None:
            await problem(KeyInvalid(), scope["path"])(scope, receive, send)
            return
        answer = await run_sync(self._begin, claim)
        if isinstance(answer, QingkaError):
            await problem(answer, scope["path"])(scope, receive, send)
        elif answer is not None:
            await answer(scope, receive, send)
        else:
            await self._run(claim, scope, _replay_body(body), send)

    def _concerns(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["method"] == self.METHOD
            and scope["path"].startswith(PREFIX)
            and "idempotency-key" in Headers(scope=scope)
        )

    async def _run(self, claim: _Claim, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self.app(scope, receive, keep)
        except BaseException:
            await run_sync(self._forget, claim)
            raise
        await run_sync(self._finish, claim, messages)
        for message in messages:
            await send(message)

    def _begin(self, claim: _Claim) -> Response | QingkaError | None:
        """None: the key is ours, go on. Two at once: the primary key lets one through."""
        now = self.clock()
        try:
            with self.database.transaction() as session:
                session.exec(
                    delete(IdempotencyKey).where(col(IdempotencyKey.started_at) < now - KEPT_FOR)
                )
                row = session.get(IdempotencyKey, (claim.owner, claim.key), with_for_update=True)
                if row is not None:
                    return self._existing(row, claim, now)
                session.add(
                    IdempotencyKey(
                        owner=claim.owner,
                        key=claim.key,
                        fingerprint=claim.fingerprint,
                        started_at=now,
                    )
                )
        except IntegrityError:
            return KeyInProgress()
        return None

    def _existing(
        self, row: IdempotencyKey, claim: _Claim, now: datetime
    ) -> Response | QingkaError | None:
        if row.fingerprint != claim.fingerprint:
            return KeyMismatch()
        if row.status is not None:
            body = unseal(self._key, row.body, context=_place(claim)).encode("latin-1")
            response = Response(body, row.status, {"Idempotent-Replay": "true"})
            response.headers.update(dict(json.loads(row.headers)))
            return response
        if now - row.started_at < LEASE:
            return KeyInProgress()
        row.started_at = now
        return None

    def _finish(self, claim: _Claim, messages: list[Message]) -> None:
        start = messages[0]
        status = start["status"]
        if status >= 500 or status in _NOT_KEPT:
            self._forget(claim)
            return
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in start["headers"]
            if name.decode("latin-1") in _KEPT_HEADERS
        ]
        with self.database.transaction() as session:
            row = session.get(IdempotencyKey, (claim.owner, claim.key))
            if row is not None:
                row.status = status
                row.headers = json.dumps(headers)
                body = b"".join(message.get("body", b"") for message in messages[1:])
                row.body = seal(self._key, body.decode("latin-1"), context=_place(claim))
                session.add(row)

    def _forget(self, claim: _Claim) -> None:
        with self.database.transaction() as session:
            row = session.get(IdempotencyKey, (claim.owner, claim.key))
            if row is not None:
                session.delete(row)


def _place(claim: _Claim) -> str:
    """What a sealed answer belongs to."""
    return f"{claim.owner} {claim.key}"


def _claim(scope: Scope, body: bytes) -> _Claim | None:
    headers = Headers(scope=scope)
    key = headers["idempotency-key"]
    if not 1 <= len(key) <= 200 or not key.isascii() or not key.isprintable():
        return None
    who = headers.get("authorization") or headers.get("cookie") or ""
    what = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b"\n" + body
    return _Claim(_sha256(who.encode()), key, _sha256(what))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


def _replay_body(body: bytes) -> Receive:
    sent: list[bool] = []

    async def receive() -> Message:
        if sent:
            return {"type": "http.disconnect"}
        sent.append(True)
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
