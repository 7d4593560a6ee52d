"""The stage's HTTP interface: static files, one live stream, and the acts a person can do.

    GET  /, /phone, /web/...            the page
    GET  /api/town                      the picture now
    GET  /api/events                    server-sent: the picture whenever it changed
    GET  /api/rooms/{id}/bookings?from=&to=
    POST /api/bookings                  {"room_id", "starts_at", "ends_at", "holder_name"}
    POST /api/bookings/{id}/{key-link|cancel}
    POST /api/doors/{lock}/{action}
    POST /api/phones/{name}/{claim|unlock}
    POST /api/parts/{name}/kill

Decides which acts are passed on and to whom; what comes of them is the neighbour's answer, or
{"code": ...} with a text in web/texts. A GET changes nothing. Names are quoted on the way out.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from simulator.stage import parts
from simulator.stage.guard import HEADERS, MAX_BODY_BYTES, guard, refuse
from simulator.stage.neighbours import Answer
from simulator.stage.watch import Neighbours, Watch

WEB = Path(__file__).parent / "web"
CALM_S = 0.08  # pictures closer than this are sent as one
HEARTBEAT_S = 10.0
DOOR_ACTIONS = ("handle", "open", "close", "rex", "jam", "unjam", "force")
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


class Site:
    """Handlers over one watch."""

    def __init__(self, neighbours: Neighbours, watch: Watch) -> None:
        self._near, self._watch = neighbours, watch
        self._files = {_web_path(file): file for file in WEB.rglob("*") if file.suffix in TYPES}

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[guard])
        app.router.add_get("/", self._page)
        app.router.add_get("/phone", self._page)
        app.router.add_get("/web/{path:.+}", self._file)
        app.router.add_get("/api/town", self._town)
        app.router.add_get("/api/events", self._events)
        app.router.add_get("/api/rooms/{id}/bookings", self._taken)
        app.router.add_post("/api/bookings", self._book)
        app.router.add_post("/api/bookings/{id}/{act:key-link|cancel}", self._staff_act)
        app.router.add_post("/api/doors/{lock}/{action}", self._touch)
        app.router.add_post("/api/phones/{name}/{act:claim|unlock}", self._use_phone)
        app.router.add_post("/api/parts/{name}/kill", self._kill)
        return app

    async def _page(self, request: web.Request) -> web.Response:
        return _sent(WEB / "index.html")

    async def _file(self, request: web.Request) -> web.Response:
        file = self._files.get(request.path)  # a table, not a path: nothing else can be reached
        return _sent(file) if file else refuse(404, "NOT_FOUND")

    async def _town(self, request: web.Request) -> web.Response:
        return web.json_response(self._watch.picture())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=HEADERS)
        response.content_type = "text/event-stream"
        changed = self._watch.listen()
        try:
            await response.prepare(request)
            await self._send_pictures(response, changed)
        except ConnectionError:
            return response  # the page was closed
        finally:
            self._watch.unlisten(changed)
        return response

    async def _send_pictures(self, response: web.StreamResponse, changed: asyncio.Event) -> None:
        while True:
            changed.clear()
            await response.write(f"data: {json.dumps(self._watch.picture())}\n\n".encode())
            await asyncio.sleep(CALM_S)
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await changed.wait()
            except TimeoutError:
                continue  # the same picture again: it carries the time and shows that we live

    async def _taken(self, request: web.Request) -> web.Response:
        room, query = _name(request, "id"), request.query_string
        answer = await self._near.cloud.look(f"/v1/rooms/{room}/bookings?{query}")
        return _passed(answer, "CLOUD_DOWN")

    async def _book(self, request: web.Request) -> web.Response:
        answer = await self._near.cloud.act("/v1/bookings", await _body(request))
        self._watch.nudge("cloud")
        return _passed(answer, "CLOUD_DOWN")

    async def _staff_act(self, request: web.Request) -> web.Response:
        path = f"/v1/staff/bookings/{_name(request, 'id')}/{request.match_info['act']}"
        answer = await self._near.cloud.act(path, await _body(request), staff=True)
        self._watch.nudge("cloud")
        return _passed(answer, "CLOUD_DOWN")

    async def _touch(self, request: web.Request) -> web.Response:
        action = request.match_info["action"]
        if action not in DOOR_ACTIONS:
            return refuse(404, "NOT_FOUND")
        path = f"/doors/{_name(request, 'lock')}/{action}"
        answer = await self._near.world.act(path, await _body(request))
        self._watch.nudge("world")
        return _passed(answer, "WORLD_DOWN")

    async def _use_phone(self, request: web.Request) -> web.Response:
        path = f"/phones/{_name(request, 'name')}/{request.match_info['act']}"
        answer = await self._near.phone.act(path, await _body(request))
        self._watch.nudge("phone", "cloud", "world")
        return _passed(answer, "PHONE_DOWN")

    async def _kill(self, request: web.Request) -> web.Response:
        await _body(request)
        name = request.match_info["name"]
        why = await asyncio.to_thread(parts.kill_part, self._near.status_file, name)
        self._watch.nudge("parts")
        statuses = {"UNKNOWN_PART": 404, "NOT_KILLABLE": 403, "PARTS_DOWN": 503}
        return (
            web.json_response({"killed": name})
            if why is None
            else refuse(statuses.get(why, 409), why)
        )


def _web_path(file: Path) -> str:
    return f"/web/{file.relative_to(WEB).as_posix()}"


def _sent(file: Path) -> web.Response:
    return web.Response(body=file.read_bytes(), content_type=TYPES[file.suffix], charset="utf-8")


def _name(request: web.Request, part: str) -> str:
    return quote(request.match_info[part], safe="")


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest
    return body


def _passed(answer: Answer | None, down: str) -> web.Response:
    """The neighbour's answer; an error of a form that the page cannot read becomes `down`."""
    if answer is None:
        return refuse(503, down)
    is_readable = isinstance(answer.body, (dict, list))
    is_error = not 200 <= answer.status < 300
    if is_error and not (isinstance(answer.body, dict) and "code" in answer.body):
        return refuse(502 if answer.status >= 500 else answer.status, "NOT_DONE")
    if not is_readable or 300 <= answer.status < 400:
        return refuse(502, down)
    return web.json_response(answer.body, status=answer.status)
