"""What the handlers of one town work with, and where its sites are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from cloud.booking.payments import Providers, providers
from cloud.people.relying_party import RelyingParty
from cloud.relay import RelayHub
from cloud.service import TownService
from cloud.web.limits import Limiter


class Site(StrEnum):
    """An origin of its own: what runs in one cannot touch what another holds."""

    BOOK = "book"
    KEY = "key"
    CONSOLE = "console"
    MACHINE = "machine"  # any other host: programs, bearer credentials only


@dataclass(frozen=True)
class SiteUrls:
    """Where people find the sites: origins without a slash at the end; '' where there is none."""

    book: str = ""
    key: str = ""
    console: str = ""

    def origin(self, site: Site) -> str:
        """The origin of a site, or ''."""
        return {Site.BOOK: self.book, Site.KEY: self.key, Site.CONSOLE: self.console}.get(site, "")

    def by_host(self) -> dict[str, Site]:
        """{host with port as a browser names it: site}"""
        sites = (Site.BOOK, Site.KEY, Site.CONSOLE)
        return {urlsplit(self.origin(site)).netloc: site for site in sites if self.origin(site)}


@dataclass(frozen=True)
class ApiContext:
    """`poke` wakes the outbox; `staff_secret`, at least 16 bytes, is the machine's.

    `sign_in`: the town at its sign-in providers; None where residents cannot sign in.
    `payments`: the ways to pay.
    """

    service: TownService
    town_name: str
    hub: RelayHub
    poke: Callable[[], None]
    staff_secret: bytes
    limiter: Limiter
    urls: SiteUrls = field(default_factory=SiteUrls)
    sign_in: RelyingParty | None = None
    payments: Providers = field(default_factory=providers)
