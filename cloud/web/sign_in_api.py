"""Signing in on the booking site, and what a resident sees and changes of their own account.

Browsers are sent here and come back (GET, answered by redirects):

    GET  /v1/sign-in/{provider}?to=/path   303 to the provider
    GET  /v1/sign-in/callback              303 to the path, signed in; else to
                                           /sign-in?problem=CODE&to=/path, where CODE has a text
                                           (SIGN_IN_DENIED, SIGN_IN_FAILED, SIGN_IN_EXPIRED,
                                           PROVIDER_UNREACHABLE, LINKED_ELSEWHERE, TOO_MANY, ...)

Pages call (JSON):

    GET  /v1/sign-in/providers   {"providers": [{"id", "name": {ja, ja-simple, en}, "level",
                                 "asks": ["name", "address", ...], "fact_days"}],
                                 "consent_version"}; texts sign-in.asks, sign-in.asks.{name},
                                 sign-in.keeps are shown beside each button: pressing is consent
    GET  /v1/sign-in/jwks.json   our public keys, to register at a provider
    GET  /v1/me                  {"account_id", "name", "name_is_verified", "level", "resident",
                                 "adult", "verified": [{"provider", "name", "level", "resident",
                                 "adult", "verified_at", "expires_at", "expired"}], "links":
                                 [{"provider", "name", "linked_at", "last_used_at"}],
                                 "consent_version", "signed_in_at"}; 401 NOT_SIGNED_IN
    POST /v1/me/name             {"name"}: one's own word, while no provider told one -> as /v1/me
    POST /v1/me/links/{provider} {"to"} -> {"location"}: go there to add a way in
    DELETE /v1/me/links/{provider}
    GET  /v1/me/sessions         [{"session_id", "device", "started_at", "seen_at", "current"}]
    DELETE /v1/me/sessions/{session_id}
    POST /v1/me/delete           {"confirm": true}: the account; bookings stay without a name
    POST /v1/sign-out            {"everywhere": bool} (the body may be left out)

level: none, aal1, aal2, aal3; resident, adult: true, false, or null when nobody vouched.
Decides cookies, redirects and what an attempt needs; who somebody is decides cloud.people.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi import Request as HttpRequest
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse

from cloud.people import accounts, attempts, forgetting, sessions
from cloud.people.attempts import Attempt
from cloud.people.providers import NO_PROVIDERS, ProviderTable
from cloud.people.relying_party import RelyingParty, Verified
from cloud.people.sessions import BOOK, Owner
from cloud.problems import Problem
from cloud.web import cookies
from cloud.web.api_models import Request
from cloud.web.context import ApiContext
from cloud.web.credentials import Resident, cookie_of, limited, resident
from cloud.web.limits import SIGN_IN

_PROVIDER = Path(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
_TO = Query(default="/", max_length=2000)
_Answer = Annotated[str | None, Query(max_length=4000)]
FRESH_S = 900  # a change of who may sign in wants somebody who was here a moment ago
_REDIRECT: dict[int | str, dict[str, Any]] = {303: {"description": "Go on in the browser."}}


class OwnName(Request):
    """What somebody wants to be called."""

    name: str = Field(min_length=1, max_length=100)


class LinkStart(Request):
    """Where to go when the other way in was added: a path of this site."""

    to: str = Field(default="/", max_length=500)


class SignOut(Request):
    """everywhere: on every device."""

    everywhere: bool = False


class DeleteAccount(Request):
    """Said twice, for it cannot be taken back."""

    confirm: Literal[True]


def sign_in_routes(context: ApiContext) -> APIRouter:
    """Routes under /v1/sign-in, /v1/sign-out and /v1/me."""
    router = APIRouter()
    _told(router, context)
    _came_back(router, context)
    _begun(router, context)  # its path takes any name that is left
    _own_account(router, context)
    _own_links(router, context)
    _own_sessions(router, context)
    return router


def _table(context: ApiContext) -> ProviderTable:
    return context.sign_in.table if context.sign_in else NO_PROVIDERS


def _party(context: ApiContext) -> RelyingParty:
    if context.sign_in is None:
        raise Problem("UNKNOWN_PROVIDER")
    return context.sign_in


def _told(router: APIRouter, context: ApiContext) -> None:
    reading = [Depends(limited(context))]

    @router.get("/v1/sign-in/providers", dependencies=reading)
    def list_providers() -> dict[str, Any]:
        """Ways to sign in, what each tells us, and the version of what people agree to."""
        rows = [
            {
                "id": row.id,
                "name": row.name.all(),
                "level": row.best_level,
                "asks": [scope for scope in row.scopes if scope != "openid"],
                "fact_days": row.fact_days,
            }
            for row in _table(context).provider
        ]
        return {"providers": rows, "consent_version": accounts.CONSENT_VERSION}

    @router.get("/v1/sign-in/jwks.json", dependencies=reading)
    def show_keys() -> dict[str, Any]:
        """The public keys that providers know us by (RFC 7517)."""
        return context.sign_in.keys.jwks() if context.sign_in else {"keys": []}


def _begun(router: APIRouter, context: ApiContext) -> None:
    count = limited(context, SIGN_IN)  # within: a browser is told on a page, too

    @router.get(
        "/v1/sign-in/{provider}",
        status_code=303,
        response_class=Response,
        responses=_REDIRECT,
    )
    async def begin(request: HttpRequest, provider: str = _PROVIDER, to: str = _TO) -> Response:
        """Send the browser to the provider."""
        to = attempts.safe_path(to)
        try:
            count(request)
            url, attempt = await _start(context, request, provider, to, None)
        except Problem as problem:
            return _to_page(problem, to)
        return _with_attempt(RedirectResponse(url, 303), attempt)


async def _start(
    context: ApiContext, request: HttpRequest, provider: str, to: str, link_to: str | None
) -> tuple[str, Attempt]:
    service, party = context.service, _party(context)
    attempt = attempts.begin(request.cookies.get(cookies.ATTEMPT), service.random_bytes)
    url = await party.begin(provider, attempt)

    def keep() -> None:
        with service.database.write() as session:
            accounts.begin(session, attempt, provider, to, link_to, service.clock())

    await run_in_threadpool(keep)
    return url, attempt


def _with_attempt(response: Response, attempt: Attempt) -> Response:
    cookies.set_cookie(response, cookies.ATTEMPT, attempt.browser, attempts.LIVES_S, "lax")
    return response


def _to_page(problem: Problem, to: str) -> Response:
    """A person in a browser is told on a page, not in JSON."""
    return RedirectResponse(f"/sign-in?problem={problem.code}&to={quote(to, safe='/')}", 303)


def _came_back(router: APIRouter, context: ApiContext) -> None:
    count = limited(context, SIGN_IN)

    async def finish(
        request: HttpRequest,
        own: str | None,
        state: str | None,
        code: str | None,
        iss: str | None,
        error: str | None,
    ) -> Response:
        to = "/"
        try:
            count(request)
            party = _party(context)
            attempt = attempts.resume(request.cookies.get(cookies.ATTEMPT), state or "")
            taken = await run_in_threadpool(_take, context, attempt)
            if attempt is None or taken is None:
                raise Problem("SIGN_IN_EXPIRED")
            provider, to, link_to = taken
            if (own is None) is not party.provider(provider).response_iss or own not in (
                None,
                provider,
            ):
                raise Problem("SIGN_IN_FAILED")
            verified = await party.finish(provider, attempt, code, iss, error)
            return await run_in_threadpool(_signed_in, context, request, verified, link_to, to)
        except Problem as problem:
            return _to_page(problem, to)

    options: dict[str, Any] = {
        "status_code": 303,
        "response_class": Response,
        "responses": _REDIRECT,
    }

    @router.get("/v1/sign-in/callback", **options)
    async def callback(
        request: HttpRequest,
        state: _Answer = None,
        code: _Answer = None,
        iss: _Answer = None,
        error: _Answer = None,
    ) -> Response:
        """Back from a provider that names itself in its answer."""
        return await finish(request, None, state, code, iss, error)

    @router.get("/v1/sign-in/callback/{provider}", **options)
    async def own_callback(
        request: HttpRequest,
        provider: str = _PROVIDER,
        state: _Answer = None,
        code: _Answer = None,
        iss: _Answer = None,
        error: _Answer = None,
    ) -> Response:
        """Back from a provider that does not: its callback is its own."""
        return await finish(request, provider, state, code, iss, error)


def _take(context: ApiContext, attempt: Attempt | None) -> tuple[str, str, str | None] | None:
    if attempt is None:
        return None
    with context.service.database.write() as session:
        row = accounts.take(session, attempt, context.service.clock())
        return (row.provider, row.return_to, row.link_to) if row else None


def _signed_in(
    context: ApiContext, request: HttpRequest, verified: Verified, link_to: str | None, to: str
) -> Response:
    service, now = context.service, context.service.clock()
    brought = cookie_of(request, BOOK)
    with service.database.write() as session:
        if link_to is None:
            account = accounts.sign_in(session, verified, service.random_bytes, now)
        else:
            row = sessions.find(session, BOOK, brought, now)
            if row is None or row.account_id != link_to:
                raise Problem("SIGN_IN_EXPIRED")
            account = accounts.add_link(session, link_to, verified, now)
        device = sessions.device_of(request.headers.get("user-agent", ""))
        owner = Owner(account_id=account.account_id)
        cookie = sessions.start(session, owner, device, brought, service.random_bytes, now)
    response = RedirectResponse(to, 303)
    cookies.set_session(response, BOOK, cookie)
    return response


def _own_account(router: APIRouter, context: ApiContext) -> None:
    service, counted = context.service, [Depends(limited(context))]
    signed_in = Depends(resident(context))

    def shown(session: Session, who: Resident) -> dict[str, Any]:
        return accounts.me(session, who.session, _table(context), service.clock())

    @router.get("/v1/me", dependencies=counted)
    def me(who: Resident = signed_in) -> dict[str, Any]:
        """One's own account."""
        with service.database.read() as session:
            return shown(session, who)

    @router.post("/v1/me/name", dependencies=counted)
    def rename(asked: OwnName, who: Resident = signed_in) -> dict[str, Any]:
        """What to be called, while no provider has said so."""
        with service.database.write() as session:
            accounts.rename(session, who.account_id, asked.name)
            return shown(session, who)

    @router.post("/v1/me/delete", status_code=204, dependencies=counted)
    def delete(_asked: DeleteAccount, who: Resident = signed_in) -> Response:
        """Delete the account and all that is known of its owner."""
        _fresh(who.session.started_at, service.clock())
        with service.database.write() as session:
            accounts.delete_account(session, who.account_id, forgetting.HOOKS, service.clock())
        response = Response(status_code=204)
        cookies.drop_session(response, BOOK)
        return response


def _fresh(started_at: int, now: int) -> None:
    if now - started_at > FRESH_S:
        raise Problem("SIGN_IN_AGAIN")


def _own_links(router: APIRouter, context: ApiContext) -> None:
    service, counted = context.service, [Depends(limited(context, SIGN_IN))]
    signed_in = Depends(resident(context))

    @router.post("/v1/me/links/{provider}", dependencies=counted)
    async def begin_link(
        request: HttpRequest,
        response: Response,
        asked: LinkStart,
        provider: str = _PROVIDER,
        who: Resident = signed_in,
    ) -> dict[str, str]:
        """Begin to add a way in; the page then goes to `location`."""
        _fresh(who.session.started_at, service.clock())
        to = attempts.safe_path(asked.to)
        url, attempt = await _start(context, request, provider, to, who.account_id)
        _with_attempt(response, attempt)
        return {"location": url}

    @router.delete("/v1/me/links/{provider}", status_code=204, dependencies=counted)
    def unlink(provider: str = _PROVIDER, who: Resident = signed_in) -> Response:
        """Take a way in off, and what was known through it; the last one stays."""
        _fresh(who.session.started_at, service.clock())
        with service.database.write() as session:
            accounts.unlink(session, who.account_id, provider)
        return Response(status_code=204)


def _own_sessions(router: APIRouter, context: ApiContext) -> None:
    service, counted = context.service, [Depends(limited(context))]
    signed_in = Depends(resident(context))

    @router.get("/v1/me/sessions", dependencies=counted)
    def list_sessions(who: Resident = signed_in) -> list[dict[str, Any]]:
        """Where somebody is signed in."""
        owner = Owner(account_id=who.account_id)
        with service.database.read() as session:
            return sessions.lines(session, owner, who.session, service.clock())

    @router.delete("/v1/me/sessions/{session_id}", status_code=204, dependencies=counted)
    def end_one(
        session_id: str = Path(pattern=r"^[0-9a-f]{24}$"),
        who: Resident = signed_in,
    ) -> Response:
        """Sign one device out."""
        with service.database.write() as session:
            if not sessions.end_one(session, Owner(account_id=who.account_id), session_id):
                raise Problem("UNKNOWN_SESSION")
        return Response(status_code=204)

    @router.post("/v1/sign-out", status_code=204, dependencies=counted)
    def sign_out(request: HttpRequest, asked: SignOut | None = None) -> Response:
        """Sign this device out, or every one; asking twice does no harm."""
        cookie, now = cookie_of(request, BOOK), service.clock()
        with service.database.write() as session:
            row = sessions.find(session, BOOK, cookie, now)
            if row is not None and asked is not None and asked.everywhere:
                sessions.end_all(session, Owner(account_id=row.account_id))
            elif cookie is not None:
                sessions.end(session, cookie)
        response = Response(status_code=204)
        cookies.drop_session(response, BOOK)
        return response
