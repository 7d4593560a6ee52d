"""What a request shows of who sends it: the staff secret of programs, or a session's cookie.

Decides only who it is; what they may do is cloud.people.principals, and on which object the
handler asks `principal.may(action, facility_id)`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from fastapi import Request

from cloud.people.principals import Principal, machine
from cloud.problems import Problem
from cloud.web.context import ApiContext
from cloud.web.limits import READ, WRITE, Rule
from protocol.crypto import sha256


def bearer(request: Request) -> str | None:
    """What follows `Bearer ` in the Authorization header; None without one."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" and shown.strip() else None


def staff_of(context: ApiContext, request: Request) -> Principal | None:
    """Who of the staff this is, if anybody."""
    shown = bearer(request)
    if shown is None:
        return None
    expected = sha256(context.staff_secret)
    given = sha256(shown.encode(errors="replace"))
    return machine(context.service.town) if hmac.compare_digest(given, expected) else None


def need(context: ApiContext, action: str) -> Callable[[Request], Principal]:
    """A dependency: the member of staff, who may do `action` somewhere in the town.

    Raises Problem NOT_STAFF or FORBIDDEN. On an object, ask again with its facility.
    """

    def principal(request: Request) -> Principal:
        who = staff_of(context, request)
        if who is None:
            raise Problem("NOT_STAFF")
        if not who.may_somewhere(action):
            raise Problem("FORBIDDEN")
        return who

    return principal


def limited(context: ApiContext, rule: Rule | None = None) -> Callable[[Request], None]:
    """A dependency that counts requests of one address: by default reads and changes apart."""

    def count(request: Request) -> None:
        usual = READ if request.method in ("GET", "HEAD") else WRITE
        context.limiter.take(rule or usual, f"{context.service.town} {client_of(request)}")

    return count


def client_of(request: Request) -> str:
    """The address of whoever asks, for rate limits."""
    return request.client.host if request.client else "?"
