"""Options of `kannuki cloud serve` that say how letters go out: by a mail server, or into a folder.

Decides that a town without either sends none. The password comes from a file alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cloud.cli_options import FILE, FOLDER
from cloud.keyring.mail import Mailer, Security, SpoolMailer, is_address, smtp_mailer
from kannuki.errors import InputError
from kannuki.settings import read_secret_file

_OPTIONS = (
    click.option("--smtp-server", default="", help="Mail server for key links, host:port."),
    click.option(
        "--smtp-security",
        type=click.Choice(["tls", "starttls", "none"]),
        default="starttls",
        show_default=True,
        help="How the connection to it is protected.",
    ),
    click.option("--smtp-user", default="", help="Name to sign in with there; needs a password."),
    click.option("--smtp-password-file", type=FILE, help="The password (0600)."),
    click.option("--mail-from", default="", help="Sender of the letters."),
    click.option(
        "--mail-spool", type=FOLDER, help="Lay letters into this folder instead (for demos)."
    ),
    click.option(
        "--mail-pins/--no-mail-pins",
        default=False,
        show_default=True,
        help="Whether a letter names the number for the keypad.",
    ),
)


def mail_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command these options and calls it with `mailer` (or None) and `mail_pins`."""

    @functools.wraps(command)
    def opened(
        *args: Any,
        smtp_server: str,
        smtp_security: Security,
        smtp_user: str,
        smtp_password_file: Path | None,
        mail_from: str,
        mail_spool: Path | None,
        **kwargs: Any,
    ) -> Any:
        password = _password(smtp_user, smtp_password_file)
        mailer = _mailer(smtp_server, smtp_security, smtp_user, password, mail_from, mail_spool)
        return command(*args, mailer=mailer, **kwargs)

    for option in reversed(_OPTIONS):
        opened = option(opened)
    return opened


def _password(user: str, path: Path | None) -> str:
    if not user:
        return ""
    if path is None:
        raise InputError("--smtp-user needs a password", "name its file: --smtp-password-file")
    try:
        return read_secret_file(path).decode().strip()
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text", "keep the password in it, in UTF-8") from None


def _mailer(
    server: str, security: Security, user: str, password: str, sender: str, spool: Path | None
) -> Mailer | None:
    if server and spool is not None:
        raise InputError("letters go one way", "name --smtp-server or --mail-spool, not both")
    if spool is not None:
        if sender and not is_address(sender):
            raise InputError(f"'{sender}' is no mail address", "for example keys@town.example")
        return SpoolMailer(spool, sender or "keys@localhost")
    return smtp_mailer(server, sender, security, user, password) if server else None
