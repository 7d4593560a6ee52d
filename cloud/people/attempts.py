"""One attempt to sign in at a provider, bound to the browser that began it. Pure.

Everything secret of an attempt (state, nonce, PKCE verifier) is derived from a random value that
only the browser holds, in a cookie, and from the attempt's number. So the database keeps nothing
that could finish somebody's sign-in, an attempt finishes only in the browser that began it (no
login CSRF), and two tabs, or a button pressed twice, do not disturb each other.

Decides the derivation and where a browser may be sent afterwards; not who is signed in.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from kannuki.messages import to_base64url

RandomBytes = Callable[[int], bytes]
LIVES_S = 600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_NUMBER_CHARS = 22
_PATH = re.compile(r"/(?![/\\])[\x21\x23-\x5b\x5d-\x7e]{0,500}")


@dataclass(frozen=True)
class Attempt:
    """`browser`: the cookie's value; `number`: 22 characters, in the open within `state`."""

    browser: str
    number: str

    @property
    def state(self) -> str:
        """65 characters: the number and a MAC over it that only this browser's cookie explains."""
        return self.number + self._derive("state")

    @property
    def nonce(self) -> str:
        """Binds the ID token to this attempt."""
        return self._derive("nonce")

    @property
    def verifier(self) -> str:
        """RFC 7636: 43 characters."""
        return self._derive("verifier")

    @property
    def challenge(self) -> str:
        """RFC 7636, S256."""
        return to_base64url(hashlib.sha256(self.verifier.encode()).digest())

    def row_ids(self) -> tuple[bytes, bytes]:
        """What the database may know: SHA-256 of the number, and of the browser's value."""
        return sha(self.number), sha(self.browser)

    def _derive(self, what: str) -> str:
        message = f"kannuki sign-in {what} {self.number}".encode()
        return to_base64url(hmac.digest(self.browser.encode(), message, "sha256"))


def begin(browser: str | None, random_bytes: RandomBytes) -> Attempt:
    """A new attempt; a browser that has a cookie of this form keeps it."""
    if browser is None or not _SECRET.fullmatch(browser):
        browser = to_base64url(random_bytes(32))
    return Attempt(browser, to_base64url(random_bytes(16)))


def resume(browser: str | None, state: str) -> Attempt | None:
    """The attempt that `state` belongs to, or None when this browser did not begin it."""
    if browser is None or not _SECRET.fullmatch(browser) or not state.isascii():
        return None
    attempt = Attempt(browser, state[:_NUMBER_CHARS])
    return attempt if hmac.compare_digest(attempt.state, state) else None


def safe_path(wanted: str | None) -> str:
    """Where to go afterwards: a path of this very site, else its first page."""
    return wanted if wanted and _PATH.fullmatch(wanted) else "/"


def sha(text: str) -> bytes:
    """SHA-256 of a secret's text: all that the database may hold of it."""
    return hashlib.sha256(text.encode()).digest()
