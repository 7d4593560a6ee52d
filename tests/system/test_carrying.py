"""A phone alone between a lock and the town: no gateway runs, and the lock has lost its clock."""

from __future__ import annotations

import pytest

from simulator.demo.office import call
from tests.system.live import LiveTown, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
]


async def test_a_phone_brings_the_time_opens_and_takes_the_records_home(town: LiveTown) -> None:
    lock_id = town.locks[0]
    chip = f"lock-{lock_id}"
    await town.kill_for_good("gateway")
    await call("POST", f"{town.town.url('world')}/boards/{lock_id}/rtc", {"lost": True})
    starts = town.restarts(chip)
    town.kill(chip)
    await town.is_back(chip, starts)
    await town.opens_offline(lock_id)
    (head,) = town.committed[lock_id]

    async def is_home() -> bool:
        return head in town.chain(lock_id)

    await until(is_home, "the phone has taken the record of its opening home")
    lines = await town.office.staff("GET", f"audit?lock_id={lock_id}&limit=500")
    told = [(line["event"], line["reason"]) for line in lines]
    assert ("LockOperationError", "TIME_UNKNOWN") in told, "the lock did not know the time"
    await town.revive("gateway")
    await town.relay_works_again(lock_id)
