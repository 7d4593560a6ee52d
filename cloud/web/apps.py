"""The town's HTTP interface, version 1, put together: one application for each site.

Decides which routes a site has, and with which credentials they work there: cookies on the book and
console sites, a link's secret or ticket on the key site, bearers alone on any other host. Every
refusal is `{"code", "ja", "ja-simple", "en"}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud.ical_events import MAX_FILE_BYTES
from cloud.web.api_models import ProblemBody
from cloud.web.body_limit import BodyLimit
from cloud.web.book_api import book_routes, free_routes
from cloud.web.carry_api import carry_routes
from cloud.web.context import ApiContext, Site, SiteUrls
from cloud.web.desk_api import desk_routes
from cloud.web.desk_booking_api import desk_booking_routes
from cloud.web.desk_places_api import desk_places_routes
from cloud.web.guards import WITH_COOKIES, SameOrigin, SecurityHeaders
from cloud.web.http_problems import add_handlers
from cloud.web.key_api import key_routes
from cloud.web.key_pages import key_page_routes
from cloud.web.limits import Limiter
from cloud.web.payment_api import payment_routes
from cloud.web.relay_api import relay_routes
from cloud.web.sign_in_api import sign_in_routes
from cloud.web.staff_api import staff_routes
from cloud.web.staff_keys_api import staff_key_routes
from cloud.web.staff_session_api import staff_people_routes, staff_session_routes
from cloud.web.static import add_pages
from cloud.web.town_api import town_routes

MAX_BODY_BYTES = 64 * 1024
_LARGER = {"/v1/staff/calendar": MAX_FILE_BYTES + 1}
_PROBLEM = {"model": ProblemBody, "description": "A reason in three tongues."}
_OPENAPI_ERRORS: dict[int | str, dict[str, Any]] = {"4XX": _PROBLEM, "5XX": _PROBLEM}

Routes = Callable[[ApiContext], APIRouter]
ROUTES: dict[Site, tuple[Routes, ...]] = {
    Site.BOOK: (town_routes, sign_in_routes, free_routes, book_routes),
    Site.KEY: (town_routes, key_routes, key_page_routes, relay_routes, carry_routes),
    Site.CONSOLE: (
        town_routes,
        staff_session_routes,
        staff_people_routes,
        staff_routes,
        staff_key_routes,
        desk_routes,
        free_routes,
        desk_booking_routes,
        desk_places_routes,
        relay_routes,
        carry_routes,
    ),
    Site.MACHINE: (
        town_routes,
        key_routes,
        relay_routes,
        carry_routes,
        staff_people_routes,
        staff_routes,
        staff_key_routes,
        desk_routes,
        free_routes,
        book_routes,
        payment_routes,
        desk_booking_routes,
        desk_places_routes,
    ),
}


def create_app(context: ApiContext, site: Site = Site.MACHINE) -> FastAPI:
    """One site; whoever serves it runs the broker worker beside it."""
    app = _bare(ROUTES[site], context)
    app.state.site = site
    if site is not Site.MACHINE:
        add_pages(app, site)
    app.add_middleware(BodyLimit, default_bytes=MAX_BODY_BYTES, larger=_LARGER)
    if site in WITH_COOKIES:
        app.add_middleware(SameOrigin, origin=context.urls.origin(site))
    app.add_middleware(SecurityHeaders, site=site)
    return app


def _bare(routes: Iterable[Routes], context: ApiContext, openapi_url: str | None = None) -> FastAPI:
    app = FastAPI(
        title="Kannuki",
        version="1",
        responses=_OPENAPI_ERRORS,
        openapi_url=openapi_url,  # sites have none: `kannuki cloud openapi` prints it
        docs_url=None,
        redoc_url=None,
    )
    for make in routes:
        app.include_router(make(context))
    add_handlers(app)
    return app


class ByHost:
    """ASGI: each host its site of its town; hosts that no town names belong to `otherwise`."""

    def __init__(self, apps: dict[str, ASGIApp], otherwise: ASGIApp) -> None:
        self._apps = apps
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._otherwise
        if scope["type"] in ("http", "websocket"):
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
            app = self._apps.get(host, self._otherwise)
        await app(scope, receive, send)


def create_sites(contexts: Iterable[ApiContext]) -> ByHost:
    """Every site of every town. The first town is also the one that answers on other hosts."""
    apps: dict[str, ASGIApp] = {}
    first: ASGIApp | None = None
    for context in contexts:
        machine = create_app(context)
        first = first or machine
        for host, site in context.urls.by_host().items():
            apps[host] = create_app(context, site)
    if first is None:
        raise ValueError("there is no town to serve")
    return ByHost(apps, first)


def describe() -> dict[str, Any]:
    """The OpenAPI document of all sites together; needs no database and no keys."""
    return every_route(_NOTHING).openapi()


def every_route(context: ApiContext) -> FastAPI:
    """The routes of all sites in one application: to be described and attacked, never served."""
    every = dict.fromkeys(make for routes in ROUTES.values() for make in routes)
    app = _bare(every, context, openapi_url="/openapi.json")
    app.add_middleware(BodyLimit, default_bytes=MAX_BODY_BYTES, larger=_LARGER)
    return app


class _Nothing:
    """Stands for parts that describing the interface never touches."""

    town = ""
    key_page_url = "http://localhost/key"
    signers = None
    random_bytes = None


_NOTHING = ApiContext(
    _Nothing(),  # type: ignore[arg-type]
    "",
    None,  # type: ignore[arg-type]
    lambda: None,
    b"",
    Limiter(lambda: 0.0),
    SiteUrls(),
)
