"""Real lock cores behind HTTP, for the JavaScript side of the protocol: by relay and by fragments.

Decides nothing about doors: firmware/core does, in virtual time that passes with each message. The
routes of the town have the paths and bodies of cloud.web (its own models read them); what a radio
does is one POST for each fragment. Each test asks for a door of its own (`POST /doors`) and tells
it what has gone wrong (`POST /doors/{n}/do`).
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from cloud.keywrap import wrap
from cloud.web.api_models import (
    CarriedHead,
    CarriedParcel,
    RelayNext,
    RelayStart,
    TimeNonce,
)
from firmware.core.session import HANG_UP, SEND
from kannuki.messages import from_base64url, to_base64url
from protocol import audit, frames, lockstate, session
from protocol import token as tokens
from protocol.audit import Head
from protocol.holder import Credential
from simulator.town_keys import aes
from tests.firmware.town import ALL, LOCK_ID, Town
from tests.protocol.noise import Lcg

TICKET = "a-relay-ticket-of-this-test"
GROUP, OTHER_LOCK = "+gymnasia", "bbbbbbbb"
PASSES_MS = 100  # of the lock's time, with each message
HOUR_S = 3600


class Radio:
    """One connection to the lock, in fragments, as a browser's Bluetooth has it."""

    def __init__(self, town: Town, handle: int, mtu: int) -> None:
        self.town, self.handle = town, handle
        self.max_fragment = mtu - 3
        self.fragments: list[bytes] = []
        self.hung_up = False
        self.largest = 0  # what was written

    def write(self, fragment: bytes) -> None:
        self.largest = max(self.largest, len(fragment))
        self.town.lock.core.sessions.received(self.handle, fragment, self.town.lock.now_ms)
        self.town.lock.carry_out()
        self.town.lock.advance(PASSES_MS)
        self.town.deliver()

    def say(self, message: bytes) -> bytes | None:
        """One whole message and the lock's answer; None when it hung up without one."""
        self.fragments.clear()
        for fragment in frames.fragment(message, self.max_fragment):
            self.write(fragment)
        inbox = frames.Reassembler()
        answers = [inbox.push(fragment) for fragment in self.fragments]
        return next((answer for answer in answers if answer is not None), None)

    def take(self, action: tuple[Any, ...]) -> None:
        """tests.firmware.town: one action of the lock that concerns this connection."""
        if action[0] == SEND:
            self.fragments.append(bytes(action[2]))
        elif action[0] == HANG_UP:
            self.hung_up = True

    def leave(self) -> None:
        self.town.lock.core.sessions.disconnected(self.handle)
        self.town.peers.pop(self.handle, None)


class Door:
    """A lock, its town, and everything that the town was told."""

    def __init__(self) -> None:
        self.town = Town()
        self.radios: dict[int, Radio] = {}
        self.asked: list[str] = []
        self.records: list[bytes] = []
        self.heads: list[tuple[int, bytes]] = []
        self.status: dict[str, Any] | None = None
        self.config: dict[str, Any] | None = None
        self.ack: dict[str, Any] | None = None
        self.time_is_off_s = 0
        self.fault: str | None = None
        self.noise = Lcg(20_261_122)

    def connect(self, mtu: int) -> Radio:
        town = self.town
        town._handles += 1
        sessions = town.lock.core.sessions
        sessions.connected(town._handles, town.lock.now_ms)
        sessions.mtu_changed(town._handles, mtu)
        radio = Radio(town, town._handles, mtu)
        town.peers[town._handles] = self.radios[town._handles] = radio  # type: ignore[assignment]
        town.deliver()
        return radio

    def answer(self, radio: Radio, message: bytes) -> bytes | None:
        """The lock's answer, or what the fault that is set makes of it."""
        if self.fault == "silent":
            return None
        answer = radio.say(message)
        if answer is None or self.fault is None:
            return answer
        kind, _, detail = self.fault.partition(":")
        if kind == "noise":
            return self.noise.bytes(1 + self.noise.below(400))
        if kind == "flip" and answer[0] == int(detail):
            at = self.noise.below(len(answer) * 8)
            broken = bytearray(answer)
            broken[at // 8] ^= 1 << (at % 8)
            return bytes(broken)
        return answer

    # --- credentials ---

    def credentials(self) -> dict[str, Any]:
        town = self.town
        other = town.enrolment.model_copy(update={"lock_id": OTHER_LOCK})
        made = {
            "good": town.credential(),
            "early": town.credential(HOUR_S, 2 * HOUR_S),
            "over": town.credential(-2 * HOUR_S, -HOUR_S),
            "no_unlock": town.credential(permissions=tokens.LOCK),
            "once": town.credential(once=True),
            "holds": town.credential(permissions=tokens.UNLOCK | tokens.HOLD_OPEN),
            "staff": town.staff(),
        }
        rows = {name: row(LOCK_ID, each, LOCK_ID) for name, each in made.items()}
        good = made["good"]
        key = next(iter(good.proof_keys.values()))
        other_key = key[:31] + bytes([key[31] ^ 1])
        rows["broken_key"] = {**rows["good"], "proof_key": to_base64url(other_key)}
        start = town.now
        elsewhere = town.keys.credential(other, start - 60, start + HOUR_S, ALL)
        rows["elsewhere"] = row(OTHER_LOCK, elsewhere, OTHER_LOCK)
        grouped = town.credential(audience=GROUP, signer=town.keys.staff)
        rows["group"] = row(LOCK_ID, grouped, LOCK_ID)
        return rows

    # --- what happens ---

    def do(self, what: str, argument: Any) -> Any:
        return getattr(self, f"do_{what}")(argument)

    def do_revoke(self, token: str) -> None:
        cti = tokens.parse(from_base64url(token))[1].cti
        gone = [(cti, self.town.now + HOUR_S)]
        answer = self.town.put_status(1, gone)
        assert answer[1] == session.OK, answer
        self._offer(1, *self.town.keys.status_list(LOCK_ID, 1, self.town.now, gone))

    def do_lose_clock(self, _: Any) -> None:
        lock = self.town.lock
        lock.rtc.stopped = True
        lock.power_off()
        lock.advance(PASSES_MS)
        lock.power_on()

    def do_town_clock_off(self, seconds: int) -> None:
        self.time_is_off_s = seconds

    def do_jam(self, _: Any) -> None:
        self.town.lock.door.jam(0.5)

    def do_fault(self, fault: str | None) -> None:
        self.fault = fault

    def do_offer_list(self, how: dict[str, Any]) -> None:
        """A list of `count` entries as `version`; with `base_count`, a delta too."""
        town, version = self.town, how["version"]
        gone = [(bytes([i % 256, i // 256]) * 4, town.now + HOUR_S) for i in range(how["count"])]
        document, entries = town.keys.status_list(LOCK_ID, version, town.now, gone)
        additions = None
        if "base_count" in how:
            added = gone[how["base_count"] :]
            additions = town.keys.status_list(LOCK_ID, version, town.now, added)[1]
        entries = b"" if how.get("only_delta") else entries
        self._offer(version, document, entries, how.get("base_version"), additions)

    def _offer(
        self,
        version: int,
        document: bytes,
        entries: bytes,
        base_version: int | None = None,
        additions: bytes | None = None,
    ) -> None:
        self.status = {
            "version": version,
            "document": to_base64url(document),
            "entries": to_base64url(entries),
            "base_version": base_version,
            "additions": None if additions is None else to_base64url(additions),
        }

    def do_offer_config(self, version: int) -> None:
        document = self.town.keys.config_document(LOCK_ID, version, groups=[GROUP])
        self.config = {"version": version, "document": to_base64url(document)}

    def do_tell(self, _: Any) -> dict[str, Any]:
        """What the lock and the town know."""
        lock = self.town.lock
        seqs = [audit.decode_record(raw).seq for raw in self.records]
        return {
            "asked": self.asked,
            "status_version": lock.core.trust.status.version,
            "config_version": lock.core.state()[lockstate.STATE_CONFIG_VERSION],
            "acked": lock.core.state()[lockstate.STATE_ACKED_SEQ],
            "head_seq": lock.core.journal.head_seq,
            "bolt": lock.core.state()[lockstate.STATE_BOLT],
            "record_seqs": seqs,
            "heads": [[seq, name.hex()] for seq, name in self.heads],
            "largest_write": max((radio.largest for radio in self.radios.values()), default=0),
            "connections": len(self.town.peers),
        }

    def do_claim(self, device_key: str) -> dict[str, Any]:
        """As POST /v1/keys/claim answers."""
        given = self.town.credential()
        key = next(iter(given.proof_keys.values()))
        wrapped = wrap(key, given.raw_token, from_base64url(device_key))
        return {
            "lock_id": LOCK_ID,
            "token": to_base64url(given.raw_token),
            "server_key": to_base64url(wrapped.server_key),
            "wrapped_proof_key": to_base64url(wrapped.ciphertext),
        }


def row(lock_id: str, credential: Credential, key_of: str) -> dict[str, str]:
    key = credential.proof_keys.get(key_of) or next(iter(credential.proof_keys.values()))
    return {
        "lock_id": lock_id,
        "token": to_base64url(credential.raw_token),
        "proof_key": to_base64url(key),
    }


# --- HTTP ---

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
DOORS = web.AppKey("doors", dict[int, Door])


def add_bridge(app: web.Application) -> None:
    """The routes under /doors."""
    doors: dict[int, Door] = {}
    app[DOORS] = doors
    numbers = itertools.count(1)

    async def new_door(_request: web.Request) -> web.Response:
        number = next(numbers)
        door = doors[number] = Door()
        told = {"door": number, "lock_id": LOCK_ID, "ticket": TICKET, "now": door.town.now}
        return web.json_response({**told, "credentials": door.credentials()})

    app.router.add_post("/doors", new_door)
    for path, handle in (
        ("/do", _do),
        ("/radio", _radio_up),
        ("/radio/{handle}", _radio),
        ("/v1/relay", _relay_open),
        ("/v1/relay/{handle}", _relay_next),
        ("/v1/locks/{lock}/time", _time),
        ("/v1/locks/{lock}/parcels", _parcels),
        ("/v1/locks/{lock}/heads", _heads),
    ):
        app.router.add_post("/doors/{number}" + path, handle)
    app.router.add_get("/doors/{number}/v1/locks/{lock}/documents", _documents)
    app.router.add_delete("/doors/{number}/v1/relay/{handle}", _relay_close)
    app.router.add_delete("/doors/{number}/radio/{handle}", _relay_close)


def _door(request: web.Request) -> Door:
    return request.app[DOORS][int(request.match_info["number"])]


def _asked(request: web.Request, what: str) -> Door:
    """The door whose town is asked, by someone who shows its ticket for its own lock."""
    door = _door(request)
    if request.headers.get("Authorization") != f"Bearer {TICKET}":
        raise _problem(401, "NO_TICKET")
    if request.match_info.get("lock", LOCK_ID) != LOCK_ID:
        raise _problem(403, "OTHER_LOCK")
    door.asked.append(what)
    if door.fault == "town":
        raise web.HTTPInternalServerError(text="<html>no JSON</html>")
    return door


def _problem(status: int, code: str) -> web.HTTPException:
    error = {401: web.HTTPUnauthorized, 403: web.HTTPForbidden, 409: web.HTTPConflict}[status]
    text = f'{{"code": "{code}", "ja": "日", "ja-simple": "に", "en": "e"}}'
    return error(text=text, content_type="application/json")


async def _body(request: web.Request, model: type[BaseModel]) -> Any:
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


async def _do(request: web.Request) -> web.Response:
    asked = await request.json()
    return web.json_response(_door(request).do(asked["what"], asked.get("argument")))


async def _radio_up(request: web.Request) -> web.Response:
    return web.json_response(
        {"handle": _door(request).connect((await request.json())["mtu"]).handle}
    )


async def _radio(request: web.Request) -> web.Response:
    radio = _door(request).radios[int(request.match_info["handle"])]
    radio.fragments.clear()
    radio.write(from_base64url((await request.json())["fragment"]))
    told = [to_base64url(fragment) for fragment in radio.fragments]
    return web.json_response({"fragments": told, "hung_up": radio.hung_up})


async def _relay_open(request: web.Request) -> web.Response:
    door, asked = _asked(request, "relay"), await _body(request, RelayStart)
    if asked.lock_id != LOCK_ID:
        raise _problem(403, "OTHER_LOCK")
    radio = door.connect(247)
    return _relayed(door, radio, asked.message, {"session": str(radio.handle)})


async def _relay_next(request: web.Request) -> web.Response:
    door, asked = _asked(request, "relay"), await _body(request, RelayNext)
    radio = door.radios.get(int(request.match_info["handle"]))
    if radio is None or radio.hung_up:
        raise _problem(409, "RELAY_OVER")
    return _relayed(door, radio, asked.message, {})


def _relayed(door: Door, radio: Radio, message: bytes, more: dict[str, str]) -> web.Response:
    answer = door.answer(radio, message)
    if answer is None:
        raise _problem(409, "TIMEOUT")
    return web.json_response({**more, "message": to_base64url(answer)})


async def _relay_close(request: web.Request) -> web.Response:
    radio = _door(request).radios.get(int(request.match_info["handle"]))
    if radio is not None:
        radio.leave()
    return web.Response(status=204)


async def _time(request: web.Request) -> web.Response:
    door, asked = _asked(request, "time"), await _body(request, TimeNonce)
    at = door.town.now + door.time_is_off_s
    document = door.town.keys.time_answer(LOCK_ID, asked.nonce, at)
    return web.json_response({"document": to_base64url(document)})


async def _documents(request: web.Request) -> web.Response:
    door = _asked(request, "documents")
    keyset = {"version": 1, "document": to_base64url(door.town.keys.keyset_document())}
    told = {"status": door.status, "keyset": keyset, "config": door.config, "ack": door.ack}
    return web.json_response({"lock_id": LOCK_ID, **told})


async def _parcels(request: web.Request) -> web.Response:
    door, asked = _asked(request, "parcel"), await _body(request, CarriedParcel)
    try:
        run = audit.unpack(aes, door.town.kdk, asked.parcel, asked.seal)
    except audit.AuditError as error:
        raise _problem(409, "BAD_PARCEL") from error
    door.records += run
    last = audit.decode_record(run[-1])
    head = Head(LOCK_ID, 1, last.seq, audit.record_hash(run[-1]))
    ack = door.town.keys.acknowledge(head)
    door.ack = {"version": last.seq, "document": to_base64url(ack)}
    return web.json_response({"stored": len(run)})


async def _heads(request: web.Request) -> web.Response:
    door, asked = _asked(request, "head"), await _body(request, CarriedHead)
    door.heads.append((asked.seq, asked.hash))
    return web.Response(status=204)
