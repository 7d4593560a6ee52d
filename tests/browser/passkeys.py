"""A virtual authenticator in the browser: passkeys without a finger (WebAuthn domain of CDP).

Decides how the authenticator answers; the ceremony itself is the page's and the town's.
"""

from __future__ import annotations

from typing import Any

from playwright.async_api import CDPSession, Page

PLATFORM = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


class Authenticator:
    """One authenticator of one page. Make it by `authenticator_of`."""

    def __init__(self, session: CDPSession, identifier: str) -> None:
        self._session = session
        self._id = {"authenticatorId": identifier}

    async def credentials(self) -> list[dict[str, Any]]:
        """What it holds; `signCount` tells how often each was used."""
        answer = await self._session.send("WebAuthn.getCredentials", self._id)
        found: list[dict[str, Any]] = answer["credentials"]
        return found

    async def copy_to(self, other: Authenticator) -> None:
        """The same passkeys on another page, as if a provider had synchronised them."""
        for credential in await self.credentials():
            copied = {**other._id, "credential": credential}
            await other._session.send("WebAuthn.addCredential", copied)

    async def verifies(self, verified: bool) -> None:
        """Whether the person passes the fingerprint or PIN check from now on."""
        asked = {**self._id, "isUserVerified": verified}
        await self._session.send("WebAuthn.setUserVerified", asked)

    async def forget(self) -> None:
        """The device is lost: every passkey is gone."""
        await self._session.send("WebAuthn.clearCredentials", self._id)


async def authenticator_of(page: Page, **options: Any) -> Authenticator:
    """Plug a new authenticator into `page`; it lives until the page is closed."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable", {"enableUI": False})
    asked = {"options": {**PLATFORM, **options}}
    answer = await session.send("WebAuthn.addVirtualAuthenticator", asked)
    return Authenticator(session, answer["authenticatorId"])
