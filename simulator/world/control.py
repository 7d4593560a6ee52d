"""The world's HTTP interface on 127.0.0.1: look, touch doors, move time.

    GET  /state                      everything, as JSON
    GET  /events?after=SEQ           server-sent events, one per happening, from SEQ + 1 on
    POST /doors/{name}/{action}      a person's hand, see ACTIONS; JSON body optional
    POST /clock                      {"offset_s": N} | {"unix_s": N, "stepped": true|false}
    POST /boards/{name}/rtc          {"error_s": N} | {"lost": true}: wrong, or without its battery

A request that makes no sense gets 400 or 404 and {"error": what to do}. Holds no state.
"""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

from aiohttp import web

from simulator.door import REX_PRESS_MS, Door
from simulator.keypad import KEYS, MAX_KEYS, PAUSE_MS
from simulator.radio.air import Air
from simulator.radio.board import Boards
from simulator.world.clock import WorldClock
from simulator.world.rig import Rig, Town

MAX_BODY_BYTES = 4096
MAX_DURATION_MS = 3_600_000
HEARTBEAT_S = 15
LATEST_YEAR_9999 = 253402300799
RTC_WITHOUT_POWER_S = 946684800  # 2000-01-01: where an ESP32's clock begins


class BadRequest(Exception):
    """The message tells the caller what to send instead."""


def _number(
    body: dict[str, Any], key: str, default: float | None, low: float, high: float
) -> float:
    value = body.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise BadRequest(f'"{key}" must be a number')
    if not low <= value <= high:
        raise BadRequest(f'"{key}" must be between {low:g} and {high:g}')
    return float(value)


def _flag(body: dict[str, Any], key: str, default: bool) -> bool:
    value = body.get(key, default)
    if not isinstance(value, bool):
        raise BadRequest(f'"{key}" must be true or false')
    return value


def _duration_ms(body: dict[str, Any], default: float) -> float:
    return _number(body, "for_ms", default, 1, MAX_DURATION_MS)


def _open(door: Door, body: dict[str, Any]) -> list[str]:
    return door.push_open(_duration_ms(body, 2000))


def _rex(door: Door, body: dict[str, Any]) -> list[str]:
    return door.press_rex(_duration_ms(body, REX_PRESS_MS))


def _jam(door: Door, body: dict[str, Any]) -> list[str]:
    return door.jam(_number(body, "at", door.bolt, 0, 1))


def _tamper(door: Door, body: dict[str, Any]) -> list[str]:
    return door.set_tamper(_flag(body, "open", True))


def _battery(door: Door, body: dict[str, Any]) -> list[str]:
    if body == {"percent": None}:
        return door.set_battery(None)
    return door.set_battery(_number(body, "percent", None, 0, 100))


def _keys(door: Door, body: dict[str, Any]) -> list[str]:
    keys = body.get("keys")
    if not isinstance(keys, str) or not keys or len(keys) > MAX_KEYS or set(keys) - set(KEYS):
        raise BadRequest(f'"keys" must be 1 to {MAX_KEYS} of the characters {KEYS}')
    return door.keypad.type(keys, _number(body, "pause_ms", PAUSE_MS, 0, MAX_DURATION_MS))


ACTIONS: dict[str, Callable[[Door, dict[str, Any]], list[str]]] = {
    "handle": lambda door, body: door.pull_handle(),
    "open": _open,  # {"for_ms": 2000}: goes through, the closer shuts the door
    "close": lambda door, body: door.close(),
    "jam": _jam,  # {"at": 0..1}, default: where the bolt is
    "unjam": lambda door, body: door.unjam(),
    "rex": _rex,  # {"for_ms": 300}
    "force": lambda door, body: door.force(),
    "tamper": _tamper,  # {"open": true}
    "battery": _battery,  # {"percent": 0..100} or {"percent": null}: on mains
    "keys": _keys,  # {"keys": "0123456789", "pause_ms": 100}: types; 0: as fast as the wire can
}


class Control:
    """Handlers over one world."""

    def __init__(self, town: Town, boards: Boards, air: Air, clock: WorldClock) -> None:
        self._town, self._boards, self._air, self._clock = town, boards, air, clock

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_errors_as_json])
        app.router.add_get("/state", self._state)
        app.router.add_get("/events", self._events)
        app.router.add_post("/doors/{name}/{action}", self._act)
        app.router.add_post("/clock", self._set_clock)
        app.router.add_post("/boards/{name}/rtc", self._turn_rtc)
        return app

    async def _state(self, request: web.Request) -> web.Response:
        doors = {name: self._door(rig) for name, rig in sorted(self._town.rigs.items())}
        counts = {"air": dict(self._air.counts), "boards": dict(self._boards.counts)}
        log = [each.as_json() for each in list(self._town.diary)[-100:]]
        last = self._town.last_seq
        state = {"clock": self._time(), "doors": doors, "counts": counts, "log": log, "seq": last}
        return web.json_response(state)

    def _time(self) -> dict[str, object]:
        return {"unix_s": self._clock.unix_s(), "stepped": self._clock.is_stepped}

    def _door(self, rig: Rig) -> dict[str, object]:
        chip = self._boards.chips.get(rig.name)
        radio = chip.radio if chip else None
        links = (
            []
            if radio is None
            else [
                {
                    "handle": each.handle,
                    "peer": each.peer_address.to_string(False),
                    "mtu": int(each.att_mtu),
                }
                for each in radio.links.values()
            ]
        )
        address = radio.address_text if radio else None
        return {**rig.as_json(), "address": address, "links": links}

    async def _act(self, request: web.Request) -> web.Response:
        name, action = request.match_info["name"], request.match_info["action"]
        if name not in self._town.rigs:
            known = ", ".join(sorted(self._town.rigs)) or "none yet"
            return _error(404, f"no door named {name!r}; doors: {known}")
        if action not in ACTIONS:
            return _error(404, f"no action {action!r}; actions: {', '.join(ACTIONS)}")
        body, rig = await _body(request), self._town.rigs[name]
        happened = rig.act(action, lambda door: ACTIONS[action](door, body))
        return web.json_response({"happened": happened, "door": self._door(rig)})

    async def _set_clock(self, request: web.Request) -> web.Response:
        body = await _body(request)
        if set(body) == {"offset_s"}:
            far = LATEST_YEAR_9999
            self._clock.run_with_offset(_number(body, "offset_s", None, -far, far))
        elif "unix_s" in body and set(body) <= {"unix_s", "stepped"}:
            at = _number(body, "unix_s", None, 0, LATEST_YEAR_9999)
            stepped = _flag(body, "stepped", False)
            (self._clock.stand_at if stepped else self._clock.run_from)(at)
        else:
            raise BadRequest('send {"offset_s": N} or {"unix_s": N, "stepped": true}')
        self._boards.push_clock()
        return web.json_response(self._time())

    async def _turn_rtc(self, request: web.Request) -> web.Response:
        name, body = request.match_info["name"], await _body(request)
        if name not in self._town.rigs:
            return _error(404, f"no board named {name!r}")
        if body == {"lost": True}:
            error_s = RTC_WITHOUT_POWER_S - self._clock.unix_s()
        elif set(body) == {"error_s"}:
            error_s = _number(body, "error_s", None, -LATEST_YEAR_9999, LATEST_YEAR_9999)
        else:
            raise BadRequest('send {"error_s": N} or {"lost": true}')
        self._boards.turn_rtc(name, error_s)
        return web.json_response({"error_s": error_s})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        after = request.query.get("after", str(self._town.last_seq))
        if not (after.isascii() and after.isdigit()):
            raise BadRequest("after must be the number of an event")
        response = web.StreamResponse(headers={"Cache-Control": "no-store"})
        response.content_type = "text/event-stream"
        queue = self._town.listen()
        try:
            await response.prepare(request)
            for each in self._town.since(int(after)):
                await _send(response, each.as_json())
            await self._follow(response, queue, max(int(after), self._town.last_seq))
        except ConnectionError:
            return response  # the listener went away
        finally:
            self._town.unlisten(queue)
        return response

    async def _follow(self, response: web.StreamResponse, queue: Any, sent: int) -> None:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    each = await queue.get()
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            if each.seq > sent:
                await _send(response, each.as_json())


async def _send(response: web.StreamResponse, happening: dict[str, object]) -> None:
    text = f"id: {happening['seq']}\ndata: {json.dumps(happening)}\n\n"
    await response.write(text.encode())


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _error(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        return await handler(request)
    except BadRequest as error:
        return _error(400, str(error))
    except web.HTTPException as error:
        return _error(error.status, f"{request.method} {request.path}: {error.reason}")
