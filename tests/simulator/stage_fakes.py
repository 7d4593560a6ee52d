"""Stand-ins for the stage's neighbours: a service, phones and a world that can be switched off.

They exist so that the page's behaviour towards neighbours (down, garbage, refusal) can be tested;
they decide nothing that the real ones decide. The doors have the real physics of simulator.door.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from simulator.door import PIN_MOTOR_EXTEND, PIN_MOTOR_RETRACT, Door

SHIFT_S = 86_400 * 3
STAFF = "fake-staff-secret"
LOCKS = {"lock-aa1": "第1会議室", "lock-bb2": "調理室", "lock-cc3": "和室さくら"}
EARLY = {
    "ja": "あと12分で使えます。もう少しお待ちください。",
    "ja-simple": "あと 12ぷん（分）で つかえます。 すこし まって ください。",
    "en": "You can open this door in 12 min. Please wait a little.",
}
OPENED = {
    "ja": "鍵が開きました。どうぞお入りください。",
    "ja-simple": "かぎが あきました。 はいって ください。",
    "en": "The door is unlocked. Please come in.",
}
WRONG = {
    "ja": "お部屋が違います。この鍵で開くのは「第1会議室」です。",
    "ja-simple": "へやが ちがいます。 あなたの へやは 「第1会議室」です。",
    "en": "This is a different room. Your key opens “第1会議室”.",
}


def town_now() -> float:
    return time.time() + SHIFT_S


@dataclass
class Fakes:
    """Everything the fakes know. `mode`: per neighbour "up", "down", "garbage" or "wrong-types"."""

    mode: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys(("cloud", "phone", "world"), "up")
    )
    doors: dict[str, Door] = field(default_factory=lambda: {name: Door() for name in LOCKS})
    chips: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(LOCKS, True))
    bookings: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"佐藤": [], "鈴木": [], "高橋": []}
    )
    log: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_gateway_online: bool = True
    listeners: list[asyncio.Event] = field(default_factory=list)

    def happened(self, name: str, events: list[str]) -> None:
        for event in events:
            self.log.append(
                {
                    "seq": len(self.log) + 1,
                    "at": town_now(),
                    "door": name,
                    "event": event,
                    "bolt": self.doors[name].bolt,
                }
            )
            for listener in self.listeners:
                listener.set()

    async def live(self) -> None:
        while True:
            for name, door in self.doors.items():
                self.happened(name, door.step(10))
                if self.is_gateway_online:
                    self.known[name] = self._report(name)
            await asyncio.sleep(0.01)

    def _report(self, name: str) -> dict[str, Any]:
        door = self.doors[name]
        bolt = {0.0: "unlocked", 1.0: "locked"}.get(door.bolt, "moving")
        return {
            "reachable": self.chips[name],
            "bolt": "jammed" if door.is_jammed else bolt,
            "door": "open" if door.is_open else "closed",
            "seen_at": int(town_now()),
            "status_version": 3,
        }

    async def drive(self, name: str, pin: int) -> None:
        door = self.doors[name]
        self.happened(name, door.drive(pin, 1))
        await asyncio.sleep(0.6)
        self.happened(name, door.drive(pin, 0))

    def note(
        self, lock_id: str, event: str, result: str, path: str | None, who: str | None,
        reason: str | None = None,
    ) -> None:  # fmt: skip
        holder = {"booking_id": "b", "holder_name": who} if who else None
        self.records.append({
            "lock_id": lock_id, "room": LOCKS[lock_id], "journal_epoch": 1,
            "seq": len(self.records) + 1, "time_lo": int(town_now()), "time_hi": None,
            "event": event, "result": result, "reason": reason, "path": path, "subject": None,
            "who": holder, "hash": "00", "received_at": int(town_now()),
        })  # fmt: skip


def application(fakes: Fakes) -> web.Application:
    app = web.Application(middlewares=[_moody(fakes)])
    _cloud(app, fakes)
    _phone(app, fakes)
    _world(app, fakes)
    return app


def _moody(fakes: Fakes) -> Any:
    @web.middleware
    async def moody(request: web.Request, handler: Any) -> web.StreamResponse:
        fakes.asked.append(f"{request.method} {request.raw_path}")
        mode = fakes.mode[request.path.split("/")[1]]
        if mode == "up":
            return await handler(request)
        if mode == "garbage":
            return web.Response(
                body=b"\xff\xfe<html>" + b"[" * 3000, content_type="application/json"
            )
        if mode == "wrong-types":
            return web.json_response(
                {
                    "rooms": [1, None, {"room_id": 7, "lock": []}, {"room_id": "x"}],
                    "name": 3,
                    "doors": {"a": 5, "b": {"bolt": "high"}},
                    "now": "x",
                    "gateways": {"a": 1},
                    "phones": [{"name": []}, 4],
                    "log": "no",
                    "clock": [],
                    "bookings": [{"booking_id": 1}],
                    "records": [{}],
                }
            )
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    return moody


def _cloud(app: web.Application, fakes: Fakes) -> None:
    async def town(_: web.Request) -> web.Response:
        gateway = {
            "gateway_id": "gw-1",
            "online": fakes.is_gateway_online,
            "heard_at": int(town_now()),
        }
        return web.json_response(
            {"town": "sakura", "name": "さくら町", "now": int(town_now()), "gateways": [gateway]}
        )

    async def rooms(_: web.Request) -> web.Response:
        return web.json_response(
            [
                {
                    "room_id": f"room-{lock}",
                    "name": name,
                    "lock_id": lock,
                    "lock": fakes.known.get(lock),
                }
                for lock, name in LOCKS.items()
            ]
        )

    async def of_room(request: web.Request) -> web.Response:
        room = request.match_info["id"]
        return web.json_response([each for each in fakes.bookings if each["room_id"] == room])

    async def book(request: web.Request) -> web.Response:
        wanted = await request.json()
        for each in fakes.bookings:
            overlaps = (
                each["starts_at"] < wanted["ends_at"] and wanted["starts_at"] < each["ends_at"]
            )
            if each["room_id"] == wanted["room_id"] and overlaps and each["status"] != "cancelled":
                return web.json_response(
                    {
                        "code": "OVERLAP",
                        "ja": "第1会議室は 15:00～16:00 に別の予約があります。",
                        "ja-simple": "ほかの よやくが あります。",
                        "en": "That room is already booked.",
                    },
                    status=409,
                )
        booking = {**wanted, "booking_id": f"b{len(fakes.bookings)}", "status": "confirmed"}
        fakes.bookings.append(booking)
        return web.json_response({**booking, "key_link": _link(request, booking)}, status=201)

    async def staff(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {STAFF}":
            return web.json_response(
                {"code": "NOT_STAFF", "ja": "x", "ja-simple": "x", "en": "x"}, status=401
            )
        what = request.match_info["what"]
        listed = {"bookings": fakes.bookings, "audit": fakes.records, "alarms": fakes.alarms}
        return web.json_response(listed[what])

    async def staff_act(request: web.Request) -> web.Response:
        booking = next(
            each for each in fakes.bookings if each["booking_id"] == request.match_info["id"]
        )
        if request.match_info["act"] == "cancel":
            booking["status"] = "cancelled"
            return web.json_response(booking)
        return web.json_response({"key_link": _link(request, booking)})

    app.router.add_get("/cloud/v1/town", town)
    app.router.add_get("/cloud/v1/rooms", rooms)
    app.router.add_get("/cloud/v1/rooms/{id}/bookings", of_room)
    app.router.add_post("/cloud/v1/bookings", book)
    app.router.add_get("/cloud/v1/staff/{what}", staff)
    app.router.add_post("/cloud/v1/staff/bookings/{id}/{act}", staff_act)


def _link(request: web.Request, booking: dict[str, Any]) -> str:
    return f"http://127.0.0.1:1/phone#SECRET-of-{booking['booking_id']}"


def _phone(app: web.Application, fakes: Fakes) -> None:
    async def state(_: web.Request) -> web.Response:
        phones = [{"name": name, "keys": keys} for name, keys in fakes.keys.items()]
        return web.json_response({"label": "simulated phone", "phones": phones})

    async def claim(request: web.Request) -> web.Response:
        link = (await request.json())["key_link"]
        found = [
            each for each in fakes.bookings if link.endswith(f"#SECRET-of-{each['booking_id']}")
        ]
        if not found:
            return web.json_response(
                {
                    "code": "UNKNOWN_KEY",
                    "ja": "このリンクは使えません。新しいリンクを窓口にお求めください。",
                    "ja-simple": "この リンクは つかえません。",
                    "en": "This link cannot be used.",
                },
                status=404,
            )
        room = found[0]["room_id"].removeprefix("room-")
        key = {
            "id": found[0]["booking_id"],
            "lock_id": room,
            "room": LOCKS[room],
            "starts_at": found[0]["starts_at"],
            "ends_at": found[0]["ends_at"],
        }
        fakes.keys[request.match_info["name"]].append(key)
        return web.json_response({"keys": [key]})

    async def unlock(request: web.Request) -> web.Response:
        wanted, who = await request.json(), request.match_info["name"]
        key = next(each for each in fakes.keys[who] if each["id"] == wanted["key"])
        answer = {
            "path": wanted["path"],
            "ms": 41.7,
            "total_ms": 160.2,
            "door": wanted["door"],
            "opens_at": None,
            "authentic": True,
            "granted": False,
        }
        await asyncio.sleep(0.3)
        if wanted["door"] not in (None, key["lock_id"]):
            return web.json_response(
                {**answer, "authentic": False, "code": "WRONG_LOCK", "texts": WRONG}
            )
        if key["starts_at"] > town_now():
            fakes.note(
                key["lock_id"], "LockOperationError", "refused", "offline", who, "NOT_YET_VALID"
            )
            return web.json_response(
                {**answer, "code": "NOT_YET_VALID", "texts": EARLY, "opens_at": key["starts_at"]}
            )
        fakes.note(key["lock_id"], "LockOperation", "unlock", wanted["path"], who)
        pin = PIN_MOTOR_RETRACT if wanted["command"] == "unlock" else PIN_MOTOR_EXTEND
        await fakes.drive(key["lock_id"], pin)
        return web.json_response({**answer, "code": "OPENED", "granted": True, "texts": OPENED})

    app.router.add_get("/phone/state", state)
    app.router.add_post("/phone/phones/{name}/claim", claim)
    app.router.add_post("/phone/phones/{name}/unlock", unlock)


def _world(app: web.Application, fakes: Fakes) -> None:
    async def state(_: web.Request) -> web.Response:
        doors = {
            name: {
                "bolt": round(door.bolt, 3),
                "leaf": "open" if door.is_open else "closed",
                "moving": door.is_moving,
                "jammed": door.is_jammed,
                "tamper": False,
                "outputs": {"27": 0},
                "chip": fakes.chips[name],
                "boots": 1,
            }
            for name, door in fakes.doors.items()
        }
        return web.json_response(
            {
                "clock": {"unix_s": town_now(), "stepped": False},
                "doors": doors,
                "log": fakes.log[-100:],
                "seq": len(fakes.log),
            }
        )

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        await response.prepare(request)
        happened = asyncio.Event()
        fakes.listeners.append(happened)
        while fakes.mode["world"] == "up":
            await happened.wait()
            happened.clear()
            await response.write(f"data: {json.dumps(fakes.log[-1])}\n\n".encode())
        return response

    async def act(request: web.Request) -> web.Response:
        name, action = request.match_info["name"], request.match_info["action"]
        if name not in fakes.doors:
            return web.json_response({"error": "no such door"}, status=404)
        door = fakes.doors[name]
        hands = {
            "open": lambda: door.push_open(3000),
            "close": door.close,
            "jam": door.jam,
            "unjam": door.unjam,
            "rex": door.press_rex,
            "force": door.force,
            "handle": door.pull_handle,
        }
        happened = hands[action]()
        fakes.happened(name, happened)
        return web.json_response({"happened": happened})

    app.router.add_get("/world/state", state)
    app.router.add_get("/world/events", events)
    app.router.add_post("/world/doors/{name}/{action}", act)
