"""Programs killed in the middle: the loop comes back by itself, and nothing acknowledged is lost.

Each test kills what it names while people use the doors, then demands the same: the whole loop
opens a door again, every record that a lock committed to is home, nothing was reset, and the phone
at the door never noticed.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing

import pytest

from gateway.store import FILE_NAME as GATEWAY_STORE
from tests.system.live import LiveTown, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]

SERVERS = ("broker", "gateway", "cloud")
BEHIND_THE_GATEWAY = ("bluetooth-gateway", "bus-gateway")


async def recovered(town: LiveTown, before: dict, *killed: str) -> None:
    """What every test demands in the end."""
    await town.all_ready()
    await town.relay_works_again(town.locks[0])
    await town.record_is_home()
    await town.nothing_was_reset(before)
    for name in killed:
        assert town.supervisor.children[name].state == "ready"


TOLD = {
    "OPENED",
    "TIMEOUT",
    "UNREACHABLE",
    "GATEWAY_OFFLINE",
    "RELAY_FAILED",
    "RELAY_OVER",
    "OFFLINE",
}

# --- one or several programs of the way between cloud and lock ---


@pytest.mark.parametrize(
    "victims",
    [("broker",), ("gateway",), ("cloud",), ("broker", "gateway"), BEHIND_THE_GATEWAY],
    ids="+".join,
)
async def test_a_kill_in_the_middle_is_survived_and_the_phone_never_notices(
    victims: tuple[str, ...], town: LiveTown
) -> None:
    before = await town.facts()
    counts = {name: town.restarts(name) for name in victims}
    at_the_door, other_door, by_relay = town.locks
    relay = asyncio.create_task(town.unlock(by_relay, "relay"))
    door = asyncio.create_task(town.opens_offline(at_the_door))
    await asyncio.sleep(0.1)
    town.kill(*victims)
    await town.opens_offline(other_door)
    await door
    for name in victims:
        await town.is_back(name, counts[name])
    await recovered(town, before, *victims)
    assert (await relay)["code"] in TOLD


async def test_the_phone_opens_every_door_while_all_servers_are_dead(town: LiveTown) -> None:
    before = await town.facts()
    await town.kill_for_good(*SERVERS)
    try:
        for lock_id in town.locks:
            await town.opens_offline(lock_id)
    finally:
        await town.revive(*SERVERS)
    await recovered(town, before, *SERVERS)


async def test_a_gateway_that_hangs_is_told_and_comes_back(town: LiveTown) -> None:
    """Stopped, not dead: its Bluetooth links stay up and the broker still takes it for alive."""
    before = await town.facts()
    town.kill("gateway", number=signal.SIGSTOP)
    try:
        relay = asyncio.create_task(town.unlock(town.locks[2], "relay"))
        for lock_id in town.locks:
            await town.opens_offline(lock_id)
        told = await relay
        assert (told["code"], told["authentic"]) == ("TIMEOUT", False)
    finally:
        town.kill("gateway", number=signal.SIGCONT)
    await recovered(town, before)


async def test_a_broker_that_hangs_is_left_behind(town: LiveTown) -> None:
    before = await town.facts()
    town.kill("broker", number=signal.SIGSTOP)
    try:
        relay = asyncio.create_task(town.unlock(town.locks[2], "relay"))
        await town.opens_offline(town.locks[1])
        assert (await relay)["code"] in TOLD - {"OPENED"}
    finally:
        town.kill("broker", number=signal.SIGCONT)
    await recovered(town, before)


# --- between two steps ---


def outbox_ids(town: LiveTown) -> set[str]:
    """Events that the gateway has and the cloud has not acknowledged."""
    path = town.folder.gateway_data / GATEWAY_STORE
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return {row[0] for row in database.execute("SELECT id FROM outbox")}


async def test_the_cloud_dies_between_an_event_and_its_commit(town: LiveTown) -> None:
    """The event was sent and never answered: it comes again and counts once."""
    before = await town.facts()
    restarts = town.restarts("cloud")
    town.kill("cloud", number=signal.SIGSTOP)
    await town.opens_offline(town.locks[0])

    async def waits() -> bool:
        return bool(outbox_ids(town))

    await until(waits, "the gateway keeps the event")
    town.kill("cloud")
    await town.is_back("cloud", restarts)
    await recovered(town, before, "cloud")


async def test_acknowledgements_that_get_lost_leave_no_second_record(town: LiveTown) -> None:
    """The cloud commits; the gateway, dead by then, never hears of it and sends once more."""
    before = await town.facts()
    town.kill("cloud", number=signal.SIGSTOP)
    await town.opens_offline(town.locks[0])

    async def waits() -> bool:
        return bool(outbox_ids(town))

    await until(waits, "the gateway keeps the event")
    await town.kill_for_good("gateway")
    unheard = outbox_ids(town)
    town.kill("cloud", number=signal.SIGCONT)
    await town.revive("gateway")
    assert unheard
    await recovered(town, before, "gateway")

    async def all_heard() -> bool:
        return not outbox_ids(town) & unheard

    await until(all_heard, "the outbox is emptied")


async def test_a_cancellation_reaches_its_lock_though_everything_was_killed(
    town: LiveTown,
) -> None:
    """Cancelled while the way is broken: the list of withdrawn keys arrives later, by itself."""
    rooms = {room["lock_id"]: room["room_id"] for room in await town.office.public("GET", "rooms")}
    lock_id = town.locks[0]
    booking = await town.book(rooms[lock_id], 7 * 3600, 1800)
    await town.residents.claim("別の人", booking["key_link"])
    before = await town.facts()
    await town.kill_for_good("broker", "gateway")
    await town.office.staff("POST", f"bookings/{booking['booking_id']}/cancel")
    town.kill("cloud")
    await town.revive("broker", "gateway")

    async def delivered() -> bool:
        lists = (await town.facts())["lists"]
        return lists.get(lock_id, 0) > before["lists"].get(lock_id, 0)

    await town.all_ready()
    await until(delivered, "the lock holds the new list")
    bookings = {line[0]: line[1] for line in (await town.facts())["bookings"]}
    assert bookings[booking["booking_id"]] == "cancelled"
    await town.record_is_home()


# --- locks ---


def retractions(happenings: list[dict], lock_id: str) -> int:
    return sum(h["door"] == lock_id and h["event"] == "bolt_retracted" for h in happenings)


async def test_a_lock_that_is_killed_at_rest_opens_nothing(town: LiveTown) -> None:
    before, lock_id = await town.facts(), town.locks[0]
    mark, restarts = await town.mark(), town.restarts(f"lock-{lock_id}")
    town.kill(f"lock-{lock_id}")
    await town.is_back(f"lock-{lock_id}", restarts)
    await town.doors_rest()
    happened = await town.diary(mark)
    assert {"chip_gone", "chip_started"} <= {h["event"] for h in happened}
    assert retractions(happened, lock_id) == 0
    await town.opens_offline(lock_id)
    assert town.committed[lock_id].keys()
    await recovered(town, before, f"lock-{lock_id}")


async def test_a_lock_that_is_killed_while_its_bolt_travels_locks_again_by_itself(
    town: LiveTown,
) -> None:
    before, lock_id = await town.facts(), town.locks[1]
    mark, restarts = await town.mark(), town.restarts(f"lock-{lock_id}")
    opening = asyncio.create_task(town.unlock(lock_id, "offline"))
    await _bolt_moves(town, lock_id)
    town.kill(f"lock-{lock_id}")
    told = await opening
    assert told["code"] in ("OPENED", "UNREACHABLE", "TIMEOUT")
    await town.is_back(f"lock-{lock_id}", restarts)
    await town.doors_rest()
    happened = await town.diary(mark)
    came = next(h["seq"] for h in happened if h["event"] == "chip_started")
    assert retractions([h for h in happened if h["seq"] > came], lock_id) == 0
    await town.opens_offline(lock_id)
    await recovered(town, before, f"lock-{lock_id}")


async def _bolt_moves(town: LiveTown, lock_id: str) -> None:
    async with asyncio.timeout(30):
        while not (await town.hands.state())["doors"][lock_id]["moving"]:
            await asyncio.sleep(0.005)


async def test_a_lock_that_is_killed_during_a_relay_is_found_again(town: LiveTown) -> None:
    before, lock_id = await town.facts(), town.locks[2]
    restarts = town.restarts(f"lock-{lock_id}")
    relay = asyncio.create_task(town.unlock(lock_id, "relay"))
    await asyncio.sleep(0.2)
    town.kill(f"lock-{lock_id}")
    await relay
    await town.is_back(f"lock-{lock_id}", restarts)
    await recovered(town, before, f"lock-{lock_id}")
