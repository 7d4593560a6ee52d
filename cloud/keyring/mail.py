"""Hands letters to a mail server, or to a folder where there is none.

Decides what counts as an address, how a letter is encoded, and whether a failure is worth another
try. Knows nothing of keys. Never logs a letter or an address: both are personal, and a letter may
hold a link. A line break in an address or subject reaches no header.
"""

from __future__ import annotations

import os
import re
import smtplib
import ssl
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Literal, Protocol

from kannuki.errors import InputError

TIMEOUT_S = 20.0
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z"
)
Security = Literal["tls", "starttls", "none"]


class MailRefused(Exception):
    """This letter will not be taken however often it is sent: no such address."""


class MailFailed(Exception):
    """It did not go out now; later it may."""


@dataclass(frozen=True)
class Letter:
    """What is sent to one person. mail_id: ASCII letters and digits, new for each sending."""

    mail_id: str
    to: str
    subject: str = field(repr=False)
    text: str = field(repr=False)
    sent_at: int


class Mailer(Protocol):
    """Takes a letter for good, or raises MailRefused or MailFailed."""

    def send(self, letter: Letter) -> None: ...

    def sent_by(self, sender: str) -> Mailer:
        """The same way out with another sender."""
        ...


def is_address(text: str) -> bool:
    """Whether mail can be sent there: plain ASCII, one address, no name beside it."""
    return len(text) <= 200 and _ADDRESS.match(text) is not None


@dataclass(frozen=True)
class SmtpMailer:
    """One connection a letter; the password came from a file."""

    host: str
    port: int
    sender: str
    security: Security = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = TIMEOUT_S

    def sent_by(self, sender: str) -> SmtpMailer:
        """The same with another sender."""
        return replace(self, sender=sender)

    def send(self, letter: Letter) -> None:
        """Raises MailRefused, MailFailed."""
        message = compose(letter, self.sender)
        try:
            with self._connect() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(message, from_addr=self.sender, to_addrs=[letter.to])
        except smtplib.SMTPRecipientsRefused as error:
            code = error.recipients.get(letter.to, (450, b""))[0]
            raise (MailRefused if code >= 500 else MailFailed)(f"the server says {code}") from None
        except smtplib.SMTPResponseException as error:
            raise MailFailed(f"the server says {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise MailFailed(type(error).__name__) from None

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        if self.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server


@dataclass(frozen=True)
class SpoolMailer:
    """Lays letters into a folder (0700), one file each (0600), for demos and tests."""

    folder: Path
    sender: str

    def sent_by(self, sender: str) -> SpoolMailer:
        """The same with another sender."""
        return replace(self, sender=sender)

    def send(self, letter: Letter) -> None:
        """Raises MailFailed."""
        raw = compose(letter, self.sender).as_bytes()
        path = self.folder / f"{letter.sent_at}-{letter.mail_id}.eml"
        temporary = path.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            raise MailFailed(type(error).__name__) from None


def compose(letter: Letter, sender: str) -> EmailMessage:
    """The message as it goes over the wire. Raises MailRefused for an address that is none."""
    if not is_address(letter.to):
        raise MailRefused("not an address")
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = format_datetime(datetime.fromtimestamp(letter.sent_at, UTC))
    message["Message-ID"] = f"<{letter.mail_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: holidays do not answer
    message.set_content(letter.text, charset="utf-8", cte="base64")
    return message


def smtp_mailer(
    server: str, sender: str, security: Security, user: str, password: str
) -> SmtpMailer:
    """A mailer for `host:port`. Raises InputError."""
    host, colon, port = server.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"'{server}' is not host:port", "for example --smtp-server mail:587")
    if not is_address(sender):
        raise InputError(f"'{sender}' is no mail address", "for example --mail-from keys@town.jp")
    return SmtpMailer(host, int(port), sender, security, user, password)
