"""A town as the relying party of its providers: from "sign me in" to "this is who it is".

Puts together what `oidc` decides and `provider_http` fetches. Keeps no state of an attempt (the
caller does) and knows no database. What leaves `finish` is a keyed hash of the person's name at the
provider, what to call the person, and a dated fact; the claims themselves are dropped here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cloud.calendar import TOWN_ZONE
from cloud.people import claims, oidc
from cloud.people.attempts import Attempt, RandomBytes
from cloud.people.claims import Fact
from cloud.people.oidc import Untrusted
from cloud.people.provider_http import ProviderHttp, Unreachable
from cloud.people.providers import Provider, ProviderTable, read_providers
from cloud.people.sign_in_keys import SignInKeys, open_keys
from cloud.problems import Problem

log = logging.getLogger(__name__)
CALLBACK = "/v1/sign-in/callback"


@dataclass(frozen=True)
class Verified:
    """Somebody, as a provider vouches for them."""

    subject_hash: bytes
    name: str
    fact: Fact


@dataclass(frozen=True)
class RelyingParty:
    """origin: of the booking site, such as https://book.example; without a slash at its end."""

    town: str
    origin: str
    table: ProviderTable
    keys: SignInKeys
    http: ProviderHttp
    clock: Callable[[], int]
    random_bytes: RandomBytes

    def redirect_uri(self, provider: Provider) -> str:
        """Where the provider sends the browser back: see Provider.response_iss."""
        own = "" if provider.response_iss else f"/{provider.id}"
        return f"{self.origin}{CALLBACK}{own}"

    def provider(self, provider_id: str) -> Provider:
        """Raises Problem UNKNOWN_PROVIDER."""
        row = self.table.find(provider_id)
        if row is None:
            raise Problem("UNKNOWN_PROVIDER")
        return row

    async def begin(self, provider_id: str, attempt: Attempt) -> str:
        """Where the browser goes to sign in."""
        row = self.provider(provider_id)
        try:
            complete = await self.http.complete(row)
        except (Unreachable, Untrusted) as error:
            raise _told(row, error) from None
        return oidc.authorization_url(complete, attempt, self.redirect_uri(row))

    async def finish(
        self,
        provider_id: str,
        attempt: Attempt,
        code: str | None,
        iss: str | None,
        error: str | None,
    ) -> Verified:
        """Who came back. Raises Problem with words for the person; the log has the reason."""
        row = self.provider(provider_id)
        try:
            complete = await self.http.complete(row)
            oidc.check_response(complete, iss, error)
            if not code:
                raise Untrusted("NO_CODE")
            return await self._exchange(complete, attempt, code)
        except (Unreachable, Untrusted) as problem:
            raise _told(row, problem) from None

    async def _exchange(self, provider: Provider, attempt: Attempt, code: str) -> Verified:
        assertion = ""
        if provider.client_auth == "private_key_jwt":
            assertion = oidc.client_assertion(
                provider, self.keys.current, self.random_bytes, self.clock()
            )
        request = oidc.token_request(
            provider, code, attempt, self.redirect_uri(provider), assertion
        )
        answer = await self.http.exchange(provider, request)
        raw_token = answer["id_token"]
        keys = await self.http.keys(provider, oidc.token_kid(raw_token, provider))
        told = oidc.check_id_token(raw_token, provider, keys, attempt.nonce, self.clock())
        access_token = answer.get("access_token")
        if provider.userinfo_endpoint and isinstance(access_token, str):
            told = {**await self._userinfo(provider, access_token, told["sub"]), **told}
        return self._verified(provider, told)

    async def _userinfo(self, provider: Provider, access_token: str, subject: str) -> dict:
        answer = await self.http.userinfo(provider, access_token)
        kid = oidc.token_kid(answer, provider) if isinstance(answer, str) else ""
        keys = await self.http.keys(provider, kid)
        return oidc.check_userinfo(answer, provider, keys, subject)

    def _verified(self, provider: Provider, told: dict) -> Verified:
        now = self.clock()
        today = datetime.fromtimestamp(now, TOWN_ZONE).date()
        return Verified(
            subject_hash=self.keys.subject_hash(self.town, provider.issuer, told["sub"]),
            name=claims.name_of(told),
            fact=claims.fact_of(provider, told, today, now),
        )


def open_relying_party(
    town: str,
    origin: str,
    providers: Path,
    key_file: Path,
    clock: Callable[[], int],
    random_bytes: RandomBytes,
) -> RelyingParty:
    """The town at the providers of a file, with its key file. Raises InputError."""
    return RelyingParty(
        town=town,
        origin=origin,
        table=read_providers(providers),
        keys=open_keys(key_file),
        http=ProviderHttp(clock),
        clock=clock,
        random_bytes=random_bytes,
    )


def _told(provider: Provider, error: Unreachable | Untrusted) -> Problem:
    reason = error.reason if isinstance(error, Untrusted) else f"unreachable: {error}"
    log.warning("a sign-in at %s failed: %s", provider.id, reason)
    if isinstance(error, Unreachable):
        return Problem("PROVIDER_UNREACHABLE")
    return Problem("SIGN_IN_DENIED" if error.reason == "DENIED" else "SIGN_IN_FAILED")
