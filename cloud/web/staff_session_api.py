"""Staff signing in with passkeys on the console, and managing who works for the town.

The console's pages call (JSON; `options` go into navigator.credentials after
PublicKeyCredential.parse...OptionsFromJSON, `credential` is its answer's toJSON()):

    POST /v1/staff/session/challenge    -> {"options"}
    POST /v1/staff/session/assert       {"credential"} -> as /v1/staff/me, and the cookie
    POST /v1/staff/session/end          {"everywhere": bool} (the body may be left out)
    GET  /v1/staff/session/list         [{"session_id", "device", "started_at", "seen_at",
                                        "current"}]
    POST /v1/staff/passkeys/challenge   {"invite"} or {} when signed in -> {"options", "name"}
    POST /v1/staff/passkeys/register    {"credential", "label", "invite"?} -> as /v1/staff/me;
                                        with an invitation this signs in
    DELETE /v1/staff/passkeys/{passkey_id}
    GET  /v1/staff/me                   {"staff_id", "name", "grants": [{"role", "facility_id"}],
                                        "may": {action: "*" or [facility ids]}, "passkeys":
                                        [{"passkey_id", "label", "backed_up", "created_at",
                                        "last_used_at"}], "signed_in_at"}; 401 NOT_STAFF

Managers (and programs with the staff secret, on the machine site too):

    GET  /v1/staff/people               [{"staff_id", "name", "grants", "suspended", "passkeys": n,
                                        "last_sign_in_at", "invited_until", "created_at"}]
    POST /v1/staff/people               {"name", "grants"} -> {"person", "invite_link",
                                        "invited_until"}; the link is told only now
    POST /v1/staff/people/{id}/invite   {"drop_passkeys": bool} -> the same: for a lost passkey
    POST /v1/staff/people/{id}/grants   {"grants"} -> the person
    POST /v1/staff/people/{id}/suspend  -> the person; /restore takes it back
    GET  /v1/staff/actions              ?before=seq&limit= -> {"actions": [{"seq", "at", "staff_id",
                                        "name", "action", "object_id", "detail", "hash"}], "next"}
    GET  /v1/staff/actions/check        {"ok", "rows", "head", "broken_at"}

An invitation leads to CONSOLE/invite#SECRET. A passkey is added or removed, and people are
managed, within 15 minutes of a sign-in (SIGN_IN_AGAIN). Decides cookies and what a request needs;
the rest is cloud.people.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi import Request as HttpRequest
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from cloud.models import StaffMember, WebSession
from cloud.people import actions, passkeys, sessions, staff
from cloud.people.passkeys import Desk, Refused
from cloud.people.principals import ACTIONS, Grant, Principal
from cloud.people.sessions import DESK, Owner
from cloud.problems import Problem
from cloud.web import cookies
from cloud.web.api_models import Request
from cloud.web.context import ApiContext
from cloud.web.credentials import (
    bearer,
    client_of,
    cookie_of,
    limited,
    need_in_town,
    session_of,
)
from cloud.web.limits import SECRET, SIGN_IN

FRESH_S = 900
_Id = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$")]
_BASE64URL = r"^[A-Za-z0-9_-]*$"
_Invite = Field(default=None, pattern=r"^[A-Za-z0-9_-]{43}$")


class PasskeyResponse(BaseModel):
    """What an authenticator answered, base64url. Browsers add members: those are let by, unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    clientDataJSON: str = Field(max_length=4096, pattern=_BASE64URL)  # noqa: N815
    attestationObject: str | None = Field(default=None, max_length=16384, pattern=_BASE64URL)  # noqa: N815
    authenticatorData: str | None = Field(default=None, max_length=8192, pattern=_BASE64URL)  # noqa: N815
    signature: str | None = Field(default=None, max_length=2048, pattern=_BASE64URL)
    userHandle: str | None = Field(default=None, max_length=128, pattern=_BASE64URL)  # noqa: N815
    transports: list[str] = Field(default_factory=list, max_length=10)


class PasskeyCredential(BaseModel):
    """PublicKeyCredential.toJSON(). Browsers add members: those are let by, unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=1400, pattern=_BASE64URL)
    rawId: str = Field(min_length=1, max_length=1400, pattern=_BASE64URL)  # noqa: N815
    type: Literal["public-key"]
    response: PasskeyResponse


class Assertion(Request):
    """A passkey signs in."""

    credential: PasskeyCredential


class RegistrationStart(Request):
    """With an invitation's secret, or signed in."""

    invite: str | None = _Invite


class Registration(Request):
    """A new passkey. label: what its owner calls the device."""

    credential: PasskeyCredential
    label: str = Field(default="", max_length=60)
    invite: str | None = _Invite


class EndSession(Request):
    """everywhere: on every device."""

    everywhere: bool = False


class GrantIn(Request):
    """A role; facility_id null: in the whole town."""

    role: Literal["clerk", "manager", "auditor", "technician"]
    facility_id: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")


class NewStaff(Request):
    """Somebody to invite."""

    name: str = Field(min_length=1, max_length=100)
    grants: list[GrantIn] = Field(min_length=1, max_length=staff.MAX_GRANTS)


class InviteAgain(Request):
    """drop_passkeys: those there are were lost or stolen."""

    drop_passkeys: bool = False


class NewGrants(Request):
    """All that somebody shall have from now on."""

    grants: list[GrantIn] = Field(max_length=staff.MAX_GRANTS)


def staff_session_routes(context: ApiContext) -> APIRouter:
    """Routes of the console's own sign-in: cookies, so on the console site alone."""
    router = APIRouter(prefix="/v1/staff")
    _session_routes(router, context)
    _passkey_routes(router, context)
    _own_routes(router, context)
    return router


def staff_people_routes(context: ApiContext) -> APIRouter:
    """Routes that manage staff and show what staff did."""
    router = APIRouter(prefix="/v1/staff", dependencies=[Depends(limited(context))])
    _people_routes(router, context)
    _changing_routes(router, context)
    _action_routes(router, context)
    return router


def _desk(context: ApiContext) -> Desk:
    host = urlsplit(context.urls.console).hostname or "localhost"
    return Desk(context.urls.console, host, context.town_name)


def _told(session: Session, row: WebSession) -> dict[str, Any]:
    who = staff.principal_of(session, row)
    if who is None:
        raise Problem("NOT_STAFF")
    return {
        "staff_id": who.staff_id,
        "name": who.name,
        "grants": [staff.grant_line(grant) for grant in who.grants],
        "may": _may(who),
        "passkeys": passkeys.lines(session, who.staff_id),
        "signed_in_at": row.started_at,
    }


def _may(who: Principal) -> dict[str, str | list[str]]:
    told: dict[str, str | list[str]] = {}
    for action in sorted(ACTIONS):
        if who.may_somewhere(action):
            where = who.facilities(action)
            told[action] = "*" if where is None else sorted(where)
    return told


def _starter(context: ApiContext, request: HttpRequest, session: Session, staff_id: str) -> str:
    device = sessions.device_of(request.headers.get("user-agent", ""))
    return sessions.start(
        session,
        Owner(staff_id=staff_id),
        device,
        cookie_of(request, DESK),
        context.service.random_bytes,
        context.service.clock(),
    )


def _with_session(
    context: ApiContext,
    request: HttpRequest,
    response: Response,
    session: Session,
    member: StaffMember,
) -> dict[str, Any]:
    """Signs the browser in, in a session of its own."""
    cookie = _starter(context, request, session, member.staff_id)
    row = sessions.find(session, DESK, cookie, context.service.clock())
    assert row is not None
    cookies.set_session(response, DESK, cookie)
    return _told(session, row)


def _session_routes(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    @router.post("/session/challenge", dependencies=[Depends(limited(context))])
    def challenge() -> dict[str, Any]:
        """Begin to sign in; names nobody."""
        with service.database.write() as session:
            options = passkeys.sign_in_options(
                session, _desk(context), service.random_bytes, service.clock()
            )
        return {"options": options}

    @router.post("/session/assert", dependencies=[Depends(limited(context, SIGN_IN))])
    def sign_in(asked: Assertion, request: HttpRequest, response: Response) -> dict[str, Any]:
        """Sign in with a passkey."""
        credential = asked.credential.model_dump(exclude_none=True)
        with service.database.write() as session:
            found = passkeys.sign_in(session, _desk(context), credential, service.clock())
            if not isinstance(found, Refused):
                return _with_session(context, request, response, session, found)
        raise found.problem

    @router.post("/session/end", status_code=204, dependencies=[Depends(limited(context))])
    def sign_out(request: HttpRequest, asked: EndSession | None = None) -> Response:
        """Sign this device out, or every one; asking twice does no harm."""
        cookie, now = cookie_of(request, DESK), service.clock()
        with service.database.write() as session:
            row = sessions.find(session, DESK, cookie, now)
            who = staff.principal_of(session, row) if row else None
            if row is not None and who is not None and cookie is not None:
                everywhere = asked is not None and asked.everywhere
                owner = Owner(staff_id=row.staff_id)
                sessions.end_all(session, owner) if everywhere else sessions.end(session, cookie)
                detail = {"everywhere": everywhere}
                actions.note(session, who, "session.end", who.staff_id, detail, now)
        response = Response(status_code=204)
        cookies.drop_session(response, DESK)
        return response


def _current(context: ApiContext, request: HttpRequest) -> WebSession:
    row = session_of(context, request, DESK)
    if row is None or row.staff_id is None:
        raise Problem("NOT_STAFF")
    return row


def _fresh(context: ApiContext, row: WebSession) -> None:
    if context.service.clock() - row.started_at > FRESH_S:
        raise Problem("SIGN_IN_AGAIN")


def _passkey_routes(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    def registering(
        session: Session, request: HttpRequest, invite: str | None
    ) -> tuple[StaffMember, WebSession | None]:
        """Who registers: whoever has the invitation, else whoever signed in a moment ago."""
        if invite is not None:
            context.limiter.take(SECRET, f"{service.town} invite {client_of(request)}")
            return staff.invited(session, invite, service.clock()), None
        row = sessions.find(session, DESK, cookie_of(request, DESK), service.clock())
        who = staff.principal_of(session, row) if row else None
        if row is None or who is None:
            raise Problem("NOT_STAFF")
        _fresh(context, row)
        return staff.find(session, who.staff_id), row

    @router.post("/passkeys/challenge", dependencies=[Depends(limited(context))])
    def challenge(asked: RegistrationStart, request: HttpRequest) -> dict[str, Any]:
        """Begin to register a passkey."""
        with service.database.write() as session:
            member, _ = registering(session, request, asked.invite)
            options = passkeys.registration_options(
                session, _desk(context), member, service.random_bytes, service.clock()
            )
            return {"options": options, "name": member.name}

    @router.post("/passkeys/register", dependencies=[Depends(limited(context, SIGN_IN))])
    def register(asked: Registration, request: HttpRequest, response: Response) -> dict[str, Any]:
        """Keep the new passkey; an invitation is used up by it, and signs in."""
        credential = asked.credential.model_dump(exclude_none=True)
        with service.database.write() as session:
            member, row = registering(session, request, asked.invite)
            passkeys.register(
                session,
                _desk(context),
                member,
                credential,
                asked.label,
                service.random_bytes,
                service.clock(),
            )
            if row is not None:
                return _told(session, row)
            staff.use_invite(session, asked.invite or "")
            return _with_session(context, request, response, session, member)

    @router.delete(
        "/passkeys/{passkey_id}", status_code=204, dependencies=[Depends(limited(context))]
    )
    def remove(request: HttpRequest, passkey_id: _Id) -> Response:
        """Take one of one's own passkeys off; the last one stays."""
        row = _current(context, request)
        _fresh(context, row)
        with service.database.write() as session:
            who = staff.principal_of(session, row)
            if who is None:
                raise Problem("NOT_STAFF")
            passkeys.remove(session, who, who.staff_id, passkey_id, service.clock())
        return Response(status_code=204)


def _own_routes(router: APIRouter, context: ApiContext) -> None:
    service = context.service

    @router.get("/me", dependencies=[Depends(limited(context))])
    def me(request: HttpRequest) -> dict[str, Any]:
        """Who is signed in, and what they may do where."""
        row = _current(context, request)
        with service.database.read() as session:
            return _told(session, row)

    @router.get("/session/list", dependencies=[Depends(limited(context))])
    def list_sessions(request: HttpRequest) -> list[dict[str, Any]]:
        """Where one is signed in."""
        row = _current(context, request)
        with service.database.read() as session:
            return sessions.lines(session, Owner(staff_id=row.staff_id), row, service.clock())


def _people_routes(router: APIRouter, context: ApiContext) -> None:
    service, manager = context.service, Depends(_manager(context))

    @router.get("/people", dependencies=[Depends(need_in_town(context, "staff.read"))])
    def list_people() -> list[dict[str, Any]]:
        """Everybody who works for the town."""
        with service.database.read() as session:
            return staff.lines(session, service.clock())

    @router.post("/people", status_code=201)
    def invite(asked: NewStaff, who: Principal = manager) -> dict[str, Any]:
        """Invite somebody; the link is told only now, and works for 72 hours."""
        now = service.clock()
        with service.database.write() as session:
            member, secret = staff.invite(
                session, who, asked.name, _grants(asked.grants), service.random_bytes, now
            )
            return _invitation(context, session, member, secret)

    @router.post("/people/{staff_id}/invite")
    def invite_again(asked: InviteAgain, staff_id: _Id, who: Principal = manager) -> dict[str, Any]:
        """A new link, for a lost passkey; the old link dies."""
        now = service.clock()
        with service.database.write() as session:
            member = staff.find(session, staff_id)
            secret = staff.invite_again(
                session, who, member, asked.drop_passkeys, service.random_bytes, now
            )
            return _invitation(context, session, member, secret)


def _manager(context: ApiContext) -> Any:
    """Who may change staff: town-wide, and signed in a moment ago, or a program's secret."""
    find = need_in_town(context, "staff.change")

    def principal(request: HttpRequest) -> Principal:
        who = find(request)
        if bearer(request) is None:
            _fresh(context, _current(context, request))
        return who

    return principal


def _invitation(
    context: ApiContext, session: Session, member: StaffMember, secret: str
) -> dict[str, Any]:
    now = context.service.clock()
    return {
        "person": staff.line(session, member, now),
        "invite_link": staff.invite_link(context.urls.console, secret),
        "invited_until": now + staff.INVITE_LIVES_S,
    }


def _grants(told: list[GrantIn]) -> list[Grant]:
    return [Grant(grant.role, grant.facility_id) for grant in told]


def _changing_routes(router: APIRouter, context: ApiContext) -> None:
    service, manager = context.service, Depends(_manager(context))

    @router.post("/people/{staff_id}/grants")
    def change_grants(asked: NewGrants, staff_id: _Id, who: Principal = manager) -> dict[str, Any]:
        """Other roles, from now on."""
        with service.database.write() as session:
            member = staff.find(session, staff_id)
            staff.change_grants(session, who, member, _grants(asked.grants), service.clock())
            return staff.line(session, member, service.clock())

    @router.post("/people/{staff_id}/suspend")
    def suspend(staff_id: _Id, who: Principal = manager) -> dict[str, Any]:
        """End what somebody may do, and every session, at once."""
        with service.database.write() as session:
            member = staff.find(session, staff_id)
            staff.suspend(session, who, member, service.clock())
            return staff.line(session, member, service.clock())

    @router.post("/people/{staff_id}/restore")
    def restore(staff_id: _Id, who: Principal = manager) -> dict[str, Any]:
        """Take a suspension back."""
        with service.database.write() as session:
            member = staff.find(session, staff_id)
            staff.restore(session, who, member, service.clock())
            return staff.line(session, member, service.clock())


def _action_routes(router: APIRouter, context: ApiContext) -> None:
    service = context.service
    reading = [Depends(need_in_town(context, "action.read"))]

    @router.get("/actions", dependencies=reading)
    def list_actions(
        before: int | None = Query(default=None, ge=1, lt=1 << 40),
        limit: int = Query(default=100, ge=1, le=1000),
    ) -> dict[str, Any]:
        """What staff did, newest first; `next` goes into `before` for more."""
        with service.database.read() as session:
            found = list(actions.lines(session, before=before, limit=limit))
        more = len(found) == limit and found[-1]["seq"] > 1
        return {"actions": found, "next": found[-1]["seq"] if more else None}

    @router.get("/actions/check", dependencies=reading)
    def check_actions() -> dict[str, Any]:
        """Whether the list is whole, and the hash at its end, to be kept elsewhere."""
        with service.database.read() as session:
            return actions.check(session).as_dict()
