"""The gateway program is killed at random points: nothing is lost, and nothing acts twice."""

from __future__ import annotations

import asyncio
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from kannuki.soak import write_figures
from tests.gateway.street import SOON_S, Lives, figures, open_street, people, settle

KILLS, MANY_KILLS = 24, 1000
LONGEST_LIFE_S = 0.9
WARM_UP_S, HOUR_S, SAMPLES = 60.0, 3600.0, 60
# Two caches fill and stay: SQLite's of pages (2 MB) and pydantic's of short strings (1.3 MB).
MAY_GROW_BYTES = 4 << 20


async def kill_often(lives: Lives, chance: random.Random, times: int) -> None:
    """Lives of any length, from the first instructions on."""
    for _ in range(times):
        await lives.start()
        await asyncio.sleep(LONGEST_LIFE_S * chance.random())
        await lives.kill()


async def killed(
    folder: Path, seed: int, times: int, mistake: str = "none", within_s: float = SOON_S
) -> dict[str, Any]:
    async with open_street(folder, seed, mistake) as (street, lives):
        async with people(street):
            await kill_often(lives, random.Random(seed), times)
        await lives.start()
        await settle(street, within_s)
        return figures(street)


def assert_nothing_lost_or_done_twice(found: dict[str, Any]) -> None:
    for name in ("lost", "duplicated", "moved", "unacknowledged", "uncarried"):
        assert found[name] == 0, found
    assert found["records"] > found["kills"] / 2 > 0, "hardly anything happened"
    assert found["events"] > 0


@pytest.mark.slow
async def test_a_gateway_killed_at_random_points_loses_nothing_and_does_nothing_twice(tmp_path):
    assert_nothing_lost_or_done_twice(await killed(tmp_path, 1, KILLS))


@pytest.mark.slow
async def test_a_store_that_stores_an_event_late_is_found_out_by_kills(tmp_path):
    found = await killed(tmp_path, 1, 12, "stores_late", within_s=4.0)
    assert found["lost"] > 0


async def hour(folder: Path, seed: int, seconds: float) -> tuple[dict[str, Any], list[int]]:
    """One long life among people; what it held of the memory on the way."""
    async with open_street(folder, seed) as (street, lives):
        async with people(street):
            await lives.start()
            await asyncio.sleep(min(WARM_UP_S, seconds / 4))
            sizes = []
            for _ in range(SAMPLES):
                sizes.append(lives.resident_bytes())
                await asyncio.sleep(seconds / SAMPLES)
            sizes.append(lives.resident_bytes())
        await settle(street)
        return figures(street), sizes


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
async def test_a_thousand_kills_and_an_hour_of_traffic(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    began_at = time.monotonic()
    (tmp_path / "kills").mkdir()
    (tmp_path / "hour").mkdir()
    found = await killed(tmp_path / "kills", 2, MANY_KILLS)
    long_life, sizes = await hour(tmp_path / "hour", 3, HOUR_S)
    found |= {
        "rss_start": sizes[0],
        "rss_end": sizes[-1],
        "rss_samples": sizes,
        "hour": long_life,
        "seconds": round(time.monotonic() - began_at),
    }
    print(json.dumps(found))
    write_figures(pytestconfig.rootpath, "gateway", found)
    assert_nothing_lost_or_done_twice(found)
    assert found["granted"] > 0, "no door was opened through a gateway that is killed so often"
    assert {name: long_life[name] for name in ("lost", "duplicated", "moved")} == dict.fromkeys(
        ("lost", "duplicated", "moved"), 0
    )
    assert sizes[-1] <= sizes[0] + MAY_GROW_BYTES, sizes
