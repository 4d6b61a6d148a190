"""Send one e-mail through a server an admin has set up.

The name is resolved once, and the connection goes to an address that was looked at (targets.py); TLS
still verifies the name.
"""

import smtplib
import ssl
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from typing import Any

from app.notifications.errors import EmailFailed, EmailRefused, TargetForbidden, TargetUnresolved
from app.notifications.sending.mail_servers import Encryption, Server
from app.notifications.sending.result import Result, done, failed
from app.notifications.sending.targets import resolve

TIMEOUT_SECONDS = 20.0
_SENT = _OK = 250


@dataclass(frozen=True, slots=True)
class Letter:
    """What one person gets. `message_id` is the same in every attempt; `html` says the same as `text`."""

    to: str
    subject: str
    text: str
    message_id: str
    at: datetime
    html: str = ""


class Connection:
    """A way to mail servers: letters to the same one share a connection as long as it holds."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
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
        except TargetForbidden as error:
            return failed(TargetForbidden, error.detail, final=True)
        except TargetUnresolved as error:
            return failed(TargetUnresolved, error.detail)
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
            self._smtp, self._server = _connected(server, self._allow_private), server
        return self._smtp


def send(server: Server, letter: Letter, *, allow_private: bool) -> Result:
    """One attempt for one receiver, with a connection of its own."""
    connection = Connection(allow_private=allow_private)
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


class _Checked(smtplib.SMTP):
    """Connects to checked addresses only; what it verifies under TLS is still the name."""

    def __init__(self, server: Server, *, allow_private: bool, **tls: Any) -> None:
        self._allow_private = allow_private
        super().__init__(server.host, server.port, timeout=TIMEOUT_SECONDS, **tls)

    def connect(
        self, host: str = "localhost", port: int = 0, source_address: Any = None
    ) -> tuple[int, bytes]:
        """Called with the name; goes to the first of its addresses that answers."""
        last: OSError = ConnectionError(f"no address of {host}")
        for address in resolve(host, port, allow_private=self._allow_private):
            try:
                return super().connect(address, port, source_address)
            except OSError as error:
                last = error
        raise last


class _CheckedTls(_Checked, smtplib.SMTP_SSL):
    """The same with TLS from the start."""


def _connected(server: Server, allow_private: bool) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if server.encryption is Encryption.TLS:
        connection: smtplib.SMTP = _CheckedTls(server, allow_private=allow_private, context=context)
    else:
        connection = _Checked(server, allow_private=allow_private)
    try:
        if server.encryption is Encryption.STARTTLS:
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
