"""`kannuki bench cloud`: what the town's service costs beside what it cannot do without.

Three ratios, each with its baseline in the same run: bookings against bare inserts under the same
constraint and the same durability; tokens against bare signatures; the key page's API against an
answer that does nothing. On SQLite, and on PostgreSQL where it is installed (a server of our own
that waits for the disk). Rates are of this machine; ratios say more.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import SigningKey
from sqlalchemy import inspect, text

from cloud import bookings
from cloud.keywrap import raw_point
from cloud.models import Booking
from cloud.ports import TokenOrder
from cloud.throwaway import ThrowawayTown, throwaway_town
from kannuki.messages import to_base64url
from kannuki.postgres import find_postgres
from protocol import token as tokens

DAY_S = 86_400
ROOMS = 20
_SLOT_S = 3600
_FIRST_HOUR_S = 2 * DAY_S
_TIMEOUT = aiohttp.ClientTimeout(total=60)


def run(full: bool) -> dict[str, Any]:
    """The figures; `full` measures ten times as long."""
    return run_for(*((20.0, 10.0) if full else (2.0, 1.5)))


def run_for(seconds: float, page_seconds: float) -> dict[str, Any]:
    """The figures, each measured for so long; those of the key page for `page_seconds`."""
    told: dict[str, Any] = {}
    for kind in ("sqlite", "postgresql"):
        if kind == "postgresql" and find_postgres() is None:
            told["postgresql"] = "not installed: sudo apt-get install -y postgresql"
            continue
        with throwaway_town(ROOMS, on_postgres=kind == "postgresql", servers=1) as town:
            told |= {
                f"{kind}_{name}": value
                for name, value in _measure(town, seconds, page_seconds).items()
            }
    with throwaway_town(1) as town:
        told |= _tokens(town, seconds)
    return told


def _measure(town: ThrowawayTown, seconds: float, page_seconds: float) -> dict[str, Any]:
    slots = _slots(town.service.clock())
    soon = next(slots)  # a key can be collected three days before, and many slots are filled now
    booked = _rate(lambda: _book(town, *next(slots)), seconds)
    bare = _bare_inserts(town, seconds)
    told = {
        "bookings_per_s": round(booked),
        "bare_inserts_per_s": round(bare),
        "bookings_to_bare_ratio": round(booked / bare, 3),
    }
    return told | asyncio.run(_key_page(town, soon, page_seconds))


def _slots(now: int) -> Iterator[tuple[str, int]]:
    """(room, start): every hour of every room, one after the other, from the day after tomorrow."""
    first = now - now % DAY_S + _FIRST_HOUR_S
    for number in count():
        yield f"room-{number % ROOMS + 1}", first + (number // ROOMS) * _SLOT_S


def _book(town: ThrowawayTown, room_id: str, starts_at: int) -> None:
    service = town.service
    with service.database.write() as session:
        bookings.create(
            session,
            service.random_bytes,
            service.clock(),
            room_id=room_id,
            starts_at=starts_at,
            ends_at=starts_at + _SLOT_S,
            holder_name="x",
        )


def _bare_inserts(town: ThrowawayTown, seconds: float) -> float:
    """One row and one commit after another into the same table, by the database's driver alone."""
    with town.service.database.read() as session:
        kept = session.query(Booking).first()
        assert kept is not None
        row = {column.key: getattr(kept, column.key) for column in inspect(Booking).column_attrs}
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    statement = text(f"INSERT INTO bookings ({names}) VALUES ({values})")
    past = _slots(0)

    def insert() -> None:
        room_id, starts_at = next(past)
        name = f"bare-{starts_at}-{room_id}"
        span = {"starts_at": starts_at, "ends_at": starts_at + _SLOT_S}
        held = (
            {"held_from": span["starts_at"], "held_to": span["ends_at"]} if "held_to" in row else {}
        )
        changed = {"booking_id": name[:24], "uid": name, "room_id": room_id}
        with town.service.database.engine.begin() as connection:
            connection.execute(statement, row | span | held | changed)

    return _rate(insert, seconds)


def _tokens(town: ThrowawayTown, seconds: float) -> dict[str, Any]:
    now, key, message = town.service.clock(), SigningKey.generate(), bytes(110)
    order = TokenOrder("aaaaaaaa", now, now + 7200, tokens.UNLOCK, 1)
    issued = _rate(lambda: town.service.signers.issuer.issue(order, now), seconds)
    signed = _rate(lambda: key.sign(message), seconds)
    return {
        "tokens_per_s": round(issued),
        "bare_signatures_per_s": round(signed),
        "tokens_to_bare_ratio": round(issued / signed, 3),
    }


def _rate(work: Callable[[], object], seconds: float) -> float:
    work()
    began, done = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        work()
        done += 1
    return done / took


async def _key_page(town: ThrowawayTown, slot: tuple[str, int], seconds: float) -> dict[str, Any]:
    """Milliseconds of what a key page asks for, one after the other as one phone does."""
    async with aiohttp.ClientSession(town.urls[0], timeout=_TIMEOUT) as http:
        claim = await _bookable(http, slot)
        claimed = await _claimed(http, claim)
        lock_id = claimed["credentials"][0]["lock_id"]
        bearer = {"Authorization": f"Bearer {claimed['relay_ticket']}"}
        requests: dict[str, _Request] = {
            "bare": ("GET", "/v1/nothing", None, {}),
            "claim": ("POST", "/v1/keys/claim", claim, {}),
            "documents": ("GET", f"/v1/locks/{lock_id}/documents", None, bearer),
        }
        told = {}
        for name, request in requests.items():
            taken = await _latencies(http, request, seconds)
            told[f"key_page_{name}_p50_ms"] = round(statistics.median(taken), 2)
            told[f"key_page_{name}_p95_ms"] = round(taken[int(len(taken) * 0.95)], 2)
        return told


async def _bookable(http: aiohttp.ClientSession, slot: tuple[str, int]) -> dict[str, str]:
    """The body of a claim for a booking made now."""
    room_id, starts_at = slot
    wanted = {"room_id": room_id, "starts_at": starts_at, "ends_at": starts_at + _SLOT_S}
    async with http.post("/v1/bookings", json={**wanted, "holder_name": "x"}) as answer:
        answer.raise_for_status()
        secret = (await answer.json())["key_link"].partition("#")[2]
    device_key = raw_point(ec.generate_private_key(ec.SECP256R1()).public_key())
    return {"secret": secret, "device_key": to_base64url(device_key)}


async def _claimed(http: aiohttp.ClientSession, claim: dict[str, str]) -> dict[str, Any]:
    deadline = time.monotonic() + 10
    while True:
        async with http.post("/v1/keys/claim", json=claim) as answer:
            if answer.status == 200 or time.monotonic() > deadline:
                answer.raise_for_status()
                told: dict[str, Any] = await answer.json()
                return told
        await asyncio.sleep(0.1)  # its token is still being signed


_Request = tuple[str, str, dict[str, str] | None, dict[str, str]]


async def _latencies(http: aiohttp.ClientSession, request: _Request, seconds: float) -> list[float]:
    """Milliseconds, shortest first."""
    method, path, body, headers = request
    taken, ends = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        async with http.request(method, path, json=body, headers=headers) as answer:
            await answer.read()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)
