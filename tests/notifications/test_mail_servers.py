"""Mail servers by fields and by address; the way to one, over TLS and past the guard."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message as MessageHandler
from aiosmtpd.smtp import AuthResult, LoginPassword

from app.core.tls import self_signed
from app.notifications.errors import ChannelUrlInvalid
from app.notifications.sending import email, mail_servers
from app.notifications.sending.mail_servers import Encryption, Server
from tests.free_ports import free_port

AT = datetime(2026, 12, 9, 2, 0, tzinfo=UTC)
LETTER = email.Letter("x@example.com", "主题", "正文", "m1", AT)
SERVER = Server("mail.example.com", 465, "u@x", "p:/%?#", "a@b.cn", "清卡 管理&1", Encryption.TLS)


class _Inbox(MessageHandler):
    def __init__(self) -> None:
        super().__init__()
        self.letters: list[Message] = []
        self.signed_in: list[tuple[bytes, bytes]] = []

    def handle_message(self, message: Message) -> None:
        self.letters.append(message)

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.signed_in.append((data.login, data.password))
        right = data.password == b"p:/%?#"
        return AuthResult(success=right, handled=False)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for the name localhost, which signs itself, and its key."""
    made = self_signed(["localhost"], datetime.now(UTC))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for path, content in zip((cert, key), made, strict=True):
        path.write_bytes(content)
    return cert, key


@pytest.fixture
def secure_server(
    certificate: tuple[Path, Path], request: pytest.FixtureRequest
) -> Iterator[tuple[_Inbox, int]]:
    """A mail server that wants a user, over TLS as the parameter says; its inbox and its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    inbox = _Inbox()
    implicit = request.param is Encryption.TLS
    tls: dict[str, Any] = {"ssl_context" if implicit else "tls_context": context}
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=free_port(),
        loop=asyncio.new_event_loop(),
        authenticator=inbox.authenticate,
        auth_required=not implicit,  # aiosmtpd calls a connection secure after STARTTLS only
        auth_require_tls=not implicit,
        require_starttls=not implicit,
        **tls,
    )
    controller.start()
    yield inbox, controller.port
    controller.stop()


@pytest.mark.parametrize(
    ("secure_server", "encryption"),
    [(Encryption.TLS, Encryption.TLS), (Encryption.STARTTLS, Encryption.STARTTLS)],
    indirect=["secure_server"],
)
def test_a_letter_goes_over_tls_with_user_and_password(
    secure_server: tuple[_Inbox, int],
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    encryption: Encryption,
) -> None:
    """The connection goes to an address; what the certificate is held against is the name."""
    inbox, port = secure_server
    server = replace(SERVER, host="localhost", port=port, encryption=encryption)
    untrusted = email.send(server, LETTER, allow_private=True)
    assert (untrusted.ok, "CERTIFICATE_VERIFY_FAILED" in untrusted.message) == (False, True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert email.send(server, LETTER, allow_private=True).ok
    assert inbox.signed_in == [(b"u@x", b"p:/%?#")]
    assert [letter["To"] for letter in inbox.letters] == ["x@example.com"]
    by_number = email.send(replace(server, host="127.0.0.1"), LETTER, allow_private=True)
    assert (by_number.ok, "CERTIFICATE_VERIFY_FAILED" in by_number.message) == (False, True)
    wrong = email.send(replace(server, password="wrong"), LETTER, allow_private=True)
    assert (wrong.ok, wrong.final, wrong.status) == (False, False, 535)
    assert len(inbox.letters) == 1


def test_starttls_is_asked_for_unless_it_is_given_up(mail_server: Any) -> None:
    """The server has none: the letter does not go out in the clear."""
    server = mail_servers.parse_server(mail_server.url.replace("&tls=none", ""))
    result = email.send(server, LETTER, allow_private=True)
    assert (result.ok, result.code) == (False, "notification.email_failed")
    assert mail_server.letters == []


def test_no_letter_goes_into_the_own_network(mail_server: Any) -> None:
    server = mail_servers.parse_server(mail_server.url)
    for host in ("127.0.0.1", "localhost"):
        result = email.send(replace(server, host=host), LETTER, allow_private=False)
        assert (result.ok, result.code, result.final) == (
            False,
            "webhook.target_forbidden",
            True,
        )
    assert mail_server.mailbox.connections == 0


def test_a_name_is_resolved_once(mail_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its mind between the look and the connection gains nothing by it."""
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def recording(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "mail.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "192.0.2.1"
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", recording)
    server = replace(mail_servers.parse_server(mail_server.url), host="mail.example")
    assert email.send(server, LETTER, allow_private=True).ok
    assert asked == ["mail.example"]


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example.com?from=a@b.c",
        "smtp://mail.example.com",
        "smtp://?from=a@b.c",
        "smtp://mail.example.com?from=a@b.c%0d%0aBcc:x@y.z",
        "smtp://mail.example.com:port?from=a@b.c",
        "smtp://mail.example.com?from=a@b.c&tls=maybe",
    ],
)
def test_mail_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ChannelUrlInvalid):
        mail_servers.parse_server(url)


def test_user_and_password_may_hold_anything() -> None:
    server = mail_servers.parse_server("smtps://u%40x:p%3A%2F@mail.example.com?from=a@b.c")
    assert (server.user, server.password, server.port, server.encryption) == (
        "u@x",
        "p:/",
        465,
        Encryption.TLS,
    )


@pytest.mark.parametrize("encryption", list(Encryption))
@pytest.mark.parametrize("host", ["mail.example.com", "2001:db8::1"])
def test_what_is_kept_is_read_again(encryption: Encryption, host: str) -> None:
    for server in (SERVER, replace(SERVER, user="", password="", sender_name="")):
        server = replace(server, host=host, encryption=encryption)
        read = mail_servers.parse_server(mail_servers.address_of(server))
        assert read == replace(server, sender_name=server.sender_name or "清卡管理")
