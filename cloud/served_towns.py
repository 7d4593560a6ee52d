"""What is told of each town that one process serves: on the command line, or in a file for more.

Decides which settings a town needs and refuses what does not fit together: two sites with one host,
sign-in without a booking site. Opens no socket. Paths in a file are relative to that file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cloud.booking.payment_file import open_providers
from cloud.booking.payments import Providers
from cloud.keyring.mail import Mailer, is_address
from cloud.people.relying_party import RelyingParty, open_relying_party
from cloud.service import TownService, open_service
from cloud.web.context import SiteUrls
from kannuki.broker_access import open_access
from kannuki.broker_options import Access, access_of
from kannuki.errors import InputError
from kannuki.messages import identity
from kannuki.mqtt import LinkSettings
from kannuki.settings import read_secret_file

MIN_STAFF_SECRET_BYTES = 16
BROKER_NAME = "cloud"
# Long enough for a restart. Gateways repeat their events until these are acknowledged, and a broker
# keeps every repetition for us as long as it keeps our session.
SESSION_EXPIRY_S = 300


@dataclass(frozen=True)
class ServedTown:
    """A town with all that serving it needs. `broker`: host, or host:port."""

    service: TownService
    name: str
    broker: str
    staff_secret: bytes
    urls: SiteUrls
    payments: Providers
    providers: Path | None = None
    sign_in_key: Path | None = None
    mailer: Mailer | None = None
    access: Access = Access()

    def open_sign_in(self) -> RelyingParty | None:
        """The town at its sign-in providers; None where residents cannot sign in."""
        if self.providers is None:
            return None
        if not self.urls.book:
            raise InputError("--providers needs a booking site", "name its origin with --book-url")
        if self.sign_in_key is None:
            remedy = "make it: kannuki cloud sign-in-key"
            raise InputError("--providers needs --sign-in-key", remedy)
        service = self.service
        return open_relying_party(
            service.town,
            self.urls.book,
            self.providers,
            self.sign_in_key,
            service.clock,
            service.random_bytes,
        )


class FurtherTown(BaseModel):
    """A table of the file for --more-towns; what is left out is as with the first town, or none."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    keys_dir: Path
    vault_socket: Path | None = None
    staff_secret_file: Path
    key_page_url: str = Field(min_length=1)
    book_url: str = ""
    console_url: str = ""
    broker: str = ""
    broker_ca: Path | None = None
    broker_cert: Path | None = None
    broker_key: Path | None = None
    broker_crl: Path | None = None
    broker_plain: bool = False
    providers: Path | None = None
    sign_in_key: Path | None = None
    payments_file: Path | None = None
    mail_from: str = ""


_Towns = TypeAdapter(dict[str, FurtherTown])


def read_further_towns(path: Path | None, first: ServedTown) -> list[ServedTown]:
    """The towns of a file, in its order. Raises InputError."""
    if path is None:
        return []
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        told = _Towns.validate_python(tables)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {type(error).__name__}", "check the path") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}", "correct that line") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(
            f"{path}: '{where}' {error.errors()[0]['msg']}", "see docs/howto/run-a-town.md"
        ) from None
    return [_open(town, settings, first, path.parent) for town, settings in told.items()]


def _open(town: str, told: FurtherTown, first: ServedTown, folder: Path) -> ServedTown:
    whole = first.service.database.whole
    if town not in whole.towns():
        raise InputError(
            f"the database has no town '{town}'", f"add it: kannuki cloud add-town {town}"
        )
    opened = open_service(
        town,
        whole.of(town),
        folder / told.keys_dir,
        first.service.clock,
        told.key_page_url,
        _in(folder, told.vault_socket),
    )
    mailer = _mailer(first.mailer, told.mail_from)
    return ServedTown(
        service=replace(
            opened,
            time_error_s=first.service.time_error_s,
            sends_mail=mailer is not None,
            mail_pins=first.service.mail_pins,
        ),
        name=told.name or whole.towns()[town] or town,
        broker=told.broker or first.broker,
        staff_secret=read_staff_secret(folder / told.staff_secret_file),
        urls=site_urls(told.book_url, told.key_page_url, told.console_url),
        payments=open_providers(_in(folder, told.payments_file)),
        providers=_in(folder, told.providers),
        sign_in_key=_in(folder, told.sign_in_key),
        mailer=mailer,
        access=_access(town, told, first.access, folder),
    )


def _access(town: str, told: FurtherTown, first: Access, folder: Path) -> Access:
    """A town's own certificate: another town's says another name, and opens another listener."""
    paths = (told.broker_ca, told.broker_cert, told.broker_key, told.broker_crl)
    access = access_of(*(_in(folder, path) for path in paths), told.broker_plain)
    if access == Access() and first.plain_allowed:
        return first
    if first.files is not None and access == Access():
        raise InputError(
            f"{town} has no certificate for its broker",
            "name its broker_ca, broker_cert and broker_key (see docs/howto/run-a-broker.md)",
        )
    return access


def _in(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path


def _mailer(first: Mailer | None, sender: str) -> Mailer | None:
    """The first town's way out, with this town's own sender."""
    if first is None or not sender:
        return first
    if not is_address(sender):
        raise InputError(f"'{sender}' is no mail address", "for example keys@town.example")
    return first.sent_by(sender)


def read_staff_secret(path: Path) -> bytes:
    """What programs of the town show. Raises InputError."""
    secret = read_secret_file(path).strip()
    if len(secret) < MIN_STAFF_SECRET_BYTES:
        raise InputError(f"{path} is too short", "a staff secret has 16 bytes or more")
    return secret


def link_settings(
    town: str, broker: str, access: Access, wall: Callable[[], float]
) -> LinkSettings:
    """How a town's service reaches its broker. `wall`: this computer's clock. Raises InputError."""
    host, port = _host_and_port(broker, access.default_port)
    tls = open_access(access, host, identity(town, BROKER_NAME), wall, numbered=True)
    certified = tls.current if tls is not None else None
    return LinkSettings(
        host,
        port,
        client_id=certified.identity if certified is not None else f"kannuki-cloud-{town}",
        tls=tls,
        session_expiry_s=SESSION_EXPIRY_S,
    )


def _host_and_port(broker: str, default_port: int) -> tuple[str, int]:
    host, colon, port = broker.rpartition(":")
    if not colon or broker.endswith("]"):
        host, port = broker, str(default_port)
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(f"'{broker}' is not host:port", "for example --broker 127.0.0.1:1883")
    return host.strip("[]"), int(port)


def site_urls(book: str, key_page: str, console: str) -> SiteUrls:
    """Origins of the sites; the key page is one only where it is the root of its own host."""
    key = key_page.rstrip("/")
    urls = SiteUrls(book.rstrip("/"), key if not urlsplit(key).path else "", console.rstrip("/"))
    for url in (urls.book, urls.key, urls.console):
        parts = urlsplit(url)
        if url and (parts.path or parts.query or parts.scheme not in ("http", "https")):
            raise InputError(f"'{url}' is not an origin", "for example https://book.town.example")
    return urls


def check_hosts(towns: Iterable[ServedTown]) -> None:
    """Every site of every town has a host of its own. Raises InputError."""
    seen: set[str] = set()
    for town in towns:
        told = [url for url in (town.urls.book, town.urls.key, town.urls.console) if url]
        hosts = {urlsplit(url).netloc for url in told}
        if len(hosts) != len(told) or hosts & seen:
            raise InputError("two sites have one host", "give each site of each town its own")
        seen |= hosts
