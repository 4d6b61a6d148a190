"""Idempotency-Key on POST (docs/api.md, Trying again): the same key with the same content replays the first answer.

Who asks is found out, and counted, before anything else; strangers and refused requests leave nothing behind.
The answer is written in the transaction of the change (core.answers), so there is neither a change without its
answer nor an answer without its change. Nothing is claimed beforehand: of two servers that are given the same
request at once one commits, and the other, whose change is rolled back with its answer, replays the first one's.
"""

import json
from typing import ClassVar

from anyio.to_thread import run_sync
from sqlalchemy.exc import IntegrityError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.accounts.deps import identify, principal_of
from app.accounts.principal import Principal
from app.core.answers import KEEPER
from app.core.clock import Clock
from app.core.crypto import seal, unseal
from app.core.db import Database, Session
from app.core.problems import problem
from app.core.security import derive_key
from app.errors import Conflict, Invalid, QingkaError
from app.system import queries
from app.system.models import IdempotencyKey
from app.system.request_content import fingerprint, read_body, replay_body, sha256

PREFIX = "/api/"
_KEPT_HEADERS = frozenset({"content-type", "location", "etag"})


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


class RightsChanged(Conflict):
    """What was shown to somebody who might see it is not shown again to somebody who may not."""

    code = "idempotency.rights_changed"
    title = "权限在第一次请求之后有变化，不再重放当时的结果"
    remedy = "请查询当前状态；需要再次执行时换一个新的 Idempotency-Key。"


class _Kept:
    """The answer of one request, kept once; see app.core.answers.Keeper."""

    def __init__(self, idempotency: "Idempotency", principal: Principal, key: str) -> None:
        self._of = idempotency
        self.owner = f"{principal.kind}:{principal.id}"
        self.key = key
        self.rights = _rights(principal)
        self.fingerprint = ""
        self._answer: Response | None = None

    def keep(self, session: Session, answer: Response) -> None:
        """Put the answer beside the change. Raises KeyInProgress when another one has been faster."""
        now = self._of.clock()
        queries.forget_old_answer(session, self.owner, self.key, now)
        headers = [one for one in answer.headers.items() if one[0].lower() in _KEPT_HEADERS]
        body = bytes(answer.body).decode("latin-1")
        session.add(
            IdempotencyKey(
                owner=self.owner,
                key=self.key,
                fingerprint=self.fingerprint,
                rights=self.rights,
                answered_at=now,
                status=answer.status_code,
                headers=json.dumps(headers),
                body=seal(self._of.secret, body, context=self._place),
            )
        )
        try:
            session.flush()
        except IntegrityError as error:
            raise KeyInProgress(headers={"Retry-After": "1"}) from error
        self._answer = answer

    def settle(self, session: Session | None, answer: Response) -> Response:
        """Keep a success; a refusal is not kept, it may be put right and sent again."""
        if self._answer is not None:
            return self._answer
        if answer.status_code < 400 and hasattr(answer, "body"):
            if session is None:
                with self._of.database.transaction() as own:
                    self.keep(own, answer)
            else:
                self.keep(session, answer)
        return answer

    def earlier(self) -> Response | QingkaError | None:
        """The answer that was given before, or why it is not given now."""
        with self._of.database.looking_up() as connection:
            row = queries.kept_answer(connection, self.owner, self.key, self._of.clock())
        if row is None:
            return None
        if row.fingerprint != self.fingerprint:
            return KeyMismatch()
        if row.rights != self.rights:
            return RightsChanged()
        body = unseal(self._of.secret, row.body, context=self._place).encode("latin-1")
        response = Response(body, row.status, {"Idempotent-Replay": "true"})
        response.headers.update(dict(json.loads(row.headers)))
        return response

    @property
    def _place(self) -> str:
        """What a sealed answer belongs to."""
        return f"{self.owner} {self.key}"


class Idempotency:
    """ASGI middleware inside the application, whose state it reads."""

    METHOD: ClassVar[str] = "POST"

    def __init__(
        self, app: ASGIApp, *, database: Database, clock: Clock, root_secret: bytes
    ) -> None:
        self.app = app
        self.database = database
        self.clock = clock
        # An answer may show a new key or password once; at rest nobody reads it.
        self.secret = derive_key(root_secret, "idempotency")
        self._running: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._concerns(scope):
            await self.app(scope, receive, send)
            return
        key = Headers(scope=scope)["idempotency-key"]
        if not 1 <= len(key) <= 200 or not key.isascii() or not key.isprintable():
            await problem(KeyInvalid(), scope["path"])(scope, receive, send)
            return
        counted = Response()
        principal = await run_sync(_who, Request(scope), counted)
        if principal is None or principal.must_change_password:
            await self.app(scope, receive, send)  # which refuses it, or does not ask who it is
            return
        await self._once(
            _Kept(self, principal, key), scope, receive, _with_headers(send, counted.headers)
        )

    def _concerns(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope["method"] == self.METHOD
            and scope["path"].startswith(PREFIX)
            and "idempotency-key" in Headers(scope=scope)
        )

    async def _once(self, kept: _Kept, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        kept.fingerprint = await fingerprint(scope, body)
        place = (kept.owner, kept.key)
        if place in self._running:
            busy = KeyInProgress(headers={"Retry-After": "1"})
            await problem(busy, scope["path"])(scope, receive, send)
            return
        self._running.add(place)
        try:
            earlier = await run_sync(kept.earlier)
            if earlier is None:
                scope[KEEPER] = kept
                await self.app(scope, replay_body(body), _Outgoing(kept, scope, receive, send))
            else:
                await _give(earlier, scope, receive, send)
        finally:
            self._running.discard(place)


class _Outgoing:
    """Sends the answer; in place of a refusal the answer another server has given meanwhile, if it has."""

    def __init__(self, kept: _Kept, scope: Scope, receive: Receive, send: Send) -> None:
        self._kept = kept
        self._request = scope, receive
        self._send = send
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            earlier = await run_sync(self._kept.earlier)
            self._replaced = earlier is not None
            if earlier is not None:
                await _give(earlier, *self._request, self._send)
        if not self._replaced:
            await self._send(message)


async def _give(answer: Response | QingkaError, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem(answer, scope["path"]) if isinstance(answer, QingkaError) else answer
    await response(scope, receive, send)


def _who(request: Request, counted: Response) -> Principal | None:
    """Who asks, asked here once for the whole request; None for strangers and for who is over the rate."""
    try:
        return principal_of(request) or identify(request, counted)
    except QingkaError:
        return None


def _with_headers(send: Send, headers: Headers) -> Send:
    """What was counted is said on every answer to it."""
    more = [one for one in headers.raw if one[0].startswith(b"ratelimit")]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return send_with_headers


def _rights(principal: Principal) -> str:
    """What the principal may, in short: another text, other rights."""
    limits = principal.enterprise_ids
    seen = "*" if limits is None else " ".join(sorted(map(str, limits)))
    return sha256(f"{' '.join(sorted(principal.permissions))}\n{seen}".encode())
