"""Send one e-mail through a server an admin has set up.

The address of a channel: `smtp://user:password@host:port?from=address&name=sender`. `smtps://` is TLS
from the start; `smtp://` asks for STARTTLS and goes on without only with `&tls=none`.
"""

import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from urllib.parse import parse_qs, unquote, urlsplit

from app.notifications.errors import ChannelUrlInvalid, EmailFailed, EmailRefused
from app.notifications.sending.result import Result, done, failed

TIMEOUT_SECONDS = 20.0
_PORTS = {"smtp": 587, "smtps": 465}
_SENT = _OK = 250


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. `tls`: starttls, implicit or none."""

    host: str
    port: int
    user: str
    password: str
    sender: str
    sender_name: str
    tls: str


@dataclass(frozen=True, slots=True)
class Letter:
    """What one person gets. `message_id` is the same in every attempt; `html` says the same as `text`."""

    to: str
    subject: str
    text: str
    message_id: str
    at: datetime
    html: str = ""


def parse_server(url: str) -> Server:
    """The server of a channel's address. Raises ChannelUrlInvalid."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise _invalid("邮件服务器地址格式不正确") from error
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    sender = options.get("from", "")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _invalid("邮件服务器地址应为 smtp:// 或 smtps:// 开头")
    if sender.count("@") != 1 or any(c in sender for c in " \r\n<>,;"):
        raise _invalid("地址中缺少发件地址 from=")
    if options.get("tls", "") not in ("", "none", "starttls"):
        raise _invalid("tls 只能是 starttls 或 none")
    implicit = parts.scheme == "smtps"
    return Server(
        parts.hostname,
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        sender,
        options.get("name", "清卡管理"),
        "implicit" if implicit else options.get("tls") or "starttls",
    )


def shown(server: Server) -> str:
    """The server without its secrets."""
    return f"{server.host}:{server.port}（{server.sender}）"


class Connection:
    """A way to mail servers: letters to the same one share a connection as long as it holds."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._smtp: smtplib.SMTP | None = None

    @property
    def is_open(self) -> bool:
        """Whether the next letter finds a connection."""
        return self._smtp is not None

    def send(self, server: Server, letter: Letter) -> Result:
        """One attempt for one receiver."""
        try:
            self._to(server).send_message(_message(server, letter))
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            return _refused(code, text)
        except smtplib.SMTPResponseException as error:
            self.close()
            return _refused(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            self.close()
            return failed(EmailFailed, f"{type(error).__name__}：{error}")
        return done(_SENT)

    def close(self) -> None:
        """Say goodbye, if that is still possible."""
        smtp, self._smtp, self._server = self._smtp, None, None
        if smtp is None:
            return
        try:
            smtp.quit()
        except (smtplib.SMTPException, OSError):
            smtp.close()  # the server went first

    def _to(self, server: Server) -> smtplib.SMTP:
        """The connection of before if it still answers, else a new one."""
        if self._smtp is None or self._server != server or not _answers(self._smtp):
            self.close()
            self._smtp, self._server = _connected(server), server
        return self._smtp


def send(server: Server, letter: Letter) -> Result:
    """One attempt for one receiver, with a connection of its own."""
    connection = Connection()
    try:
        return connection.send(server, letter)
    finally:
        connection.close()


def _answers(smtp: smtplib.SMTP) -> bool:
    try:
        code, _ = smtp.noop()
    except (smtplib.SMTPException, OSError):
        return False
    return code == _OK


def _connected(server: Server) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.tls == "implicit":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    try:
        if server.tls == "starttls":
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, server.password)
    except BaseException:
        connection.close()
        raise
    return connection


def _message(server: Server, letter: Letter) -> EmailMessage:
    message = EmailMessage()
    message["From"] = formataddr((server.sender_name, server.sender))
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.message_id}@{server.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    if letter.html:
        message.add_alternative(letter.html, subtype="html")
    return message


def _refused(code: int, text: bytes | str) -> Result:
    """5xx is for good, but a wrong password (535) is the channel's fault and may be mended."""
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    if code >= 500 and code not in (530, 534, 535):
        return failed(EmailRefused, f"{code} {said}", status=code, final=True)
    return failed(EmailFailed, f"{code} {said}", status=code)


def _invalid(text: str) -> ChannelUrlInvalid:
    return ChannelUrlInvalid(text, errors={"url": text})
