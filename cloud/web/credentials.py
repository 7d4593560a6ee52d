"""What a request shows of who sends it: the staff secret of programs, or a session's cookie.

Decides only who it is; what they may do is cloud.people.principals, and on which object the
handler asks `principal.may(action, facility_id)`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Request

from cloud.models import Account, WebSession
from cloud.people import accounts, sessions, staff
from cloud.people.accounts import Standing
from cloud.people.principals import Principal, machine
from cloud.people.sessions import BOOK, DESK, Kind
from cloud.problems import Problem
from cloud.web.context import ApiContext, Site
from cloud.web.limits import READ, WRITE, Rule
from protocol.crypto import sha256


def bearer(request: Request) -> str | None:
    """What follows `Bearer ` in the Authorization header; None without one."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" and shown.strip() else None


_COOKIE_SITES = {BOOK.cookie: Site.BOOK, DESK.cookie: Site.CONSOLE}


def cookie_of(request: Request, kind: Kind) -> str | None:
    """A session's cookie, on the one site that takes it: elsewhere it is worth nothing."""
    if getattr(request.app.state, "site", None) is not _COOKIE_SITES[kind.cookie]:
        return None
    return request.cookies.get(kind.cookie)


def session_of(context: ApiContext, request: Request, kind: Kind) -> WebSession | None:
    """The live session that a request belongs to; notes now and then that it was seen."""
    cookie, now = cookie_of(request, kind), context.service.clock()
    if cookie is None:
        return None
    with context.service.database.read() as session:
        row = sessions.find(session, kind, cookie, now)
    if row is not None and sessions.needs_note(row, now):
        with context.service.database.write() as session:
            sessions.note_seen(session, row, now)
    return row


@dataclass(frozen=True)
class Resident:
    """Somebody signed in on the booking site. `standing`: how well the town knows them now."""

    account_id: str
    name: str
    standing: Standing
    session: WebSession


def maybe_resident(context: ApiContext) -> Callable[[Request], Resident | None]:
    """A dependency: the resident, or None when nobody is signed in."""

    def who(request: Request) -> Resident | None:
        row = session_of(context, request, BOOK)
        if row is None or row.account_id is None:
            return None
        with context.service.database.read() as session:
            account = session.get(Account, row.account_id)
            if account is None:
                return None
            known = accounts.standing(session, account.account_id, context.service.clock())
        return Resident(account.account_id, account.name, known, row)

    return who


def resident(context: ApiContext) -> Callable[[Request], Resident]:
    """A dependency: the resident. Raises Problem NOT_SIGNED_IN."""
    find = maybe_resident(context)

    def who(request: Request) -> Resident:
        found = find(request)
        if found is None:
            raise Problem("NOT_SIGNED_IN")
        return found

    return who


def staff_of(context: ApiContext, request: Request) -> Principal | None:
    """Who of the staff this is, if anybody: by bearer, or by the console's cookie."""
    shown = bearer(request)
    if shown is None:
        row = session_of(context, request, DESK)
        if row is None:
            return None
        with context.service.database.read() as session:
            return staff.principal_of(session, row)
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


def need_in_town(context: ApiContext, action: str) -> Callable[[Request], Principal]:
    """The same for what concerns the town as a whole: a role in one facility is not enough."""
    find = need(context, action)

    def principal(request: Request) -> Principal:
        who = find(request)
        if not who.may(action, None):
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
