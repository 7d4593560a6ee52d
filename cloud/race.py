"""`kannuki cloud race`: many residents want one room at one time, all at once, by HTTP.

A throw-away town, served by several processes on one database, gets requests that all name the same
slot. Decides what counts as right: one booking is made, everyone else is told in words that the
room is taken, and the database holds one booking. Anything else ends with exit code 1.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from typing import Any

import aiohttp
import click
from sqlalchemy import func, select

from cloud.models import CANCELLED, Booking
from cloud.throwaway import ThrowawayTown, throwaway_town
from kannuki.errors import EXIT_FAILED, EXIT_OK

DAY_S = 86_400
_TIMEOUT = aiohttp.ClientTimeout(total=120)


@click.command()
@click.option("--attempts", type=click.IntRange(2, 100_000), default=1_000, show_default=True)
@click.option(
    "--connections",
    type=click.IntRange(1, 1_000),
    default=100,
    show_default=True,
    help="Requests under way at once.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    help="Processes of the service on the same database.",
)
@click.option("--postgres", is_flag=True, help="On PostgreSQL instead of SQLite.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def race(attempts: int, connections: int, processes: int, postgres: bool, as_json: bool) -> int:
    """Let many bookings race for one slot in a town made for it: one may win."""
    with throwaway_town(rooms=1, on_postgres=postgres, servers=processes) as town:
        told = asyncio.run(run(town, attempts, connections))
    click.echo(json.dumps(told) if as_json else _text(told))
    return EXIT_OK if told["ok"] else EXIT_FAILED


async def run(town: ThrowawayTown, attempts: int, connections: int) -> dict[str, Any]:
    """What became of `attempts` requests for one slot."""
    starts_at = _tomorrow(town.service.clock())
    wanted = {"room_id": "room-1", "starts_at": starts_at, "ends_at": starts_at + 7200}
    began = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=connections, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as http:
        answers = await asyncio.gather(
            *(_book(http, town.urls[n % len(town.urls)], wanted, n) for n in range(attempts))
        )
    took_s = time.perf_counter() - began
    counted = Counter(answers)
    kept = _kept(town)
    won = counted["BOOKED"]
    return {
        "ok": won == kept == 1 and counted["OVERLAP"] == attempts - 1,
        "database": town.service.database.engine.dialect.name,
        "attempts": attempts,
        "processes": len(town.urls),
        "won": won,
        "told_taken": counted["OVERLAP"],
        "other_answers": {k: v for k, v in counted.items() if k not in ("BOOKED", "OVERLAP")},
        "bookings_in_database": kept,
        "seconds": round(took_s, 2),
        "answers_per_s": round(attempts / took_s),
    }


async def _book(http: aiohttp.ClientSession, url: str, wanted: dict[str, Any], n: int) -> str:
    async with http.post(f"{url}/v1/bookings", json={**wanted, "holder_name": f"{n}"}) as answer:
        told = await answer.json()
    if answer.status == 201:
        return "BOOKED"
    has_words = all(told.get(lang) for lang in ("ja", "ja-simple", "en"))
    return str(told["code"]) if has_words else f"{answer.status} without words"


def _kept(town: ThrowawayTown) -> int:
    with town.service.database.read() as session:
        query = select(func.count()).select_from(Booking).where(Booking.status != CANCELLED)
        return int(session.scalar(query) or 0)


def _tomorrow(now: int) -> int:
    """01:00 UTC tomorrow: ten in the morning in Tokyo."""
    return now - now % DAY_S + DAY_S + 3600


def _text(told: dict[str, Any]) -> str:
    head = "one won" if told["ok"] else "WRONG"
    return "\n".join([head, *(f"  {name}: {value}" for name, value in told.items())])
