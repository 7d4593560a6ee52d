"""Cookies as both sites with sessions set them: host-bound, for HTTP alone, over TLS alone.

`__Host-` makes a browser refuse a cookie that another host set, or that came without TLS
(RFC 6265bis, section 4.1.3); browsers treat *.localhost as secure.
"""

from __future__ import annotations

from typing import Literal

from fastapi import Response

from cloud.people.sessions import Kind

ATTEMPT = "__Host-kannuki-sign-in"


def set_session(response: Response, kind: Kind, value: str) -> None:
    """Signs the browser in."""
    set_cookie(response, kind.cookie, value, kind.lives_s, kind.same_site)


def drop_session(response: Response, kind: Kind) -> None:
    """Has the browser forget it."""
    set_cookie(response, kind.cookie, "", 0, kind.same_site)


def set_cookie(response: Response, name: str, value: str, lives_s: int, same_site: str) -> None:
    """Secure, HttpOnly, of the whole host and of this host only."""
    strictness: Literal["lax", "strict"] = "strict" if same_site == "strict" else "lax"
    response.set_cookie(
        name, value, max_age=lives_s, path="/", secure=True, httponly=True, samesite=strictness
    )
